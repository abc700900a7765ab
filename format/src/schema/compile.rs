//! `.proto` source text to descriptor sets, with protox: no `protoc` needed.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result, code};

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
/// `schema.too-large`; `io.file` where a file cannot be read.
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
    let compile = || {
        let mut compiler = protox::Compiler::new(&directories)?;
        compiler.include_imports(true).include_source_info(false);
        compiler.open_files(files)?;
        Ok(compiler.encode_file_descriptor_set())
    };
    let set = loop {
        match compile() {
            // A signal came while a file was being opened.
            Err(error) if io_error(&error).is_some_and(|e| e.kind() == std::io::ErrorKind::Interrupted) => {}
            compiled => break compiled.map_err(compile_error)?,
        }
    };
    let set = super::order(&set)?;
    super::check(&set)?;
    Ok(set)
}

fn io_error(error: &protox::Error) -> Option<&std::io::Error> {
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
