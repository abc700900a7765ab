//! The order of the layers of `format/src`: imports only go down.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::support;

/// The layers, the lowest first. Modules of one row do not import each other.
const ORDER: &[&[&str]] = &[
    &["error"],
    &["limits", "digest", "monitor", "parallel", "select"],
    &["path"],
    &["io", "frame"],
    &["wire"],
    &["model"],
    &["tar"],
    &["proto"],
    &["schema"],
    &["record"],
    &["v1", "c1z"],
    &["read"],
    &["write"],
    &["ancestors"],
    &["dispatch"],
    &["verify", "extract", "recover", "diff", "convert"],
    &["explain"],
    &["lib"],
];

/// Non-test lines that a file may have.
const MOST_LINES: usize = 600;

struct Source {
    path: PathBuf,
    /// The module of the crate that it belongs to.
    layer: String,
    /// Its code: no comments, no unit tests.
    code: String,
    lines: usize,
}

fn sources() -> Vec<Source> {
    let root = support::project().join("format/src");
    let mut files = Vec::new();
    collect(&root, &mut files);
    let sources: Vec<Source> = files.iter().filter_map(|path| source(&root, path)).collect();
    assert!(sources.len() > 50, "only {} files found", sources.len());
    sources
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
}

fn source(root: &Path, path: &Path) -> Option<Source> {
    let relative = path.strip_prefix(root).unwrap();
    let names: Vec<String> = relative.with_extension("").iter().map(|name| name.to_str().unwrap().to_owned()).collect();
    if names.iter().any(|name| name == "tests") {
        return None;
    }
    let text = std::fs::read_to_string(path).unwrap();
    let code_lines: Vec<&str> = text.lines().take_while(|line| !line.starts_with("mod tests")).collect();
    let code = code_lines.iter().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n");
    Some(Source { path: relative.to_owned(), layer: names[0].clone(), code, lines: code_lines.len() })
}

fn rank(layer: &str) -> Option<usize> {
    ORDER.iter().position(|row| row.contains(&layer))
}

/// The modules of the crate that `code` names by `crate::`, alone or in braces.
fn named(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        if code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '$') {
            continue;
        }
        let rest = &code[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            None => found.push(identifier(rest)),
            Some(group) => {
                let mut depth = 0;
                let mut first = true;
                for (at, c) in group.char_indices() {
                    match c {
                        '{' => depth += 1,
                        '}' if depth == 0 => break,
                        '}' => depth -= 1,
                        ',' if depth == 0 => first = true,
                        c if first && (c.is_alphanumeric() || c == '_') => {
                            found.push(identifier(&group[at..]));
                            first = false;
                        }
                        _ => {}
                    }
                }
            }
        }
    }
    found.retain(|name| !name.is_empty());
    found
}

fn identifier(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

#[test]
fn imports_only_go_down() {
    // What lib.rs gives out at the top of the crate, with the layer it comes from.
    let lib = std::fs::read_to_string(support::project().join("format/src/lib.rs")).unwrap();
    let mut given_out = BTreeMap::new();
    for line in lib.lines().filter_map(|line| line.strip_prefix("pub use ")) {
        let (layer, names) = line.trim_end_matches(';').split_once("::").unwrap();
        for name in names.trim_matches(['{', '}']).split(',') {
            given_out.insert(name.trim().to_owned(), layer.to_owned());
        }
    }
    assert!(given_out.len() > 10, "{given_out:?}");

    let mut faults = Vec::new();
    for source in sources() {
        let from = rank(&source.layer).unwrap_or_else(|| panic!("{} is in no layer", source.path.display()));
        for name in named(&source.code) {
            let layer = given_out.get(&name).unwrap_or(&name);
            let Some(to) = rank(layer) else {
                faults.push(format!("{} names crate::{name}, which is in no layer", source.path.display()));
                continue;
            };
            if *layer != source.layer && to >= from {
                faults.push(format!("{} ({}) imports {layer}", source.path.display(), source.layer));
            }
        }
        // One `super` for each directory that the file is in (a mod.rs stands for its directory); one more would leave
        // the layer unnoticed.
        // A module within the file takes one, too.
        let within = source.code.lines().any(|line| line.contains(" mod ") && line.ends_with('{'));
        let depth = source.path.components().count() - usize::from(source.path.ends_with("mod.rs"));
        let depth = depth + usize::from(within);
        if source.code.contains(&"super::".repeat(depth)) {
            faults.push(format!("{} leaves its layer by super", source.path.display()));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn imports_are_found() {
    let code =
        "use crate::{v1, read::{Archive, Head}, io};\nuse super::x;\nlet y = crate::wire::prefix::LEN; $crate::no";
    assert_eq!(named(code), ["v1", "read", "io", "wire"]);
}

#[test]
fn only_dispatch_matches_a_version() {
    for source in sources() {
        let may = ["dispatch", "v1", "wire"].contains(&source.layer.as_str());
        assert!(
            may || !source.code.contains("parse_version"),
            "{} looks at the version of an archive",
            source.path.display()
        );
        // Others name the version only to write it, or to compare what they would write.
        let matched = source.code.lines().filter(|line| {
            line.contains("v1::MAJOR")
                && (line.contains("=>") || line.contains("==") || line.contains("!=") || line.contains("matches!"))
        });
        if !may {
            assert_eq!(matched.collect::<Vec<_>>(), Vec::<&str>::new(), "{}", source.path.display());
        }
    }
}

#[test]
fn no_unsafe_code_and_no_long_file() {
    for source in sources() {
        if source.layer == "lib" {
            let first = std::fs::read_to_string(support::project().join("format/src/lib.rs")).unwrap();
            assert!(first.contains("\n#![forbid(unsafe_code)]\n"), "lib.rs does not forbid unsafe code");
        }
        let generated = source.layer == "proto";
        assert!(
            generated || source.lines <= MOST_LINES,
            "{} has {} lines, more than {MOST_LINES}, without its tests",
            source.path.display(),
            source.lines
        );
    }
}
