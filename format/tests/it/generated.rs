//! The generated code and the descriptor set of `rosettar.v1` are those of spec/rosettar/v1/*.proto.

use prost::Message as _;

use crate::support;

#[test]
fn generated_code_and_descriptors_are_current() {
    let spec = support::project().join("spec");
    let set = protox::compile(["rosettar/v1/manifest.proto", "rosettar/v1/index.proto"], [&spec]).unwrap();

    let out = tempfile::tempdir().unwrap();
    prost_build::Config::new()
        .enable_type_names()
        .btree_map(["."])
        .out_dir(out.path())
        .compile_fds(set.clone())
        .unwrap();
    let code = std::fs::read(out.path().join("rosettar.v1.rs")).unwrap();
    let proto = support::project().join("format/src/proto");
    support::assert_file_is(&proto.join("rosettar.v1.rs"), &code);

    // The order that FORMAT.md, "Schemas", prescribes; no source information.
    let mut files = set.file;
    let order = [
        "google/protobuf/any.proto",
        "google/protobuf/timestamp.proto",
        "rosettar/v1/manifest.proto",
        "rosettar/v1/index.proto",
    ];
    files.sort_by_key(|file| order.iter().position(|path| *path == file.name()).unwrap());
    for file in &mut files {
        file.source_code_info = None;
    }
    let set = prost_types::FileDescriptorSet { file: files };
    support::assert_file_is(&proto.join("rosettar.v1.binpb"), &set.encode_to_vec());

    // The report of a recovery is no part of Schema 0, whose bytes are the same in every archive.
    let set = protox::compile(["rosettar/v1/recovery.proto"], [&spec]).unwrap();
    let out = tempfile::tempdir().unwrap();
    prost_build::Config::new().enable_type_names().out_dir(out.path()).compile_fds(set.clone()).unwrap();
    let code = std::fs::read(out.path().join("rosettar.v1.rs")).unwrap();
    support::assert_file_is(&proto.join("rosettar.v1.recovery.rs"), &code);
    let mut files = set.file;
    files.iter_mut().for_each(|file| file.source_code_info = None);
    let set = prost_types::FileDescriptorSet { file: files };
    support::assert_file_is(&proto.join("rosettar.v1.recovery.binpb"), &set.encode_to_vec());
}

#[test]
fn the_messages_of_c1z_are_current() {
    let spec = support::project().join("spec");
    let proto = support::project().join("format/src/proto");
    let compile = |files: &[&str]| protox::compile(files, [&spec]).unwrap();
    let manifest = compile(&["c1z/manifest.proto"]);
    let rows = compile(&["c1z/connector.proto", "c1z/rows.proto"]);
    let out = tempfile::tempdir().unwrap();
    let mut config = prost_build::Config::new();
    config.enable_type_names().btree_map(["."]).out_dir(out.path()).compile_fds(manifest.clone()).unwrap();
    for package in ["c1.c1z.v3", "c1.storage.v3"] {
        let code = std::fs::read(out.path().join(format!("{package}.rs"))).unwrap();
        support::assert_file_is(&proto.join(format!("{package}.rs")), &code);
    }
    for (mut set, name) in [(manifest, "c1z.manifest.binpb"), (rows, "c1z.rows.binpb")] {
        set.file.iter_mut().for_each(|file| file.source_code_info = None);
        let set = rosettar::schema::order(&set.encode_to_vec()).unwrap();
        support::assert_file_is(&proto.join(name), &set);
    }
}
