//! The generated code and the descriptor set of `rosettar.arrow.v1` are those of spec/rosettar/arrow/v1/arrow.proto.

use std::path::Path;

use prost::Message as _;

fn assert_file_is(path: &Path, expected: &[u8]) {
    if std::env::var_os("ROSETTAR_BLESS").is_some() {
        std::fs::write(path, expected).unwrap();
    }
    let found = std::fs::read(path).unwrap_or_default();
    assert!(
        found == expected,
        "{} is not what its source yields; run the tests once with ROSETTAR_BLESS=1 to write it anew",
        path.display()
    );
}

#[test]
fn generated_code_and_descriptors_are_current() {
    let crate_root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let spec = crate_root.join("../../spec");
    let table = crate_root.join("src/table");

    let set = protox::compile(["rosettar/arrow/v1/arrow.proto"], [&spec]).unwrap();
    let out = tempfile::tempdir().unwrap();
    prost_build::Config::new().out_dir(out.path()).compile_fds(set.clone()).unwrap();
    let code = std::fs::read(out.path().join("rosettar.arrow.v1.rs")).unwrap();
    assert_file_is(&table.join("rosettar.arrow.v1.rs"), &code);

    // With the well-known types, as records use those as well.
    let wanted = ["google/protobuf/timestamp.proto", "google/protobuf/duration.proto", "rosettar/arrow/v1/arrow.proto"];
    let mut set = protox::compile(wanted, [&spec]).unwrap();
    set.file.sort_by(|a, b| a.name.cmp(&b.name));
    set.file.iter_mut().for_each(|file| file.source_code_info = None);
    assert_file_is(&table.join("rosettar.arrow.v1.binpb"), &set.encode_to_vec());
}
