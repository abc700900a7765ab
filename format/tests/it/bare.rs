//! What the protobuf library by itself makes of hostile descriptor sets, each in a process of its own, and what this crate
//! answers to the same. Should a test fail because a newer library does better, the guard may need less.
#![cfg(target_os = "linux")]

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage};
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{DescriptorProto, FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet, MessageOptions};
use rosettar::schema;

use crate::support;

const VARIABLE: &str = "ROSETTAR_TEST_BARE";

/// How the library comes to grief.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Grief {
    /// A signal ends it.
    Dies,
    /// It has not ended after some seconds.
    Hangs,
    /// It panics.
    Panics,
    /// It holds more than a gigabyte.
    Swells,
    /// It refuses what is legal.
    Refuses,
}

struct Hazard {
    name: &'static str,
    set: fn() -> FileDescriptorSet,
    grief: Grief,
    /// What this crate says; `None` where it takes the set.
    code: Option<&'static str>,
}

const HAZARDS: &[Hazard] = &[
    Hazard {
        name: "a file that publicly imports itself",
        set: || set([file("a", &["a"], &[0])]),
        grief: Grief::Dies,
        code: Some("schema.cycle"),
    },
    Hazard {
        name: "two files that publicly import each other",
        set: || set([file("a", &["b"], &[0]), file("b", &["a"], &[0])]),
        grief: Grief::Dies,
        code: Some("schema.cycle"),
    },
    Hazard {
        name: "one public import thrice, over 24 files",
        set: || {
            set((0..24).map(|n: usize| {
                let before = n.checked_sub(1).map(|n| n.to_string());
                let imports: Vec<&str> = before.iter().flat_map(|name| [&**name; 3]).collect();
                file(&n.to_string(), &imports, if n == 0 { &[] } else { &[0, 1, 2] })
            }))
        },
        grief: Grief::Hangs,
        code: Some("schema.descriptor"),
    },
    Hazard {
        name: "editions",
        set: || set([FileDescriptorProto { syntax: Some("editions".into()), ..file("a", &[], &[]) }]),
        grief: Grief::Panics,
        code: Some("schema.edition"),
    },
    Hazard {
        name: "a package of 40 000 parts",
        set: || set([FileDescriptorProto { package: Some(["a"; 40_000].join(".")), ..file("a", &[], &[]) }]),
        grief: Grief::Swells,
        code: Some("schema.too-large"),
    },
    Hazard {
        name: "a map entry without key and value",
        set: || {
            let entry = DescriptorProto {
                name: Some("FEntry".into()),
                options: Some(MessageOptions { map_entry: Some(true), ..MessageOptions::default() }),
                ..DescriptorProto::default()
            };
            let field = FieldDescriptorProto {
                name: Some("f".into()),
                number: Some(1),
                label: Some(Label::Repeated.into()),
                r#type: Some(Type::Message.into()),
                type_name: Some(".M.FEntry".into()),
                ..FieldDescriptorProto::default()
            };
            let message = message("M", [field], [entry]);
            set([FileDescriptorProto { message_type: vec![message], ..file("a", &[], &[]) }])
        },
        grief: Grief::Panics,
        code: Some("schema.descriptor"),
    },
    Hazard {
        name: "a type over three public imports",
        set: || {
            let field = FieldDescriptorProto {
                name: Some("f".into()),
                number: Some(1),
                label: Some(Label::Optional.into()),
                r#type: Some(Type::Message.into()),
                type_name: Some(".Far".into()),
                ..FieldDescriptorProto::default()
            };
            set([
                FileDescriptorProto { message_type: vec![message("Far", [], [])], ..file("a", &[], &[]) },
                file("b", &["a"], &[0]),
                file("c", &["b"], &[0]),
                file("d", &["c"], &[0]),
                FileDescriptorProto { message_type: vec![message("M", [field], [])], ..file("e", &["d"], &[]) },
            ])
        },
        grief: Grief::Refuses,
        code: None,
    },
];

#[test]
fn what_the_library_does_and_what_we_answer() {
    let mut unexpected = 0;
    for hazard in HAZARDS {
        let Hazard { name, grief, code, .. } = hazard;
        let bytes = (hazard.set)().encode_to_vec();
        let start = Instant::now();
        let ours = schema::build_pool(&bytes).map(drop);
        assert_eq!(ours.as_ref().err().map(rosettar::Error::code), *code, "{name}: {ours:?}");
        assert!(start.elapsed() < Duration::from_secs(2), "{name}: {:?}", start.elapsed());
        let theirs = fate(name);
        println!("{name}: {theirs:?}, {}", code.unwrap_or("accepted"));
        unexpected += u32::from(theirs != Some(*grief));
    }
    assert_eq!(unexpected, 0);
}

/// What becomes of the library, in another process.
fn fate(hazard: &str) -> Option<Grief> {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "bare::work_of_the_child", "--nocapture", "--test-threads=1"]).env(VARIABLE, hazard);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let start = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if start.elapsed() > Duration::from_secs(15) {
            child.kill().unwrap();
            child.wait().unwrap();
            return Some(Grief::Hangs);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let output = child.wait_with_output().unwrap();
    let (out, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    match output.status.code() {
        None => Some(Grief::Dies),
        Some(0) if out.contains("refused") => Some(Grief::Refuses),
        Some(0) => {
            let peak: u64 = out.split("peak ").nth(1).and_then(|text| text.split(' ').next()?.parse().ok()).unwrap();
            (peak > 1 << 20).then_some(Grief::Swells)
        }
        Some(_) if error.contains("panicked") => Some(Grief::Panics),
        Some(code) => panic!("{hazard}: {code}: {out} {error}"),
    }
}

/// Does nothing in an ordinary run.
#[test]
fn work_of_the_child() {
    let Some(name) = std::env::var_os(VARIABLE) else { return };
    let hazard = HAZARDS.iter().find(|hazard| name == hazard.name).unwrap();
    let bytes = (hazard.set)().encode_to_vec();
    match DescriptorPool::decode(&bytes[..]) {
        Err(error) => println!("refused: {error}"),
        Ok(pool) => {
            for descriptor in pool.all_messages() {
                // One entry of a map, of nothing.
                let _ = DynamicMessage::decode(descriptor, &b"\x0a\x00"[..]);
            }
        }
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    println!("peak {} KiB", peak.trim().trim_end_matches(" kB"));
}

/// Every `.proto` that the crates of this build and the packages of its virtual environment ship, and protoc's own.
#[test]
fn legal_sets_of_others_pass() {
    let test = "legal_sets_of_others_pass";
    let mut roots: Vec<(std::path::PathBuf, &str)> = Vec::new();
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["metadata", "--format-version", "1", "--locked", "--offline"]).current_dir(support::project());
    let metadata = support::run(&mut cargo);
    let metadata: serde_json::Value = serde_json::from_slice(&metadata.stdout).unwrap();
    for package in metadata["packages"].as_array().unwrap() {
        let folder = std::path::Path::new(package["manifest_path"].as_str().unwrap()).parent().unwrap().to_owned();
        if package["source"].is_string() {
            roots.push((folder, "crate"));
        }
    }
    let venv = support::project().join(".venv/lib");
    let pythons = std::fs::read_dir(&venv).into_iter().flatten().flatten();
    roots.extend(pythons.map(|python| (python.path().join("site-packages"), "package")));
    roots.push(("/usr/include".into(), "protoc"));
    let (mut found, mut accepted) = (std::collections::BTreeMap::<&str, u32>::new(), 0);
    for (root, of) in &roots {
        // Only there are .proto files below /usr/include, and not much else.
        let top = if *of == "protoc" { root.join("google/protobuf") } else { root.clone() };
        for path in protos(&top) {
            // The root that its imports start from: the nearest folder above with which it compiles.
            let mut compiled = None;
            for include in path.ancestors().skip(1).take_while(|above| above.starts_with(root)) {
                compiled = schema::compile(&[&path], &[include]).ok();
                if compiled.is_some() {
                    break;
                }
            }
            // Some are made not to compile, or import what is not there.
            let Some(set) = compiled else { continue };
            *found.entry(of).or_default() += 1;
            let pool = schema::build_pool(&set).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            schema::print_files(&set).unwrap();
            for message in pool.all_messages() {
                schema::closure_of(&set, &[message.full_name()]).unwrap();
            }
            accepted += 1;
        }
    }
    println!("{accepted} files accepted: {found:?}");
    for of in ["crate", "package"] {
        if !found.contains_key(of) {
            support::skip(test, &format!("no .proto file of a {of}"));
        }
    }
}

fn protos(top: &std::path::Path) -> Vec<std::path::PathBuf> {
    let (mut found, mut folders) = (Vec::new(), vec![top.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => folders.push(entry.path()),
                Ok(_) if entry.path().extension().is_some_and(|suffix| suffix == "proto") => found.push(entry.path()),
                _ => {}
            }
        }
    }
    found.sort();
    found
}

fn set(files: impl IntoIterator<Item = FileDescriptorProto>) -> FileDescriptorSet {
    FileDescriptorSet { file: files.into_iter().collect() }
}

fn file(name: &str, imports: &[&str], public: &[i32]) -> FileDescriptorProto {
    FileDescriptorProto {
        name: Some(name.to_owned()),
        dependency: imports.iter().map(|name| (*name).to_owned()).collect(),
        public_dependency: public.to_vec(),
        syntax: Some("proto3".into()),
        ..FileDescriptorProto::default()
    }
}

fn message<const F: usize, const N: usize>(
    name: &str,
    field: [FieldDescriptorProto; F],
    nested_type: [DescriptorProto; N],
) -> DescriptorProto {
    DescriptorProto {
        name: Some(name.to_owned()),
        field: field.into(),
        nested_type: nested_type.into(),
        ..DescriptorProto::default()
    }
}
