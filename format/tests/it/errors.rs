//! The table of error codes, spec/ERRORS.md and spec/FORMAT.md name the same codes.

use std::collections::{BTreeMap, BTreeSet};

use rosettar::error::code;

use crate::support;

fn table() -> BTreeMap<String, String> {
    code::ALL.iter().map(|code| (code.id().to_owned(), code.kind().to_string())).collect()
}

fn spec(file: &str) -> String {
    let path = support::project().join("spec").join(file);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The rows "| `code` | kind |..." of Markdown tables.
fn rows(text: &str) -> Vec<(String, String)> {
    text.lines()
        .filter_map(|line| {
            let (code, rest) = line.trim().strip_prefix("| `")?.split_once("` |")?;
            let kind = rest.split('|').next()?.trim().trim_matches('`').to_lowercase();
            Some((code.to_owned(), kind))
        })
        .collect()
}

#[test]
fn the_specification_lists_every_code_and_no_other() {
    let rows = rows(&spec("ERRORS.md"));
    let listed: BTreeMap<String, String> = rows.iter().cloned().collect();
    assert_eq!(listed.len(), rows.len(), "a code has two rows");
    let table = table();
    let faults: Vec<String> = table
        .iter()
        .filter(|(code, _)| !listed.contains_key(*code))
        .map(|(code, _)| format!("{code} is not in ERRORS.md"))
        .chain(listed.iter().filter_map(|(code, kind)| match table.get(code) {
            None => Some(format!("{code} is in ERRORS.md only")),
            Some(found) if found != kind => Some(format!("{code} is {found}, and {kind} in ERRORS.md")),
            Some(_) => None,
        }))
        .collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_code_in_the_format_exists() {
    let table = table();
    let families: BTreeSet<&str> = table.keys().filter_map(|code| code.split('.').next()).collect();
    let text = spec("FORMAT.md") + &spec("C1Z.md");
    let mut named = BTreeSet::new();
    for quoted in text.split('`').skip(1).step_by(2) {
        let Some((family, fault)) = quoted.split_once('.') else { continue };
        // `index.proto` is a file, `rosettar.v1` a package, `schema.*` a family.
        let is_code = families.contains(family)
            && fault != "proto"
            && fault.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-')
            && !fault.is_empty();
        if is_code {
            named.insert(quoted);
        }
    }
    assert!(named.len() > 40, "only {} codes found: {named:?}", named.len());
    let unknown: Vec<_> = named.iter().filter(|code| !table.contains_key(**code)).collect();
    assert!(unknown.is_empty(), "the specification names codes that do not exist: {unknown:?}");

    // What only a caller, a record's text or the outside world can cause is not a rule of the format.
    let apart = ["usage", "io", "policy", "schema", "record"];
    let unnamed: Vec<_> = table
        .keys()
        .filter(|code| !apart.contains(&code.split('.').next().unwrap()) && !named.contains(code.as_str()))
        .collect();
    assert!(unnamed.is_empty(), "no rule of FORMAT.md or C1Z.md has the codes {unnamed:?}");
}
