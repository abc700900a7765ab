//! What SECURITY.md says is there.

use rosettar::Limits;

use crate::support;

fn text() -> String {
    std::fs::read_to_string(support::project().join("SECURITY.md")).unwrap()
}

/// Each test that is named as `path: name` exists.
#[test]
fn every_test_that_is_named_exists() {
    let text = text();
    let mut named = 0;
    // What stands between backticks.
    for span in text.split('`').skip(1).step_by(2) {
        let Some((path, name)) = span.split_once(": ") else { continue };
        let file = support::project().join(path);
        let source = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{path}: {error}"));
        let is_there = |definition: &str| source.contains(&format!("{definition} {name}("));
        let is_test = match path.ends_with(".py") {
            true => is_there("def"),
            false => source.split("#[test]").skip(1).any(|after| {
                // Attributes and comments may stand between.
                after.find("fn ").is_some_and(|at| after[at + 3..].starts_with(&format!("{name}(")))
            }),
        };
        assert!(is_test, "{path} has no test {name}");
        named += 1;
    }
    assert!(named > 40, "only {named} tests are named");
    // Each row of the table of attacks names one.
    let table = text.split("## Attacks").nth(1).unwrap().split("\n\n").nth(1).unwrap();
    for row in table.lines().skip(2) {
        assert!(row.contains(": ") && row.matches('|').count() == 4, "{row}");
    }
}

/// The table of limits has all of them, with their defaults.
#[test]
fn the_table_of_limits_is_that_of_the_crate() {
    let text = text();
    let table = text.split("## Limits").nth(1).unwrap().split("\n## ").next().unwrap();
    let mut limits = Limits::default();
    // Values that are not the defaults, so that each row has to set its own.
    Limits::NAMES.iter().for_each(|name| limits.set(name, "7").unwrap());
    let mut found = Vec::new();
    for row in table.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let name = cells[1].trim_matches('`');
        if name != "decoded-bytes" {
            limits.set(name, cells[2]).unwrap();
        }
        found.push(name);
    }
    limits.decoded_bytes = None;
    assert_eq!(found, Limits::NAMES);
    assert_eq!(limits, Limits::default());
}
