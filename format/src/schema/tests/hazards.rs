//! What hostile descriptor sets do to prost-reflect 0.16 without the guard, each refused here; and what is legal but
//! unusual, each accepted.

use std::time::Instant;

use prost::Message;
use prost_reflect::Kind;

use super::super::descriptor::{File, MessageType, Oneof, Range, kind, label};
use super::super::guard::limit;
use super::super::{build_pool, check, check_order, closure_of, merge, message as find, order, wire};
use super::{enumeration, field, file, message, set_of};
use crate::error::{Code, code};

#[track_caller]
fn refused(set: &[u8], expected: Code) -> String {
    let started = Instant::now();
    let error = build_pool(set).expect_err("the set is refused");
    assert!(error.is(expected), "{error}");
    assert!(started.elapsed().as_secs() < 10, "took {:?}", started.elapsed());
    error.to_string()
}

#[track_caller]
fn refuses(files: &[File], expected: Code) -> String {
    refused(&set_of(files), expected)
}

#[track_caller]
fn refuses_message(edit: impl FnOnce(&mut MessageType)) -> String {
    let mut outer = message("M", vec![field("f", 1, 5)]);
    edit(&mut outer);
    refuses(&[File { messages: vec![outer], ..file("a.proto", &[]) }], code::SCHEMA_DESCRIPTOR)
}

fn range(start: i32, end: i32) -> Range {
    Range { start: Some(start), end: Some(end), options: Vec::new() }
}

#[test]
fn cycles_of_imports() {
    refuses(&[file("a", &["a"])], code::SCHEMA_CYCLE);
    let public = |name: &str, import: &str| File { public_dependency: vec![0], ..file(name, &[import]) };
    refuses(&[public("a", "b"), public("b", "a")], code::SCHEMA_CYCLE);
    let ring: Vec<_> = (0..100).map(|i| public(&format!("{i}"), &format!("{}", (i + 1) % 100))).collect();
    refuses(&ring, code::SCHEMA_CYCLE);
}

#[test]
fn imports_that_repeat_or_lead_nowhere() {
    refuses(&[file("a", &["b"])], code::SCHEMA_CLOSURE);
    refuses(&[file("a", &[]), file("a", &[])], code::SCHEMA_ORDER);
    // Three times the same public import, over 24 files, never ends in prost-reflect.
    let chain: Vec<_> = (0..24)
        .map(|i| match i {
            0 => file("0", &[]),
            _ => File { public_dependency: vec![0, 1, 2], ..file(&i.to_string(), &[&(i - 1).to_string() as &str; 3]) },
        })
        .collect();
    refuses(&chain, code::SCHEMA_DESCRIPTOR);
    for index in [-1, 1, i32::MAX] {
        refuses(
            &[file("a", &[]), File { public_dependency: vec![index], ..file("b", &["a"]) }],
            code::SCHEMA_DESCRIPTOR,
        );
        refuses(&[file("a", &[]), File { weak_dependency: vec![index], ..file("b", &["a"]) }], code::SCHEMA_DESCRIPTOR);
    }
}

#[test]
fn a_long_path_imported_by_all() {
    let long = "p".repeat(100_000);
    let mut files = vec![file(&long, &[]), File { public_dependency: vec![0], ..file("b", &[&long]) }];
    files.extend((0..1000).map(|i| file(&i.to_string(), &["b"])));
    refuses(&files, code::SCHEMA_TOO_LARGE);
    build_pool(&set_of(&files[..100])).unwrap();
}

#[test]
fn public_imports_reach_over_any_number_of_hops() {
    let a = File { messages: vec![message("A", Vec::new())], ..file("a", &[]) };
    let hop = |name: &str, import: &str| File { public_dependency: vec![0], ..file(name, &[import]) };
    let mut user = field("a", 1, kind::MESSAGE);
    user.type_name = Some(".A".to_owned());
    let z = File { messages: vec![message("Z", vec![user])], ..file("z", &["d"]) };
    let set = set_of(&[a, hop("b", "a"), hop("c", "b"), hop("d", "c"), z]);
    check_order(&set).unwrap();
    let pool = build_pool(&set).unwrap();
    assert_eq!(find(&pool, "Z").unwrap().fields().len(), 1);
    // prost-reflect itself refuses this, which is why the working copy is made.
    assert!(prost_reflect::DescriptorPool::decode(&set[..]).is_err());
    // What is imported, but not publicly, is not passed on.
    let plain = File { public_dependency: Vec::new(), ..hop("c", "b") };
    let mut files: Vec<File> =
        super::super::closure::files_of(&set).unwrap().iter().map(|f| File::decode(f.bytes).unwrap()).collect();
    files[2] = plain;
    refuses(&files, code::SCHEMA_DESCRIPTOR);
}

#[test]
fn editions_and_unknown_syntaxes() {
    let text = refuses(&[File { syntax: Some("editions".to_owned()), ..file("a", &[]) }], code::SCHEMA_EDITION);
    assert!(text.contains("edition"), "{text}");
    refuses(&[File { edition: Some(1000), ..file("a", &[]) }], code::SCHEMA_EDITION);
    refuses(&[File { syntax: Some("proto4".to_owned()), ..file("a", &[]) }], code::SCHEMA_DESCRIPTOR);
}

#[test]
fn too_much_of_anything() {
    let files: Vec<_> = (0..=limit::FILES).map(|i| file(&i.to_string(), &[])).collect();
    refuses(&files, code::SCHEMA_TOO_LARGE);
    check(&set_of(&files[1..])).unwrap();
    // Two bytes each on the wire, hundreds once decoded.
    for number in [4u8, 5, 6, 7] {
        let empty = [number << 3 | 2, 0].repeat(limit::SYMBOLS + 1);
        let mut set = Vec::new();
        wire::put_bytes(&mut set, 1, &[&b"\x0a\x01a"[..], &empty].concat());
        refused(&set, code::SCHEMA_TOO_LARGE);
    }
    for (tag, count) in [([0x2a, 0], limit::RANGES), ([0x4a, 0], limit::RANGES), ([0x52, 0], limit::RANGES)] {
        let mut inner = b"\x0a\x01M".to_vec();
        inner.extend(tag.repeat(count + 1));
        let mut bytes = b"\x0a\x01a".to_vec();
        wire::put_bytes(&mut bytes, 4, &inner);
        let mut set = Vec::new();
        wire::put_bytes(&mut set, 1, &bytes);
        refused(&set, code::SCHEMA_TOO_LARGE);
    }
    let mut nested = message("M", Vec::new());
    for _ in 0..limit::NESTING - 1 {
        nested = MessageType { messages: vec![nested], ..message("M", Vec::new()) };
    }
    build_pool(&set_of(&[File { messages: vec![nested.clone()], ..file("a", &[]) }])).unwrap();
    nested = MessageType { messages: vec![nested], ..message("M", Vec::new()) };
    refuses(&[File { messages: vec![nested], ..file("a", &[]) }], code::SCHEMA_TOO_LARGE);
    let package = |parts: usize, length: usize| vec!["a".repeat(length); parts].join(".");
    let packaged = |package: String| File { package: Some(package), ..file("a", &[]) };
    build_pool(&set_of(&[packaged(package(32, 255))])).unwrap();
    refuses(&[packaged(package(33, 1))], code::SCHEMA_TOO_LARGE);
    refuses(&[packaged(package(1, 256))], code::SCHEMA_TOO_LARGE);
    refuses(&[packaged(package(40_000, 1))], code::SCHEMA_TOO_LARGE);
    let many: Vec<_> = (0..20_000).map(|i| message(&format!("{}{i:05}", "m".repeat(200)), Vec::new())).collect();
    let long = |parts| [File { messages: many.clone(), ..packaged(package(parts, 255)) }];
    refuses(&long(32), code::SCHEMA_TOO_LARGE);
    build_pool(&set_of(&long(1))).unwrap();
}

#[test]
fn options_too_large_or_uninterpreted() {
    let large = File { options: vec![[&b"\x0a\xff\xff\x3f"[..], &[b'a'; (1 << 20) - 1]].concat()], ..file("a", &[]) };
    refuses(&[large], code::SCHEMA_TOO_LARGE);
    refuses(&[File { options: vec![b"\xba\x3e\x00".to_vec()], ..file("a", &[]) }], code::SCHEMA_DESCRIPTOR);
    refuses_message(|m| m.options = vec![b"\xba\x3e\x00".to_vec()]);
    refuses_message(|m| m.fields[0].options = vec![b"\xba\x3e\x00".to_vec()]);
    refuses_message(|m| m.extension_ranges = vec![Range { options: vec![b"\xba\x3e\x00".to_vec()], ..range(5, 6) }]);
}

#[test]
fn options_messages_of_the_set_s_own() {
    // FileOptions whose java_package is packed integers: what prost-reflect encodes again is no string, and it panics.
    let mut java = field("java_package", 1, 5);
    java.label = Some(label::REPEATED);
    java.options = vec![vec![0x10, 1]];
    let options = |message: MessageType| File {
        package: Some("google.protobuf".to_owned()),
        messages: vec![message],
        ..file("google/protobuf/descriptor.proto", &[])
    };
    let user = File { options: vec![b"\x0a\x05\xc2\x80\xc2\x80\x08".to_vec()], ..file("z", &[]) };
    refuses(&[options(message("FileOptions", vec![java.clone()])), user.clone()], code::SCHEMA_DESCRIPTOR);
    let empty = MessageType { extension_ranges: vec![range(1, 1000)], ..message("FileOptions", Vec::new()) };
    refuses(&[options(empty), user.clone()], code::SCHEMA_DESCRIPTOR);
    let open = MessageType { extension_ranges: vec![range(1000, 2000)], ..message("FileOptions", Vec::new()) };
    java.extendee = Some(".google.protobuf.FileOptions".to_owned());
    let extension = File { extensions: vec![java], ..options(open) };
    refuses(&[extension, user], code::SCHEMA_DESCRIPTOR);
}

fn map_entry(edit: impl FnOnce(&mut MessageType)) -> MessageType {
    let mut entry = message("FEntry", vec![field("key", 1, 9), field("value", 2, 5)]);
    entry.options = vec![vec![0x38, 1]];
    edit(&mut entry);
    let mut user = field("f", 1, kind::MESSAGE);
    (user.label, user.type_name) = (Some(label::REPEATED), Some(".M.FEntry".to_owned()));
    MessageType { messages: vec![entry], ..message("M", vec![user]) }
}

#[test]
fn map_entries_of_the_wrong_shape() {
    let good = map_entry(|_| {});
    let pool = build_pool(&set_of(&[File { messages: vec![good.clone()], ..file("a", &[]) }])).unwrap();
    assert!(find(&pool, "M").unwrap().get_field(1).unwrap().is_map());
    assert!(find(&pool, "M.FEntry").is_err(), "a map entry is no type of a record");
    let edits: [fn(&mut MessageType); 12] = [
        |m| m.fields.clear(),
        |m| drop(m.fields.pop()),
        |m| m.fields.push(field("more", 3, 5)),
        |m| m.fields.swap(0, 1),
        |m| m.fields[0].number = Some(2),
        |m| m.fields[0].name = Some("k".to_owned()),
        |m| m.fields[0].kind = Some(kind::DOUBLE),
        |m| m.fields[0].kind = Some(kind::BYTES),
        |m| (m.fields[0].kind, m.fields[0].type_name) = (Some(kind::MESSAGE), Some(".M".to_owned())),
        |m| m.fields[1].label = Some(label::REPEATED),
        |m| m.name = Some("OtherEntry".to_owned()),
        |m| m.enums.push(enumeration("E", &[("X", 0)])),
    ];
    for edit in edits {
        refuses(&[File { messages: vec![map_entry(edit)], ..file("a", &[]) }], code::SCHEMA_DESCRIPTOR);
    }
    let mut singular = good.clone();
    singular.fields[0].label = Some(label::OPTIONAL);
    let mut elsewhere = message("N", good.fields.clone());
    elsewhere.fields[0].name = Some("g".to_owned());
    let mut top = map_entry(|_| {}).messages.remove(0);
    top.name = Some("T".to_owned());
    for messages in [vec![singular], vec![good.clone(), elsewhere], vec![top]] {
        refuses(&[File { messages, ..file("a", &[]) }], code::SCHEMA_DESCRIPTOR);
    }
    let mut extension = good.fields[0].clone();
    (extension.name, extension.number, extension.extendee) = (Some("x".to_owned()), Some(100), Some(".M".to_owned()));
    let mut open = good;
    open.extension_ranges = vec![range(100, 200)];
    refuses(&[File { messages: vec![open], extensions: vec![extension], ..file("a", &[]) }], code::SCHEMA_DESCRIPTOR);
}

#[test]
fn default_values_that_are_not() {
    for (kind, default) in [
        (kind::BYTES, "\\x€"),
        (kind::BYTES, "\\777"),
        (kind::BYTES, "\\"),
        (kind::DOUBLE, "infinity"),
        (kind::FLOAT, "1; }"),
        (5, "x"),
        (5, "2147483648"),
        (kind::BOOL, "1"),
    ] {
        refuses_message(|m| (m.fields[0].kind, m.fields[0].default_value) = (Some(kind), Some(default.to_owned())));
    }
    refuses_message(|m| {
        (m.fields[0].label, m.fields[0].default_value) = (Some(label::REPEATED), Some("1".to_owned()));
    });
}

#[test]
fn names_numbers_and_ranges() {
    for name in ["", "a.b", "9", "a b", "é", "a\0"] {
        refuses_message(|m| m.name = Some(name.to_owned()));
        refuses_message(|m| m.fields[0].name = Some(name.to_owned()));
        refuses(&[File { enums: vec![enumeration("E", &[(name, 0)])], ..file("a", &[]) }], code::SCHEMA_DESCRIPTOR);
    }
    refuses(&[File { package: Some("a..b".to_owned()), ..file("a", &[]) }], code::SCHEMA_DESCRIPTOR);
    refuses(&[file("", &[])], code::SCHEMA_DESCRIPTOR);
    refuses(&[File { enums: vec![enumeration("E", &[])], ..file("a", &[]) }], code::SCHEMA_DESCRIPTOR);
    for number in [0, -1, 19_000, 1 << 29, i32::MAX, i32::MIN] {
        refuses_message(|m| m.fields[0].number = Some(number));
    }
    refuses_message(|m| m.fields.push(field("g", 1, 5)));
    refuses_message(|m| m.fields.push(field("f", 2, 5)));
    for number in [0, 19, -1] {
        refuses_message(|m| m.fields[0].kind = Some(number));
    }
    refuses_message(|m| m.fields[0].label = Some(4));
    refuses_message(|m| m.fields[0].type_name = Some(".M".to_owned()));
    refuses_message(|m| m.fields[0].kind = Some(kind::MESSAGE));
    refuses_message(|m| (m.fields[0].kind, m.fields[0].type_name) = (Some(kind::ENUM), Some(".M".to_owned())));
    refuses_message(|m| (m.fields[0].kind, m.fields[0].type_name) = (Some(kind::MESSAGE), Some(".Nowhere".to_owned())));
    for ranges in
        [vec![range(0, 5)], vec![range(5, 5)], vec![range(9, 5)], vec![range(1, 3)], vec![range(5, (1 << 29) + 1)]]
    {
        refuses_message(|m| m.reserved_ranges = ranges.clone());
        refuses_message(|m| m.extension_ranges = ranges);
    }
    // Each field in each of many ranges would be an error of its own.
    refuses_message(|m| m.reserved_ranges = vec![range(2, 1 << 29); 1000]);
    refuses_message(|m| m.fields[0].oneof_index = Some(0));
    refuses_message(|m| m.fields[0].oneof_index = Some(-1));
    let oneof = |m: &mut MessageType| m.oneofs.push(Oneof { name: Some("o".to_owned()), options: Vec::new() });
    refuses_message(oneof);
    refuses_message(|m| {
        oneof(m);
        m.fields = vec![field("a", 1, 5), field("b", 2, 5), field("c", 3, 5)];
        (m.fields[0].oneof_index, m.fields[2].oneof_index) = (Some(0), Some(0));
    });
    refuses_message(|m| {
        oneof(m);
        (m.fields[0].oneof_index, m.fields[0].label) = (Some(0), Some(label::REPEATED));
    });
    refuses_message(|m| m.fields[0].proto3_optional = Some(true));
}

#[test]
fn extensions_that_collide() {
    let extension = |name: &str| {
        let mut field = field(name, 100, 5);
        field.extendee = Some(".M".to_owned());
        field
    };
    let open = MessageType { extension_ranges: vec![range(100, 200)], ..message("M", Vec::new()) };
    let with = |extensions| File { messages: vec![open.clone()], extensions, ..file("a", &[]) };
    build_pool(&set_of(&[with(vec![extension("x")])])).unwrap();
    refuses(&[with(vec![extension("x"), extension("y")])], code::SCHEMA_DESCRIPTOR);
    let outside = super::super::descriptor::Field { number: Some(99), ..extension("x") };
    refuses(&[with(vec![outside])], code::SCHEMA_DESCRIPTOR);
}

#[test]
fn bytes_that_are_no_set() {
    for bytes in
        [&b"\xff"[..], b"\x0a\x05a", b"\x08\x01\x0b", b"\x0a\x03\x0a\x01\xff", b"\x0a\x02\x08\x01", &[0x0b; 50_000]]
    {
        let error = build_pool(bytes).unwrap_err();
        assert!(error.is(code::SCHEMA_PROTOBUF) || error.is(code::SCHEMA_DESCRIPTOR), "{bytes:?}: {error}");
    }
    assert_eq!(build_pool(b"").unwrap().files().len(), 0);
    // Groups nested 50 000 deep, inside a file.
    let mut set = Vec::new();
    wire::put_bytes(&mut set, 1, &[&b"\x0a\x01a"[..], &[0xa3, 0x06].repeat(50_000)].concat());
    refused(&set, code::SCHEMA_PROTOBUF);
}

#[test]
fn the_worst_that_is_allowed_takes_seconds() {
    // 2 048 files that import 32 hubs, each of which imports 1 000 leaves.
    let name = |kind: &str, i: usize| format!("{kind}{i:04}");
    let leaves: Vec<_> = (0..1000).map(|i| name("l", i)).collect();
    let leaves: Vec<_> = leaves.iter().map(String::as_str).collect();
    let hubs: Vec<_> = (0..14).map(|i| name("h", i)).collect();
    let hub_names: Vec<_> = hubs.iter().map(String::as_str).collect();
    let mut files: Vec<_> = leaves.iter().map(|leaf| file(leaf, &[])).collect();
    files.extend(hub_names.iter().map(|hub| file(hub, &leaves)));
    files.extend((0..3000).map(|i| file(&name("u", i), &hub_names)));
    let started = Instant::now();
    build_pool(&set_of(&files)).unwrap();
    assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
    // As many enum values and defaults as may be.
    let values: Vec<_> = (0..8000).map(|i| (format!("V{i:04}"), i)).collect();
    let values: Vec<_> = values.iter().map(|(name, i)| (name.as_str(), *i)).collect();
    let mut fields: Vec<_> = (1..8000).map(|i| field(&format!("f{i}"), i, kind::ENUM)).collect();
    for field in &mut fields {
        (field.type_name, field.default_value) = (Some(".E".to_owned()), Some("V7999".to_owned()));
    }
    let set = set_of(&[File {
        messages: vec![message("M", fields)],
        enums: vec![enumeration("E", &values)],
        ..file("a", &[])
    }]);
    let started = Instant::now();
    build_pool(&set).unwrap();
    assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
}

#[test]
fn order_is_imports_first_then_paths() {
    let files = [file("c", &["b"]), file("b", &[]), file("a", &["c"]), file("d", &[]), file("B", &[])];
    let set = set_of(&files);
    let ordered = order(&set).unwrap();
    assert_eq!(
        ordered,
        set_of(&[files[4].clone(), files[1].clone(), files[0].clone(), files[2].clone(), files[3].clone()])
    );
    check_order(&ordered).unwrap();
    assert!(check_order(&set).unwrap_err().is(code::SCHEMA_ORDER));
    assert!(check_order(&[&ordered[..], b"\x10\x01"].concat()).unwrap_err().is(code::SCHEMA_PROTOBUF));
    assert!(check_order(&set_of(&[file("a", &["b"])])).unwrap_err().is(code::SCHEMA_CLOSURE));
    assert!(check_order(&set_of(&[file("a", &["a"])])).unwrap_err().is(code::SCHEMA_CYCLE));
    assert!(check_order(&set_of(&[file("a", &[]), file("a", &[])])).unwrap_err().is(code::SCHEMA_ORDER));
}

#[test]
fn closures_are_verbatim_and_minimal() {
    let inner = MessageType { messages: vec![message("Inner", Vec::new())], ..message("M", Vec::new()) };
    let m = File { package: Some("p.q".to_owned()), messages: vec![inner], ..file("m", &["base"]) };
    let other = File { package: Some("p".to_owned()), enums: vec![enumeration("E", &[("X", 0)])], ..file("o", &[]) };
    // An unknown field, which no decoder would keep.
    let mut base = file("base", &[]).encode_to_vec();
    base.extend(b"\xfa\x3e\x03abc");
    let mut set = set_of(&[m.clone(), other.clone()]);
    wire::put_bytes(&mut set, 1, &base);
    let mut expected = Vec::new();
    wire::put_bytes(&mut expected, 1, &base);
    wire::put_bytes(&mut expected, 1, &m.encode_to_vec());
    assert_eq!(closure_of(&set, &["p.q.M.Inner"]).unwrap(), expected);
    assert_eq!(closure_of(&set, &["p.q.M", "p.q.M"]).unwrap(), expected);
    for absent in ["p.q.N", "p.q", "p.E", "p.q.M.Inner.More", "", ".p.q.M", &"a.".repeat(5000)] {
        assert!(closure_of(&set, &[absent]).unwrap_err().is(code::SCHEMA_TYPE), "{absent}");
    }
    let merged = merge(&[&expected, &set_of(std::slice::from_ref(&other))]).unwrap().unwrap();
    assert_eq!(merged, order(&set).unwrap());
    let changed = File { syntax: Some("proto3".to_owned()), ..other.clone() };
    assert_eq!(merge(&[&set_of(&[other]), &set_of(&[changed])]).unwrap(), None);
    assert_eq!(merge(&[]).unwrap().unwrap(), b"");
}

#[test]
fn types_that_are_absent_are_answered_with_those_that_are_there() {
    let files = [File {
        package: Some("p".to_owned()),
        messages: vec![message("User", Vec::new()), message("Other", Vec::new())],
        ..file("a", &[])
    }];
    let pool = build_pool(&set_of(&files)).unwrap();
    let error = find(&pool, "q.user").unwrap_err();
    assert!(error.is(code::SCHEMA_TYPE));
    assert_eq!(error.message(), "the schema has no message \"q.user\"; it has p.User, p.Other");
    assert!(find(&pool, ".p.User").is_err());
    find(&pool, "p.User").unwrap();
}

#[test]
fn a_pool_gives_its_set_back_with_custom_options() {
    let mut options = Vec::new();
    wire::put_bytes(&mut options, 50_000, b"custom");
    let mut m = message("M", vec![field("f", 1, 5)]);
    m.fields[0].json_name = Some("f".to_owned());
    m.options = vec![options];
    let set = set_of(&[File { messages: vec![m], ..file("b", &["a"]) }, file("a", &[])]);
    let pool = build_pool(&set).unwrap();
    let again = super::super::descriptor_set_of(&find(&pool, "M").unwrap()).unwrap();
    check_order(&again).unwrap();
    assert_eq!(again, order(&set).unwrap());
}

#[test]
fn references_may_be_relative() {
    let mut user = field("f", 1, kind::MESSAGE);
    (user.kind, user.type_name) = (None, Some("M".to_owned()));
    let set = set_of(&[File { messages: vec![message("M", vec![user])], ..file("a", &[]) }]);
    let pool = build_pool(&set).unwrap();
    assert!(matches!(find(&pool, "M").unwrap().get_field(1).unwrap().kind(), Kind::Message(_)));
}

/// Whatever one byte of a good set is made, it is refused or built, never worse; and what is built can be printed.
#[test]
fn a_damaged_set_is_refused_or_built() {
    let seed = damaged_seed();
    for position in 0..seed.len() {
        for byte in 0..=u8::MAX {
            let mut set = seed.clone();
            set[position] = byte;
            if build_pool(&set).is_ok() {
                super::super::print_files(&set).unwrap_or_else(|error| panic!("byte {position} as {byte}: {error}"));
            }
        }
    }
}

#[test]
fn an_empty_syntax_is_proto2() {
    for syntax in [&[""][..], &["proto2", ""], &["proto3", ""]] {
        let mut bytes = File { messages: vec![message("M", vec![field("f", 1, 5)])], ..file("a", &[]) }.encode_to_vec();
        syntax.iter().for_each(|syntax| wire::put_bytes(&mut bytes, 12, syntax.as_bytes()));
        let mut set = Vec::new();
        wire::put_bytes(&mut set, 1, &bytes);
        let pool = build_pool(&set).unwrap();
        assert_eq!(find(&pool, "M").unwrap().parent_file().syntax(), prost_reflect::Syntax::Proto2, "{syntax:?}");
    }
}

#[test]
fn source_info_that_is_no_message() {
    // A location that is no message, and one with a path that is no list of numbers.
    for info in [&b"\x0a\x01x"[..], b"\x0a\x03\x0a\x01\xff", b"\x0a\x05x"] {
        let mut bytes = file("a", &[]).encode_to_vec();
        wire::put_bytes(&mut bytes, 9, info);
        let mut set = Vec::new();
        wire::put_bytes(&mut set, 1, &bytes);
        assert_eq!(build_pool(&set).unwrap_err().code(), "schema.protobuf", "{info:?}");
        assert_eq!(check(&set).unwrap_err().code(), "schema.protobuf", "{info:?}");
    }
    let mut bytes = file("a", &[]).encode_to_vec();
    wire::put_bytes(&mut bytes, 9, b"\x0a\x05\x0a\x01\x0c\x12\x00");
    let mut set = Vec::new();
    wire::put_bytes(&mut set, 1, &bytes);
    super::super::print_files(&set).unwrap();
}

/// A small set of many kinds of element.
fn damaged_seed() -> Vec<u8> {
    let mut bytes = field("b", 2, kind::BYTES);
    bytes.default_value = Some("\\001\\xff".to_owned());
    let mut m = map_entry(|_| {});
    m.fields.push(bytes);
    m.reserved_ranges = vec![range(10, 20)];
    m.extension_ranges = vec![range(100, 1 << 29)];
    let mut x = field("x", 100, kind::ENUM);
    (x.extendee, x.type_name, x.default_value) = (Some(".M".to_owned()), Some(".E".to_owned()), Some("X".to_owned()));
    let user = File {
        messages: vec![m],
        enums: vec![enumeration("E", &[("X", 0), ("Y", 1)])],
        extensions: vec![x],
        ..file("a", &["b"])
    };
    let public = File { public_dependency: vec![0], options: vec![b"\x0a\x01j".to_vec()], ..file("b", &["c"]) };
    set_of(&[file("c", &[]), public, user])
}
