//! `.proto` source text to descriptor sets, with protox: no `protoc` needed.

use std::io;
use std::path::{Component, Path, PathBuf};

use protox::file::{ChainFileResolver, FileResolver, GoogleFileResolver, IncludeFileResolver};

use super::load::{Sources, cannot_read};
use crate::error::{Error, Result, code};
use crate::io::uninterrupted;

/// Compiles `.proto` files to the descriptor set of them and of all that they import, in order.
///
/// Imports, and the files' own paths in the set, are relative to the directories `includes`, searched in turn; without
/// any, each file's own directory is one. The `google/protobuf/*.proto` that come with protobuf need not be there.
///
/// The set carries no source info, so it has no comments: they would make the set several times larger, and a change of
/// a comment a change of the schema, which then no longer merges with the one before.
///
/// ```
/// let dir = tempfile::tempdir().unwrap();
/// let path = dir.path().join("user.proto");
/// std::fs::write(&path, r#"syntax = "proto3"; package demo; message User { string name = 1; }"#).unwrap();
/// let set = rosettar::schema::compile(&[&path], &[] as &[&str])?;
/// rosettar::schema::check_order(&set)?;
/// # Ok::<(), rosettar::Error>(())
/// ```
///
/// # Errors
/// `schema.compile`, with file, line and column where there are such; `schema.edition` for a file in an edition;
/// `schema.too-large`, also for a file of more than 16 MiB, and for text that would take long to compile; `io.file` where a file cannot be read.
pub fn compile(files: &[impl AsRef<Path>], includes: &[impl AsRef<Path>]) -> Result<Vec<u8>> {
    let mut directories: Vec<PathBuf> = includes.iter().map(|include| include.as_ref().to_owned()).collect();
    if directories.is_empty() {
        for file in files {
            let directory = match file.as_ref().parent() {
                Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
                _ => PathBuf::from("."),
            };
            if !directories.contains(&directory) {
                directories.push(directory);
            }
        }
    }
    files.iter().try_for_each(|file| check_shadow(file.as_ref(), &directories))?;
    let mut resolver = ChainFileResolver::new();
    resolver.add(Sources::load(files, &directories)?);
    resolver.add(GoogleFileResolver::new());
    let mut compiler = protox::Compiler::with_file_resolver(resolver);
    compiler.include_imports(true).include_source_info(false);
    compiler.open_files(files).map_err(compile_error)?;
    let set = compiler.encode_file_descriptor_set();
    let set = super::order(&set)?;
    super::check(&set)?;
    Ok(set)
}

/// Makes sure that no other directory has, before that of `file`, a file that imports would find under its name.
fn check_shadow(file: &Path, directories: &[PathBuf]) -> Result<()> {
    let name_in = |directory: &PathBuf| IncludeFileResolver::new(directory.clone()).resolve_path(file);
    let Some(name) = directories.iter().find_map(name_in) else { return Ok(()) };
    let parts = |path: &Path| path.components().filter(|part| *part != Component::CurDir).collect::<PathBuf>();
    for directory in directories {
        let found = directory.join(&name);
        match uninterrupted(|| found.try_exists()) {
            Ok(false) => continue,
            Ok(true) if parts(&found) == parts(file) => return Ok(()),
            Ok(true) => {
                let message = format!(
                    "{} is hidden by {}, which comes before it in the include directories",
                    file.display(),
                    found.display()
                );
                return Err(Error::new(code::SCHEMA_COMPILE, message));
            }
            Err(error) => return Err(cannot_read(&found, error)),
        }
    }
    Ok(())
}

fn io_error(error: &protox::Error) -> Option<&io::Error> {
    std::error::Error::source(error).and_then(|source| source.downcast_ref())
}

pub(super) fn compile_error(error: protox::Error) -> Error {
    // Debug is where protox puts line and column; the plain form is the message alone.
    let (place, message) = (format!("{error:?}"), error.to_string());
    let text = if place.ends_with(&message) && place.len() > message.len() {
        place
    } else {
        match error.file() {
            Some(file) if !message.contains(file) => format!("{file}: {message}"),
            _ => message,
        }
    };
    let code = if error.is_io() {
        let reason = io_error(&error).map(|source| format!(": {source}")).unwrap_or_default();
        return Error::new(code::IO_FILE, format!("{text}{reason}")).with_source(error);
    } else if text.contains("edition") {
        code::SCHEMA_EDITION
    } else {
        code::SCHEMA_COMPILE
    };
    Error::new(code, text).with_source(error)
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::super::load::SOURCE_MAX;
    use super::*;

    fn source(text: &str) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("t.proto");
        std::fs::write(&path, text).unwrap();
        (dir, path)
    }

    #[test]
    fn errors_state_file_line_and_column() {
        let (_dir, path) = source("syntax = \"proto3\";\nmessage M {\n  strin g = 1;\n  oops\n}\n");
        let error = compile(&[&path], &[] as &[&str]).unwrap_err();
        assert!(error.is(code::SCHEMA_COMPILE), "{error}");
        assert!(error.message().contains("t.proto:5:1"), "{error}");
        let (_dir, path) = source("syntax = \"proto3\";\nmessage M {\n  strin g = 1;\n}\n");
        let error = compile(&[&path], &[] as &[&str]).unwrap_err();
        assert!(error.is(code::SCHEMA_COMPILE) && error.message().contains("t.proto:3:3"), "{error}");
        let (_dir, path) = source("syntax = \"proto3\";\nimport \"nowhere.proto\";\n");
        let error = compile(&[&path], &[] as &[&str]).unwrap_err();
        assert!(error.is(code::SCHEMA_COMPILE) && error.message().contains("t.proto:2:1"), "{error}");
    }

    #[test]
    fn editions_and_absent_files_are_named() {
        let (dir, path) = source("edition = \"2023\";\nmessage M {}\n");
        let error = compile(&[&path], &[] as &[&str]).unwrap_err();
        assert!(error.is(code::SCHEMA_EDITION), "{error}");
        let error = compile(&[dir.path().join("absent.proto")], &[] as &[&str]).unwrap_err();
        assert!(error.message().contains("absent.proto"), "{error}");
    }

    #[test]
    fn sources_are_bounded() {
        let (_dir, path) = source("");
        let file = File::options().write(true).open(&path).unwrap();
        file.set_len(SOURCE_MAX + 1).unwrap();
        let error = compile(&[&path], &[] as &[&str]).unwrap_err();
        assert!(error.is(code::SCHEMA_TOO_LARGE) && error.message().contains("t.proto"), "{error}");
    }

    #[test]
    fn no_file_is_taken_for_another() {
        let (dir, first) = source("syntax = \"proto3\"; message A {}");
        let (other, second) = source("syntax = \"proto3\"; message B {}");
        let error = compile(&[&second], &[dir.path(), other.path()]).unwrap_err();
        assert!(error.is(code::SCHEMA_COMPILE) && error.message().contains("hidden"), "{error}");
        for (file, includes) in [(&first, [dir.path(), other.path()]), (&second, [other.path(), dir.path()])] {
            compile(&[file], &includes).unwrap();
        }
    }

    /// What a large file has is the same, though protox does not tell the lines in it.
    #[test]
    fn large_files() {
        let long = "-".repeat(200);
        let fields: String = (1..3_000).map(|n| format!("  int32 f{n} = {n}; // {long}\n")).collect();
        let text =
            |kind: &str| format!("syntax = \"proto3\";\npackage p;\nmessage M {{\n{fields}  {kind} last = 5000;\n}}\n");
        let (_dir, path) = source(&text("M"));
        let pool = super::super::build_pool(&compile(&[&path], &[] as &[&str]).unwrap()).unwrap();
        assert_eq!(super::super::message(&pool, "p.M").unwrap().fields().len(), 3_000);
        let (_dir, path) = source(&text("Absent"));
        let error = compile(&[&path], &[] as &[&str]).unwrap_err();
        assert!(error.is(code::SCHEMA_COMPILE), "{error}");
        assert!(error.message().contains("t.proto") && error.message().contains("'Absent'"), "{error}");
    }

    /// Each of these would take protox minutes, gigabytes or the stack.
    #[test]
    fn hostile_text() {
        let started = std::time::Instant::now();
        let options = "syntax=\"proto2\";\nimport \"google/protobuf/descriptor.proto\";\nmessage O { optional O o = 1; }\n\
                       extend google.protobuf.FileOptions { optional O o = 50000; }\n";
        let proto3 = |rest: String| format!("syntax = \"proto3\";\n{rest}");
        let many = 100_000;
        for text in [
            format!("{options}option (o) = {};", "{o:".repeat(many) + "{}" + &"}".repeat(many)),
            proto3(format!("package {};", ["a"; 1_000_000].join("."))),
            proto3("message A {}\n".repeat(many)),
            proto3(format!("message A {{ {} }}", "B b = 1;\n".repeat(many))),
            proto3(format!("message A {{ int32 a = 1 [{}]; }}", vec!["deprecated = true"; many].join(","))),
            proto3(format!("message A {{ int32 a = 1 [{}]; }}", vec!["deprecated = true"; 1_000_000].join(","))),
            proto3("\u{1}".repeat(8 << 20)),
            proto3("#\n".repeat(4 << 20)),
            proto3(format!("option a = {{{}}};", "1e308 ".repeat(1 << 20))),
            proto3(format!("/* /*/ \" */ {}", "\u{1}".repeat(8 << 20))),
            format!(
                "{options}extend google.protobuf.ExtensionRangeOptions {{ optional string s = 50000; }}\n\
                 message M {{ extensions {} to 9001 [(s) = \"{}\"]; }}",
                (1..1_000).map(|n| format!("{n}, ")).collect::<String>() + "9000",
                "x".repeat(100_000)
            ),
            format!(
                "{options}message M {{ reserved {}; {} }}",
                ["1 to max"; 1_000].join(","),
                (1..1_000).map(|n| format!("optional int32 a{n} = {n};")).collect::<String>()
            ),
            proto3(format!("enum E {{ reserved {}; Z = 0; }}", ["5 to 6", "6"].join(","))),
        ] {
            let (_dir, path) = source(&text);
            let error = compile(&[&path], &[] as &[&str]).unwrap_err();
            assert!(error.is(code::SCHEMA_COMPILE) || error.is(code::SCHEMA_TOO_LARGE), "{error}");
        }
        assert!(started.elapsed().as_secs() < 60, "{:?}", started.elapsed());
    }

    /// Each way through public imports is gone, and gone again for each file.
    #[test]
    fn public_imports_are_bounded() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: String, text: String| {
            std::fs::write(dir.path().join(&name), format!("syntax = \"proto3\";\n{text}")).unwrap();
            dir.path().join(name)
        };
        let layers = |count: usize| {
            for (layer, name) in (0..count).flat_map(|layer| ["a", "b"].map(|name| (layer, name))) {
                let below = layer
                    .checked_sub(1)
                    .map(|below| ["a", "b"].map(|n| format!("import public \"{below}{n}.proto\";")));
                write(format!("{layer}{name}.proto"), below.unwrap_or_default().concat());
            }
            let imports: String = (0..count).map(|n| format!("import \"{n}a.proto\";")).collect();
            compile(&[write("top.proto".to_owned(), imports)], &[dir.path()])
        };
        layers(6).unwrap();
        assert!(layers(28).unwrap_err().is(code::SCHEMA_TOO_LARGE));
        // A cycle is protox's to refuse.
        write("c0.proto".to_owned(), "import public \"c1.proto\";".to_owned());
        let cycle = write("c1.proto".to_owned(), "import public \"c0.proto\";".to_owned());
        let error = compile(&[cycle], &[dir.path()]).unwrap_err();
        assert!(error.is(code::SCHEMA_COMPILE) && error.message().contains("cycle"), "{error}");
    }

    #[test]
    fn comments_and_a_byte_order_mark() {
        let text = "\u{feff}// é /* \"\nsyntax = \"proto3\"; /* é\n // ; */ message A { string a = 1; /**/ /***/ Oops b = 2; }";
        let (_dir, path) = source(text);
        let error = compile(&[&path], &[] as &[&str]).unwrap_err();
        assert!(error.message().contains("t.proto:3:47: name 'Oops'"), "{error}");
        let (_dir, path) = source(&text.replace("Oops b = 2; ", ""));
        compile(&[&path], &[] as &[&str]).unwrap();
        for text in
            ["syntax = \"proto3\"; /* no end", "syntax = \"proto3\"; /*/", "syntax = \"proto3\"; /* a /* b */ */"]
        {
            let (_dir, path) = source(text);
            let error = compile(&[&path], &[] as &[&str]).unwrap_err();
            assert!(error.is(code::SCHEMA_COMPILE), "{error}");
        }
        let (_dir, path) = source("");
        std::fs::write(&path, b"syntax = \"proto3\"; message A\xff {}").unwrap();
        assert!(compile(&[&path], &[] as &[&str]).unwrap_err().is(code::SCHEMA_COMPILE));
    }

    #[test]
    fn well_known_types_are_there_and_comments_are_not() {
        let (_dir, path) = source(
            "syntax = \"proto3\";\nimport \"google/protobuf/timestamp.proto\";\n// A comment.\nmessage M { google.protobuf.Timestamp t = 1; }\n",
        );
        let set = compile(&[&path], &[] as &[&str]).unwrap();
        super::super::check_order(&set).unwrap();
        assert!(!set.windows(9).any(|window| window == b"A comment"));
        assert_eq!(super::super::build_pool(&set).unwrap().files().len(), 2);
    }
}
