//! Help, completions and man pages.

use crate::support::{Dir, names};

const VERBS: &[&str] = &[
    "pack",
    "append",
    "remove",
    "info",
    "list",
    "cat",
    "records",
    "schema",
    "extract",
    "verify",
    "explain",
    "recover",
    "diff",
    "conformance",
    "completions",
    "convert",
    "man",
];

#[test]
fn every_verb_has_examples() {
    let dir = Dir::new();
    let help = dir.run(&["--help"]).ok().out;
    assert!(help.contains("\nExamples:\n") && help.contains("Exit codes:"), "{help}");
    for verb in VERBS {
        assert!(help.contains(&format!("\n  {verb} ")), "{verb}: {help}");
        let help = dir.run(&[verb, "--help"]).ok().out;
        assert!(help.contains(&format!("\nExamples:\n  rosettar {verb}")), "{verb}: {help}");
        for option in ["--json", "--quiet", "--limit"] {
            assert!(help.contains(option), "{verb}: {option}");
        }
        assert_eq!(dir.run(&["help", verb]).ok().out, help);
    }
    assert_eq!(dir.run(&["--version"]).ok().out, concat!("rosettar ", env!("CARGO_PKG_VERSION"), "\n"));
}

#[test]
fn completions_for_every_shell() {
    let dir = Dir::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let out = dir.run(&["completions", shell]).ok().out;
        VERBS.iter().for_each(|verb| assert!(out.contains(verb), "{shell}: {verb}"));
    }
    dir.run(&["completions", "nope"]).code(1);
}

#[test]
fn a_man_page_for_every_verb() {
    let dir = Dir::new();
    dir.run(&["man", "-o", "pages/man1"]).ok();
    let mut expected: Vec<String> = VERBS.iter().map(|verb| format!("rosettar-{verb}.1")).collect();
    expected.push("rosettar.1".to_owned());
    expected.sort();
    assert_eq!(names(&dir.path("pages/man1")), expected);
    for verb in VERBS {
        let page = std::fs::read_to_string(dir.path(&format!("pages/man1/rosettar-{verb}.1"))).unwrap();
        assert!(page.contains(".TH rosettar-") && page.contains("Examples:"), "{verb}: {page}");
        assert_eq!(dir.run(&["man", verb]).ok().out, page);
    }
    assert!(dir.run(&["man"]).ok().out.contains(".TH rosettar 1"));
    assert!(dir.run(&["man", "nope"]).code(1).err.contains("no verb is called"));
}
