//! `.proto` source text to descriptor sets, with protox: no `protoc` needed.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;

use protox::file::{ChainFileResolver, FileResolver, GoogleFileResolver, IncludeFileResolver};

use super::source::Count;
use crate::error::{Error, Result, code};
use crate::io::uninterrupted;

/// Bytes of one `.proto` file. All of it is held in memory, and more than once. What else is bounded is in `source.rs`.
const SOURCE_MAX: u64 = 16 << 20;

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
    let refused = Rc::new(RefCell::new(None));
    let compile = || {
        let mut resolver = ChainFileResolver::new();
        let count = Rc::new(RefCell::new(Count::default()));
        for directory in &directories {
            let (refused, count) = (Rc::clone(&refused), Rc::clone(&count));
            resolver.add(Sources { directory: directory.clone(), refused, count });
        }
        resolver.add(GoogleFileResolver::new());
        let mut compiler = protox::Compiler::with_file_resolver(resolver);
        compiler.include_imports(true).include_source_info(false);
        compiler.open_files(files)?;
        Ok(compiler.encode_file_descriptor_set())
    };
    let set = loop {
        match compile() {
            // A signal came while a file was being opened.
            Err(error) if io_error(&error).is_some_and(|e| e.kind() == io::ErrorKind::Interrupted) => {}
            compiled => break compiled.map_err(|error| refused.take().unwrap_or_else(|| compile_error(error)))?,
        }
    };
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

fn cannot_read(path: &Path, error: io::Error) -> Error {
    Error::io(code::IO_FILE, format_args!("cannot read {}", path.display()), error)
}

/// The sources in a directory, none of which may be larger than [`SOURCE_MAX`].
struct Sources {
    directory: PathBuf,
    /// The error for what was refused here: protox has none that says so.
    refused: Rc<RefCell<Option<Error>>>,
    /// What all files have come to.
    count: Rc<RefCell<Count>>,
}

impl Sources {
    /// Parses a text, once it is found that this takes neither long nor much.
    fn parse(&self, name: &str, path: &Path, text: &[u8]) -> Result<protox::file::File, protox::Error> {
        let counted = self.count.borrow_mut().file(text);
        let located = counted.map_err(|error| self.refuse(error.about(path.display())))?;
        let Ok(text) = std::str::from_utf8(text) else {
            let message = format!("{}: expected UTF-8 text", path.display());
            return Err(self.refuse(Error::new(code::SCHEMA_COMPILE, message)));
        };
        let file = protox::file::File::from_source(name, text)?;
        if located {
            return Ok(file);
        }
        let mut descriptor = file.file_descriptor_proto().clone();
        descriptor.source_code_info = None;
        Ok(protox::file::File::from_file_descriptor_proto(descriptor))
    }

    fn refuse(&self, error: Error) -> protox::Error {
        let message = error.to_string();
        *self.refused.borrow_mut() = Some(error);
        protox::Error::new(message)
    }

    fn read(&self, name: &str, path: &Path) -> Result<protox::file::File, protox::Error> {
        let mut text = Vec::new();
        let opened = uninterrupted(|| File::open(path));
        match opened.and_then(|file| file.take(SOURCE_MAX + 1).read_to_end(&mut text)) {
            Ok(read) if read as u64 > SOURCE_MAX => Err(self.too_large(path)),
            Ok(_) => self.parse(name, path, &text),
            Err(error) => Err(self.cannot_read(path, error)),
        }
    }

    fn too_large(&self, path: &Path) -> protox::Error {
        let message = format!("{}: expected a .proto file of at most {SOURCE_MAX} bytes", path.display());
        self.refuse(Error::new(code::SCHEMA_TOO_LARGE, message))
    }

    fn cannot_read(&self, path: &Path, error: io::Error) -> protox::Error {
        self.refuse(cannot_read(path, error))
    }
}

impl FileResolver for Sources {
    fn resolve_path(&self, path: &Path) -> Option<String> {
        IncludeFileResolver::new(self.directory.clone()).resolve_path(path)
    }

    fn open_file(&self, name: &str) -> Result<protox::file::File, protox::Error> {
        let path = self.directory.join(name);
        match uninterrupted(|| std::fs::metadata(&path)) {
            Ok(metadata) if metadata.is_file() && metadata.len() > SOURCE_MAX => Err(self.too_large(&path)),
            // Also what has no size until its end: a FIFO, such as the shell makes of `<(command)`, or a device.
            Ok(metadata) if !metadata.is_dir() => self.read(name, &path),
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(self.cannot_read(&path, error)),
            _ => IncludeFileResolver::new(self.directory.clone()).open_file(name),
        }
    }
}

fn io_error(error: &protox::Error) -> Option<&io::Error> {
    std::error::Error::source(error).and_then(|source| source.downcast_ref())
}

fn compile_error(error: protox::Error) -> Error {
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
        ] {
            let (_dir, path) = source(&text);
            let error = compile(&[&path], &[] as &[&str]).unwrap_err();
            assert!(error.is(code::SCHEMA_COMPILE) || error.is(code::SCHEMA_TOO_LARGE), "{error}");
        }
        assert!(started.elapsed().as_secs() < 60, "{:?}", started.elapsed());
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
