//! Compresses the specification and the conformance kit, which `rosettar conformance` exports, into one file of the
//! command. The same files give the same bytes.

use std::path::{Path, PathBuf};
use std::{env, fs};

use zstd::zstd_safe::CParameter;

/// What programs that were run in a folder leave there.
const CACHES: [&str; 2] = ["__pycache__", "node_modules"];
/// Two to the power of this are more bytes than the kit has: many of its files are nearly alike.
const WINDOW_LOG: u32 = 24;
const LEVEL: i32 = 19;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let manifest = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let mut files = Vec::new();
    for folder in ["spec", "conformance"] {
        let link = manifest.join("kit").join(folder);
        // Where links are checked out as text, what they lead to is there all the same.
        let root = if link.is_dir() { link } else { manifest.join("..").join(folder) };
        assert!(root.is_dir(), "{}: expected the folder {folder} of the project, or a link to it", root.display());
        collect(&root, folder, &mut files);
    }
    // Files of a kind beside each other compress better.
    files.sort_by_cached_key(|(name, _)| (name.rsplit('.').next().unwrap_or_default().to_owned(), name.clone()));
    let mut kit = Vec::new();
    for (name, path) in files {
        let content = fs::read(&path).unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()));
        for part in [name.as_bytes(), &content] {
            kit.extend_from_slice(&u32::try_from(part.len()).expect("no file is that long").to_le_bytes());
            kit.extend_from_slice(part);
        }
    }
    let mut compressor = zstd::bulk::Compressor::new(LEVEL).expect("a level of zstd");
    compressor.set_parameter(CParameter::WindowLog(WINDOW_LOG)).expect("a size of window");
    compressor.set_parameter(CParameter::EnableLongDistanceMatching(true)).expect("a parameter of zstd");
    let compressed = compressor.compress(&kit).expect("memory to compress in");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it")).join("kit.zst");
    fs::write(&out, compressed).unwrap_or_else(|error| panic!("cannot write {}: {error}", out.display()));
}

/// Lists the files in `folder`, which has this name in the kit, and has cargo watch them.
fn collect(folder: &Path, name: &str, files: &mut Vec<(String, PathBuf)>) {
    let mut entries: Vec<PathBuf> = fs::read_dir(folder)
        .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect())
        .unwrap_or_else(|error| panic!("cannot list {}: {error}", folder.display()));
    entries.sort();
    // Where programs are, running them makes caches, which are no change. What is new there shows as the change of a
    // file beside it: `vectors/index.json`, the README.
    let whole = !has_programs(folder);
    if whole {
        println!("cargo::rerun-if-changed={}", folder.display());
    }
    for path in entries {
        let own = path.file_name().and_then(|own| own.to_str());
        let own = own.unwrap_or_else(|| panic!("{}: expected a name in UTF-8", path.display()));
        if own.starts_with('.') || own.ends_with(".pyc") || CACHES.contains(&own) {
            continue;
        }
        let name = format!("{name}/{own}");
        if path.is_dir() {
            collect(&path, &name, files);
            continue;
        }
        if !whole {
            println!("cargo::rerun-if-changed={}", path.display());
        }
        files.push((name, path));
    }
}

/// Whether a program that leaves caches is in `folder`, or below it.
fn has_programs(folder: &Path) -> bool {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.into_iter().any(|path| match path.is_dir() {
        true => has_programs(&path),
        false => path.extension().is_some_and(|extension| extension == "py" || extension == "mjs"),
    })
}
