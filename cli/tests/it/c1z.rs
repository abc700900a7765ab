//! C1Z files, as the command has them.

use crate::support::Dir;

/// A C1Z file of two MiB, in this format.
fn made(to: &str) -> Dir {
    let dir = Dir::new();
    dir.write("t/zeros", vec![0; 2 << 20]);
    let convert =
        ["convert", "t", "-o", "a.c1z", "--to", to, "--engine", "pebble", "--schema-version", "24", "--lossy"];
    dir.run(&convert).code(3);
    dir
}

#[test]
fn the_environment_bounds_what_is_decoded() {
    for to in ["c1z3-indexed", "c1z3-tar-zstd", "c1z3-tar"] {
        let dir = made(to);
        let variable = "BATON_DECODER_MAX_DECODED_SIZE_MB";
        let run = |value: &str, args: &[&str]| dir.run_with(args, &[(variable, value)]);
        run("3", &["verify", "a.c1z"]).ok();
        run("", &["verify", "a.c1z"]).ok();
        let over = run("1", &["verify", "--json", "a.c1z"]).code(2).json();
        assert_eq!(over["problems"][0]["code"], "limit.decoded-bytes", "{to}");
        // What the caller says counts more.
        run("1", &["verify", "--limit", "decoded-bytes=3M", "a.c1z"]).ok();
        run("9", &["verify", "--limit", "decoded-bytes=1M", "a.c1z"]).code(2);
        for bad in ["0", "many", "-1"] {
            let error = run(bad, &["list", "--json", "a.c1z"]).code(1).json_error();
            assert_eq!(error["code"], "usage.option", "{bad}");
        }
    }
    let dir = made("c1z3-indexed");
    // Exactly the limit passes, and one byte less does not.
    dir.run(&["verify", "--limit", "decoded-bytes=2097152", "a.c1z"]).ok();
    dir.run(&["verify", "--limit", "decoded-bytes=2097151", "a.c1z"]).code(2);
}

#[test]
fn a_pipe_is_spooled() {
    let dir = made("c1z3-tar-zstd");
    let bytes = std::fs::read(dir.path("a.c1z")).unwrap();
    dir.run_with_input(&["extract", "-", "-C", "out"], &bytes).ok();
    assert_eq!(std::fs::read(dir.path("out/zeros")).unwrap().len(), 2 << 20);
    assert_eq!(dir.run_with_input(&["cat", "-", "zeros"], &bytes).ok().bytes.len(), 2 << 20);
    dir.run_with_input(&["extract", "-", "-C", "cut"], &bytes[..bytes.len() - 1]).code(2);
    assert!(!dir.path("cut").exists());
}

#[test]
fn what_a_c1z_file_cannot_do() {
    let dir = made("c1z3-tar");
    for args in [&["append", "a.c1z", "t"][..], &["remove", "a.c1z", "zeros"], &["recover", "a.c1z", "-o", "b.rtar"]] {
        let error = dir.run(&[&["--json"], args].concat()).code(1).json_error();
        assert_eq!(error["code"], "usage.format", "{args:?}");
    }
    let bytes = std::fs::read(dir.path("a.c1z")).unwrap();
    dir.write("cut.c1z", &bytes[..bytes.len() / 2]);
    for verb in ["info", "list", "verify"] {
        dir.run(&[verb, "cut.c1z"]).code(2);
    }
    dir.run(&["extract", "cut.c1z"]).code(2);
    assert!(!dir.path("cut").exists());
    dir.run(&["diff", "a.c1z", "a.c1z"]).ok();
    dir.run(&["convert", "a.c1z", "-o", "b.c1z", "--to", "c1z1"]).code(1);
    dir.run(&["convert", "a.c1z", "-o", "b.c1z", "--to", "nothing"]).code(1);
}

/// What is wrong with an archive is told as it is when it is read, and not as a failure to read.
#[test]
fn converting_a_damaged_archive_is_the_archives_fault() {
    let dir = Dir::new();
    let mut state = 1_u32;
    let mut random = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    let noise: Vec<u8> = (0..12 << 20).map(|_| random()).collect();
    dir.write("database.sqlite", &noise);
    dir.run(&["pack", "-q", "-o", "a.rtar", "database.sqlite"]).ok();
    let mut bytes = std::fs::read(dir.path("a.rtar")).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    dir.write("a.rtar", bytes);
    let before = dir.names();
    let error = dir.run(&["--json", "cat", "a.rtar", "database.sqlite"]).code(2).json_error();
    assert_eq!(error["code"], "frame.digest");
    for to in ["c1z3-indexed", "c1z3-tar-zstd", "c1z3-tar"] {
        let args = ["--json", "convert", "a.rtar", "-o", "n.c1z", "--to", to, "--engine", "e", "--lossy"];
        let error = dir.run(&args).code(2).json_error();
        assert_eq!(error["code"], "frame.digest", "{to}: {error}");
    }
    assert_eq!(dir.names(), before);
}

/// A directory, or a database, is input.
#[test]
fn converting_a_bad_directory_is_not_an_archives_fault() {
    let dir = Dir::new();
    std::fs::create_dir_all(dir.path(&["d"; 70].join("/"))).unwrap();
    let args = ["--json", "convert", "d", "-o", "n.c1z", "--to", "c1z3-tar", "--engine", "e", "--lossy"];
    assert_eq!(dir.run(&args).code(1).json_error()["code"], "limit.path-depth");
}
