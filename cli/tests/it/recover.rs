//! `recover`, and `pack --flush-every`.

use std::fs;

use crate::support::Dir;

#[test]
fn exit_codes_say_what_became_of_it() {
    let dir = Dir::with_archive();
    let digest = |name: &str| dir.run(&["info", "--json", name]).ok().json()["content_digest"].clone();
    let ran = dir.run(&["recover", "a.rtar", "-o", "same.rtar"]).ok();
    assert!(ran.out.starts_with("a.rtar: nothing is lost\n"), "{}", ran.out);
    assert_eq!(digest("same.rtar"), digest("a.rtar"));
    assert_eq!(dir.run(&["recover", "-q", "a.rtar", "-o", "same.rtar"]).ok().out, "");

    let bytes = fs::read(dir.path("a.rtar")).unwrap();
    dir.write("cut.rtar", &bytes[..bytes.len() - 300]);
    let error = dir.run(&["verify", "cut.rtar"]).code(2).out;
    assert!(error.contains("rosettar recover"), "{error}");
    let ran = dir.run(&["recover", "cut.rtar", "-o", "new.rtar"]).code(3);
    assert!(ran.out.starts_with("cut.rtar: something is lost\n"), "{}", ran.out);
    dir.run(&["verify", "--records", "new.rtar"]).ok();
    let info = dir.run(&["info", "new.rtar"]).ok().out;
    assert!(info.contains("rosettar.v1.RecoveryReport"), "{info}");

    let names = dir.names();
    dir.write("noise", "nothing of an archive, but long enough to be looked at");
    dir.write("short", &bytes[..24]);
    for (file, code) in [("noise", "envelope.unknown-magic"), ("short", "envelope.truncated")] {
        let error = dir.run(&["recover", "--json", file, "-o", "none.rtar"]).code(2).json_error();
        assert_eq!(error["code"], code);
        fs::remove_file(dir.path(file)).unwrap();
    }
    dir.run(&["recover", "absent.rtar", "-o", "none.rtar"]).code(1);
    dir.run(&["recover", "a.rtar"]).code(1);
    let error = dir.run(&["recover", "a.rtar", "-o", "./a.rtar"]).code(1).err;
    assert!(error.contains("would replace the broken one"), "{error}");
    assert_eq!(dir.names(), names);
    assert!(fs::read(dir.path("a.rtar")).unwrap() == bytes);
}

#[test]
fn through_pipes() {
    let dir = Dir::with_archive();
    let bytes = fs::read(dir.path("a.rtar")).unwrap();
    dir.run_with_input(&["recover", "-", "-o", "b.rtar"], &bytes).ok();
    let ran = dir.run_with_input(&["recover", "-", "-o", "-"], &bytes).code(0);
    assert!(ran.bytes == fs::read(dir.path("b.rtar")).unwrap());
    assert!(ran.err.starts_with("-: nothing is lost\n"), "{}", ran.err);
}

#[test]
fn a_partial_archive_is_kept_and_recovered() {
    let dir = Dir::with_files();
    // The last row is no row, which shows after most of the others were flushed.
    let rows: String = (0..2000).map(|number| format!("{number},row\n")).collect();
    dir.write("rows.csv", format!("number,name\n{rows}no number,row\n"));
    let pack: &[&str] = &[
        "pack",
        "-o",
        "a.rtar",
        "--proto",
        "rows.proto",
        "--records",
        "rows:demo.Row=rows.csv",
        "--flush-every",
        "1K",
    ];
    dir.run(pack).code(1);
    assert!(dir.path("a.rtar.partial").exists() && !dir.path("a.rtar").exists());
    let error = dir.run(pack).code(1).err;
    assert!(error.contains("a.rtar.partial exists") && error.contains("rosettar recover"), "{error}");
    let report = dir.run(&["recover", "--json", "a.rtar.partial", "-o", "a.rtar"]).code(3).json();
    let records = report["records"].as_u64().unwrap();
    assert!((1800..=2000).contains(&records), "{report}");
    dir.run(&["verify", "--records", "a.rtar"]).ok();
    fs::remove_file(dir.path("a.rtar.partial")).unwrap();
    dir.write("rows.csv", format!("number,name\n{rows}"));
    dir.run(pack).ok();
    assert!(!dir.path("a.rtar.partial").exists());
}
