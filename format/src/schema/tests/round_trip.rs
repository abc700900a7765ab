//! Printed text compiles to the descriptors that were printed.

use std::path::Path;
use std::process::Command;

use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage};

use super::super::closure::files_of;
use super::super::descriptor::{Enum, Field, File, MessageType};
use super::super::{build_pool, print_files};

/// Whether `protoc` can be run; says so where it cannot.
fn protoc_or_skip(test: &str) -> bool {
    let found = Command::new("protoc").arg("--version").output().is_ok_and(|output| output.status.success());
    if !found {
        eprintln!("skipped: {test}: protoc not found");
    }
    found
}

fn protoc(dir: &Path, includes: &[&Path], paths: &[&str]) -> Vec<u8> {
    let out = dir.join("set.binpb");
    let mut command = Command::new("protoc");
    command.args(includes.iter().map(|include| format!("-I{}", include.display())));
    command.arg("--include_imports").arg(format!("--descriptor_set_out={}", out.display())).args(paths);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    std::fs::read(out).unwrap()
}

fn write_all(dir: &Path, files: &[(String, String)]) {
    for (path, text) in files {
        let path = dir.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
}

/// The files of a set, their options in one canonical encoding, by path.
fn normal(set: &[u8], pool: &DescriptorPool) -> Vec<File> {
    let mut files: Vec<_> = files_of(set).unwrap().iter().map(|entry| File::decode(entry.bytes).unwrap()).collect();
    for file in &mut files {
        canonical(pool, "FileOptions", &mut file.options);
        file.messages.iter_mut().for_each(|message| normal_message(pool, message));
        file.enums.iter_mut().for_each(|item| normal_enum(pool, item));
        file.extensions.iter_mut().for_each(|field| normal_field(pool, field));
        for service in &mut file.services {
            canonical(pool, "ServiceOptions", &mut service.options);
            service.methods.iter_mut().for_each(|method| canonical(pool, "MethodOptions", &mut method.options));
        }
    }
    files.sort_by(|a, b| a.name.cmp(&b.name));
    files
}

fn normal_message(pool: &DescriptorPool, message: &mut MessageType) {
    canonical(pool, "MessageOptions", &mut message.options);
    message.fields.iter_mut().chain(&mut message.extensions).for_each(|field| normal_field(pool, field));
    message.messages.iter_mut().for_each(|inner| normal_message(pool, inner));
    message.enums.iter_mut().for_each(|item| normal_enum(pool, item));
    message.oneofs.iter_mut().for_each(|oneof| canonical(pool, "OneofOptions", &mut oneof.options));
    message.extension_ranges.iter_mut().for_each(|range| canonical(pool, "ExtensionRangeOptions", &mut range.options));
}

fn normal_field(pool: &DescriptorPool, field: &mut Field) {
    canonical(pool, "FieldOptions", &mut field.options);
}

fn normal_enum(pool: &DescriptorPool, item: &mut Enum) {
    canonical(pool, "EnumOptions", &mut item.options);
    item.values.iter_mut().for_each(|value| canonical(pool, "EnumValueOptions", &mut value.options));
}

fn canonical(pool: &DescriptorPool, of: &str, options: &mut Vec<Vec<u8>>) {
    let name = format!("google.protobuf.{of}");
    let global = DescriptorPool::global();
    let known = pool.get_message_by_name(&name).or_else(|| global.get_message_by_name(&name)).unwrap();
    if !options.is_empty() {
        *options = vec![DynamicMessage::decode(known, &options.concat()[..]).unwrap().encode_to_vec()];
        // Source text cannot say that options are there and empty, which is what is left of those for the source alone.
        options.retain(|options| !options.is_empty());
    }
}

#[track_caller]
fn assert_equal(original: &[u8], again: &[u8], printed: &[(String, String)]) {
    let pool = build_pool(original).unwrap();
    let (original, again) = (normal(original, &pool), normal(again, &pool));
    assert_eq!(original.len(), again.len());
    for (a, b) in original.iter().zip(&again) {
        if a != b {
            let text = &printed.iter().find(|(path, _)| path == a.name()).unwrap().1;
            let (a_text, b_text) = (format!("{a:#?}"), format!("{b:#?}"));
            let line = a_text.lines().zip(b_text.lines()).take_while(|(a, b)| a == b).count();
            let around =
                |text: &str| text.lines().skip(line.saturating_sub(30)).take(45).collect::<Vec<_>>().join("\n");
            panic!("{} differs\n{text}\n{}\n----\n{}", a.name(), around(&a_text), around(&b_text));
        }
    }
}

#[track_caller]
fn through_protoc(set: &[u8]) {
    let printed = print_files(set).unwrap();
    let dir = tempfile::tempdir().unwrap();
    write_all(dir.path(), &printed);
    let paths: Vec<_> = printed.iter().map(|(path, _)| path.as_str()).collect();
    assert_equal(set, &protoc(dir.path(), &[dir.path()], &paths), &printed);
}

const PROTO2: &str = include_str!("nasty2.proto");
const PROTO3: &str = include_str!("nasty3.proto");
const OPTIONS: &str = include_str!("options.proto");

fn nasties() -> (tempfile::TempDir, [&'static str; 3]) {
    let dir = tempfile::tempdir().unwrap();
    let files = [("nasty2.proto", PROTO2), ("nasty3.proto", PROTO3), ("options.proto", OPTIONS)];
    write_all(dir.path(), &files.map(|(path, text)| (path.to_owned(), text.to_owned())));
    (dir, files.map(|(path, _)| path))
}

#[test]
fn nasty_files_through_protoc() {
    if !protoc_or_skip("nasty_files_through_protoc") {
        return;
    }
    let (dir, paths) = nasties();
    through_protoc(&protoc(dir.path(), &[dir.path(), Path::new("/usr/include")], &paths));
}

#[test]
fn well_known_files_through_protoc() {
    if !protoc_or_skip("well_known_files_through_protoc") {
        return;
    }
    let include = Path::new("/usr/include");
    let names = [
        "any",
        "api",
        "descriptor",
        "duration",
        "empty",
        "field_mask",
        "source_context",
        "struct",
        "timestamp",
        "type",
        "wrappers",
        "compiler/plugin",
    ];
    let paths = names.map(|name| format!("google/protobuf/{name}.proto"));
    let paths: Vec<_> = paths.iter().map(String::as_str).filter(|path| include.join(path).exists()).collect();
    if paths.is_empty() {
        eprintln!("skipped: well_known_files_through_protoc: no google/protobuf/*.proto in {}", include.display());
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    through_protoc(&protoc(dir.path(), &[include], &paths));
}

#[cfg(feature = "compile")]
fn through_protox(set: &[u8]) {
    let printed = print_files(set).unwrap();
    let dir = tempfile::tempdir().unwrap();
    write_all(dir.path(), &printed);
    let paths: Vec<_> = printed.iter().map(|(path, _)| dir.path().join(path)).collect();
    let again = super::super::compile(&paths, &[dir.path()])
        .unwrap_or_else(|error| panic!("{error}\n{}", printed.last().unwrap().1));
    assert_equal(set, &again, &printed);
}

#[cfg(feature = "compile")]
#[test]
fn nasty_files_through_protox() {
    let (dir, paths) = nasties();
    let paths = paths.map(|path| dir.path().join(path));
    through_protox(&super::super::compile(&paths, &[dir.path()]).unwrap());
}

#[test]
fn comments_are_printed_where_the_set_has_them() {
    if !protoc_or_skip("comments_are_printed_where_the_set_has_them") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let text = "syntax = \"proto3\";\n\n// About M.\nmessage M {\n  // About f,\n  // in two lines.\n  string f = 1; // Behind f.\n}\n";
    write_all(dir.path(), &[("c.proto".to_owned(), text.to_owned())]);
    let out = dir.path().join("set.binpb");
    let status = Command::new("protoc")
        .arg(format!("-I{}", dir.path().display()))
        .arg("--include_source_info")
        .arg(format!("--descriptor_set_out={}", out.display()))
        .arg("c.proto")
        .status();
    assert!(status.unwrap().success());
    let printed = print_files(&std::fs::read(out).unwrap()).unwrap();
    let expected = "syntax = \"proto3\";\n\n// About M.\nmessage M {\n  // About f,\n  // in two lines.\n  //\n  // Behind f.\n  string f = 1;\n}\n";
    assert_eq!(printed[0].1, expected);
}
