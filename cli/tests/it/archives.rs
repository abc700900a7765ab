//! `extract` and `verify`.

use crate::support::{Dir, names};

#[test]
fn extract_is_all_or_nothing() {
    let dir = Dir::with_archive();
    let ran = dir.run(&["extract", "a.rtar"]).ok();
    assert_eq!(
        ran.out,
        "extracted 2 files (11 B), 3 directories and 1 link to ./a\n\
         3 records are not extracted: `rosettar records` prints them\n"
    );
    assert_eq!(std::fs::read(dir.path("a/t/sub/ü b.md")).unwrap(), b"beta\n");
    assert!(dir.run(&["extract", "a.rtar"]).code(1).err.contains("[usage.target]"));
    dir.run(&["extract", "-q", "a.rtar", "-C", "part", "*.md"]).ok();
    assert_eq!(names(&dir.path("part/t")), ["sub"]);
    assert!(dir.run(&["extract", "a.rtar", "-C", "none", "*.nope"]).code(1).err.contains("*.nope"));
    std::fs::copy(dir.path("a.rtar"), dir.path("plain")).unwrap();
    assert!(dir.run(&["extract", "plain"]).code(1).err.contains("name a directory with -C"));
    dir.run(&["extract", "plain", "-C", "out", "--sync", "--modes", "exact", "--threads", "2"]).ok();

    let mut bytes = std::fs::read(dir.path("a.rtar")).unwrap();
    let at = bytes.len() / 2;
    bytes[at] ^= 1;
    dir.write("bad.rtar", bytes);
    let before = dir.names();
    dir.run(&["extract", "bad.rtar"]).code(2);
    assert_eq!(dir.names(), before);
}

#[test]
fn verify_says_what_is_proven_and_what_is_wrong() {
    let dir = Dir::with_archive();
    let ran = dir.run(&["verify", "a.rtar"]).ok();
    assert!(ran.out.starts_with("a.rtar: sound\n  proven: every byte"), "{}", ran.out);
    assert!(ran.out.contains("not proven: whether each record decodes"), "{}", ran.out);
    assert_eq!(dir.run(&["verify", "--quiet", "a.rtar"]).ok().out, "");
    assert!(dir.run(&["verify", "--records", "a.rtar"]).ok().out.contains("decodes by its schema"));

    let bytes = std::fs::read(dir.path("a.rtar")).unwrap();
    dir.write("cut.rtar", &bytes[..bytes.len() - 1]);
    let mut flipped = bytes.clone();
    let at = flipped.len() / 2;
    flipped[at] ^= 1;
    dir.write("flipped.rtar", flipped);
    dir.write("text.rtar", "this is no archive, and long enough to say so");
    for name in ["cut.rtar", "flipped.rtar", "text.rtar"] {
        let ran = dir.run(&["verify", name]).code(2);
        assert!(ran.out.starts_with(&format!("{name}: not sound, ")) && ran.out.contains("  problem: "), "{}", ran.out);
        assert_eq!(ran.err, "");
        dir.run(&["verify", "--quiet", name]).code(2);
    }
    let ran = dir.run(&["verify", "nope.rtar", "a.rtar"]).code(1);
    assert!(ran.err.contains("cannot open nope.rtar") && ran.out.starts_with("a.rtar: sound"), "{ran:?}");
    let ran = dir.run(&["verify", "cut.rtar", "nope.rtar", "a.rtar"]).code(2);
    assert!(ran.out.contains("a.rtar: sound"), "{ran:?}");
}

#[test]
fn other_tools_see_the_same_files() {
    if !crate::support::have("tar", "other_tools_see_the_same_files")
        || !crate::support::have("zstd", "other_tools_see_the_same_files")
    {
        return;
    }
    let dir = Dir::with_archive();
    std::fs::create_dir(dir.path("tar")).unwrap();
    let status =
        std::process::Command::new("tar").arg("xf").arg(dir.path("a.rtar")).arg("-C").arg(dir.path("tar")).status();
    assert!(status.unwrap().success());
    dir.run(&["extract", "a.rtar"]).ok();
    assert_eq!(names(&dir.path("tar/t/sub")), names(&dir.path("a/t/sub")));
    assert_eq!(std::fs::read(dir.path("tar/t/a.txt")).unwrap(), std::fs::read(dir.path("a/t/a.txt")).unwrap());
}
