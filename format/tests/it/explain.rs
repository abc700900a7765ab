//! Maps of files: that they cover them, and agree with the reader.

use std::fmt::Write as _;
use std::path::PathBuf;

use rosettar::error::code;
use rosettar::explain::{ExplainOptions, Line, Space, Verdict};
use rosettar::{Error, Limits, NewEntry, Result, WriteOptions};

use crate::support;
use crate::vectors::{each, limits};

/// All lines of a map, and the verdict; the outermost lines cover the file.
fn explained(file: Vec<u8>, options: ExplainOptions) -> Result<(Vec<Line>, Verdict)> {
    let size = file.len() as u64;
    let (mut lines, mut end) = (Vec::new(), 0);
    let verdict = options.explain(file, |line| {
        if line.level == 0 {
            assert_eq!((line.offset, line.space), (end, Space::File), "{line:?}");
            assert!(line.length > 0, "{line:?}");
            end += line.length;
        }
        lines.push(line);
        Ok(())
    })?;
    assert_eq!(end, size);
    Ok((lines, verdict))
}

/// The lines as text, as the command has them, more or less.
fn text(lines: &[Line]) -> String {
    let mut text = String::new();
    for line in lines {
        let space = if line.space == Space::File { "" } else { line.space.as_str() };
        let indent = "  ".repeat(line.level as usize);
        write!(text, "{space:>4} {:>6} {:>6}  {indent}{}: {}", line.offset, line.length, line.what, line.value)
            .unwrap();
        writeln!(
            text,
            "{} [{}]",
            if line.more > 0 { format!("… {} more", line.more) } else { String::new() },
            line.spec
        )
        .unwrap();
        for problem in &line.problems {
            writeln!(text, "  ! {problem}").unwrap();
        }
    }
    text
}

fn codes(lines: &[Line]) -> Vec<&'static str> {
    lines.iter().flat_map(|line| line.problems.iter().map(Error::code)).collect()
}

fn vector(name: &str) -> Vec<u8> {
    std::fs::read(support::project().join(format!("conformance/vectors/{name}.rtar"))).unwrap()
}

#[test]
fn every_vector_is_covered_and_judged_as_the_reader_does() {
    each(|path, expected| {
        let file = std::fs::read(path).unwrap();
        for all in [false, true] {
            let options = ExplainOptions::new().limits(limits(expected)).all(all);
            let (lines, verdict) = explained(file.clone(), options).unwrap();
            let code = verdict.problems.first().map(Error::code);
            if code != expected["code"].as_str() {
                return Some(format!("the verdict is {code:?}, though {}", expected["code"]));
            }
            // What the reader finds is on a line, or has no place.
            let mut said = codes(&lines);
            said.extend(verdict.unplaced.iter().map(|number| verdict.problems[*number].code()));
            if let Some(missing) = verdict.problems.iter().find(|problem| !said.contains(&problem.code())) {
                return Some(format!("nothing says {missing}"));
            }
            if verdict.is_sound() && !said.is_empty() {
                return Some(format!("it is sound, though {said:?}:\n{}", text(&lines)));
            }
        }
        None
    });
}

#[test]
fn c1z_files_are_covered_and_judged_as_the_reader_does() {
    let folder = support::project().join("conformance/c1z/vectors");
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "c1z"));
    files.sort();
    assert!(files.len() > 40, "{}", files.len());
    for path in files {
        let expected: serde_json::Value =
            serde_json::from_slice(&std::fs::read(path.with_extension("json")).unwrap()).unwrap();
        let (lines, verdict) = explained(std::fs::read(&path).unwrap(), ExplainOptions::new()).unwrap();
        let opened = rosettar::open_path(&path).and_then(|archive| {
            let report = archive.verify(&rosettar::VerifyOptions::new().records(true)).unwrap();
            report.problems.into_iter().next().map_or(Ok(()), Err)
        });
        let found = verdict.problems.first().map(Error::code);
        assert_eq!(found, opened.as_ref().err().map(Error::code), "{}", path.display());
        if found.is_none() {
            assert_eq!(codes(&lines), Vec::<&str>::new(), "{}: {expected}\n{}", path.display(), text(&lines));
        }
    }
}

/// Whatever a file is, its map covers it.
#[test]
fn damage_of_every_kind_is_mapped() {
    let whole = vector("file-and-record");
    let mut files: Vec<Vec<u8>> = (0..whole.len()).step_by(97).map(|len| whole[..len].to_vec()).collect();
    for at in (0..whole.len()).step_by(83) {
        let mut file = whole.clone();
        file[at] ^= 0x55;
        files.push(file);
    }
    files.push([&whole[..], b"appended"].concat());
    files.push([&whole[..], &whole].concat());
    files.push(whole[29..].to_vec());
    files.push([&whole[..40], &[7; 5000], &whole[3272..]].concat());
    files.push([&whole[..5000], &whole[5100..]].concat());
    files.extend([Vec::new(), b"C1Z".to_vec(), b"C1Z3\0".to_vec(), b"C1ZF\0".to_vec(), support::noise(9999, 1)]);
    for (number, file) in files.into_iter().enumerate() {
        let (_, verdict) = explained(file, ExplainOptions::new()).unwrap();
        assert!(!verdict.is_sound(), "{number}");
    }
}

/// Where a frame is damaged beyond recognition, the index tells where the next begins.
#[test]
fn the_map_goes_on_after_damage() {
    let mut file = vector("file-and-record");
    file[3272..3300].fill(0);
    let (lines, verdict) = explained(file, ExplainOptions::new()).unwrap();
    let outer: Vec<_> = lines.iter().filter(|line| line.level == 0).map(|line| (line.offset, line.length)).collect();
    assert_eq!(outer[2..6], [(29, 3243), (3272, 5646), (8918, 1038), (9956, 526)], "{}", text(&lines));
    assert!(lines.iter().any(|line| line.value.contains("\"hello.txt\"") && line.what == "header"), "{}", text(&lines));
    assert_eq!(verdict.problems[0].code(), "frame.digest");
    // And where the index is lost, too, the seek table does.
    let mut file = vector("file-and-record");
    file[3272..3300].fill(0);
    file[12_485 + 8] ^= 1;
    let (lines, verdict) = explained(file, ExplainOptions::new()).unwrap();
    assert!(lines.iter().any(|line| line.value.contains("listed by the seek table")), "{}", text(&lines));
    assert!(lines.iter().any(|line| line.value.contains("\"hello.txt\"") && line.what == "header"), "{}", text(&lines));
    assert!(verdict.format.is_none());
}

#[test]
fn a_wrong_header_is_told_field_by_field() {
    let (lines, _) = explained(vector("header-owner"), ExplainOptions::new()).unwrap();
    let line = lines.iter().find(|line| line.level == 2 && line.what == "uid").unwrap();
    assert_eq!(line.problems[0].code(), "tar.header", "{}", text(&lines));
    assert!(line.problems[0].message().contains("expected \"0000000\", found"), "{line:?}");
}

#[test]
fn a_range_gives_what_encloses_it() {
    let file = vector("file-and-record");
    let (mut lines, at) = (Vec::new(), 12_600..12_601);
    ExplainOptions::new()
        .at(at)
        .explain(file.clone(), |line| {
            lines.push((line.level, line.offset, line.what));
            Ok(())
        })
        .unwrap();
    let expected = [
        (0, 12_485, "frame 9, section INDX, the index"),
        (1, 12_533, "body"),
        (2, 12_569, "streams, field 7 (length-delimited)"),
        (3, 12_600, "schema, field 3 (a varint)"),
    ];
    assert_eq!(lines, expected.map(|(level, offset, what)| (level, offset, what.to_owned())));
    for at in [13_148..13_149, 5..5] {
        let error = ExplainOptions::new().at(at).explain(file.clone(), |_| Ok(())).unwrap_err();
        assert_eq!(error.code(), "usage.option");
    }
    // What a frame decodes to belongs to its blocks, and not to its header.
    let tar = |at: u64| {
        let mut found = false;
        let options = ExplainOptions::new().at(at..at + 1);
        options.explain(file.clone(), |line| {
            found |= line.space == Space::Tar;
            Ok(())
        })
    };
    assert!(tar(8918).is_ok() && tar(8940).is_ok());
}

/// Frames, pages, entries and rows that are alike are one line after the first few, in bounded memory.
#[test]
fn many_things_are_shortened() {
    let mut file = Vec::new();
    let mut writer = WriteOptions::new().chunk_size(4096).level(1).write_to(&mut file).unwrap();
    for number in 0..20_000 {
        writer.add_bytes(NewEntry::new(format!("f{number:05}")).unwrap(), &[b'x'; 300]).unwrap();
    }
    writer.finish().unwrap();
    let (lines, verdict) = explained(file.clone(), ExplainOptions::new()).unwrap();
    assert!(verdict.is_sound());
    assert!(lines.len() < 1200, "{}", lines.len());
    let more: u64 = lines.iter().filter(|line| line.level == 0).map(|line| line.more).sum();
    assert!(more > 4000, "{more}");
    let (all, _) = explained(file.clone(), ExplainOptions::new().all(true)).unwrap();
    assert!(all.iter().all(|line| line.more == 0));
    assert!(all.len() > 80_000, "{}", all.len());
    // One that is not like the others is shown.
    let at = all.iter().filter(|line| line.what.ends_with("payload")).nth(3000).unwrap().offset;
    file[at as usize + 30] ^= 1;
    let (lines, verdict) = explained(file, ExplainOptions::new()).unwrap();
    assert_eq!(verdict.problems[0].code(), "frame.digest");
    let shown = lines.iter().find(|line| line.level == 0 && line.offset == at).unwrap();
    assert_eq!(shown.problems[0].code(), "frame.digest");
}

#[test]
fn errors_of_the_caller_and_limits_are_passed_on() {
    let file = vector("file-and-record");
    let stop = ExplainOptions::new().explain(file.clone(), |_| Err(Error::new(code::USAGE_INTERRUPTED, "enough")));
    assert_eq!(stop.unwrap_err().code(), "usage.interrupted");
    let mut limits = Limits::default();
    limits.set("manifest-bytes", "100").unwrap();
    let (lines, verdict) = explained(file, ExplainOptions::new().limits(limits)).unwrap();
    assert_eq!(verdict.problems[0].code(), "limit.manifest-bytes");
    assert!(codes(&lines).contains(&"limit.manifest-bytes"), "{}", text(&lines));
}

#[test]
fn golden() {
    for name in ["file-and-record", "magic", "header-owner", "frame-gap"] {
        let (lines, verdict) = explained(vector(name), ExplainOptions::new()).unwrap();
        let verdict = verdict.problems.iter().map(|problem| format!("verdict: {problem}\n")).collect::<String>();
        let path = support::project().join(format!("format/tests/it/explain/{name}.txt"));
        support::assert_file_is(&path, format!("{}{verdict}", text(&lines)).as_bytes());
    }
}

/// A chunk of nothing but wrong headers, and a manifest of nothing but fields, take neither much memory nor many lines.
#[test]
fn what_is_wrong_a_thousand_times_is_shortened() {
    let mut tar = Vec::new();
    for _ in 0..10_000 {
        let mut block = [b'?'; 512];
        block[124..136].copy_from_slice(b"00000000000\0");
        tar.extend_from_slice(&block);
    }
    let mut file = vector("empty")[..3139].to_vec();
    // One frame with a block of each 128 KiB, stored as they are.
    file.extend_from_slice(b"\x28\xB5\x2F\xFD\xA4");
    file.extend_from_slice(&(tar.len() as u32).to_le_bytes());
    let blocks = tar.chunks(128 << 10).count();
    for (number, block) in tar.chunks(128 << 10).enumerate() {
        let head = (block.len() << 3 | usize::from(number + 1 == blocks)) as u32;
        file.extend_from_slice(&head.to_le_bytes()[..3]);
        file.extend_from_slice(block);
    }
    file.extend_from_slice(&(twox_hash::XxHash64::oneshot(0, &tar) as u32).to_le_bytes());
    let (lines, verdict) = explained(file, ExplainOptions::new()).unwrap();
    assert!(!verdict.is_sound());
    assert!(lines.iter().any(|line| line.more > 9000), "{}", text(&lines));
    assert!(lines.len() < 500, "{}", lines.len());
}
