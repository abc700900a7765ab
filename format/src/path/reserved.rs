//! The directory `.rosettar`, which holds schemas, stream descriptions and record batches (FORMAT.md, "Reserved
//! members").

use std::fmt;

use super::EntryPath;
use crate::error::{Error, Result, code};

const ROOT: &str = ".rosettar";
/// Digits in the number of a schema or batch.
const DIGITS: usize = 8;

/// The name of a stream: 1 to 63 characters, the first a letter, digit or `_`, the others also `.` or `-`; ASCII.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamName(String);

impl StreamName {
    /// Checks `name`.
    ///
    /// # Errors
    /// `manifest.streams`.
    pub fn new(name: impl Into<String>) -> Result<Self> {
        let name = name.into();
        let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        let legal = matches!(name.len(), 1..=63)
            && word(name.as_bytes()[0])
            && name.bytes().all(|b| word(b) || b == b'.' || b == b'-');
        if !legal {
            return Err(Error::new(
                code::MANIFEST_STREAMS,
                format!(
                    "stream name {name:?}: expected 1 to 63 ASCII letters, digits, `_`, `.` or `-`, the first no `.` or `-`"
                ),
            ));
        }
        Ok(Self(name))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The form in which names are unique: ASCII lower case.
    pub fn folded(&self) -> String {
        self.0.to_ascii_lowercase()
    }
}

impl fmt::Display for StreamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a reserved path stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reserved {
    /// The descriptor set of the Schema with this number.
    Schema(u32),
    /// The description of the stream with this name.
    Stream(String),
    /// A batch of records: the stream's name and the batch's number in it.
    Batch(String, u32),
}

impl Reserved {
    /// What `path` stands for; `None` where it is not exactly one of the three forms.
    pub fn parse(path: &str) -> Option<Self> {
        let mut parts = path.strip_prefix(ROOT)?.strip_prefix('/')?.split('/');
        let found = match (parts.next()?, parts.next()?, parts.next()) {
            ("schemas", file, None) => Self::Schema(number(file)?),
            ("streams", stream, Some(file)) => {
                let stream = StreamName::new(stream).ok()?.0;
                if file == "stream.txt" { Self::Stream(stream) } else { Self::Batch(stream, number(file)?) }
            }
            _ => return None,
        };
        parts.next().is_none().then_some(found)
    }
}

/// Whether `path` lies in the reserved directory, whatever the case of its ASCII letters.
pub fn is_reserved(path: &str) -> bool {
    let (path, root) = (path.as_bytes(), ROOT.as_bytes());
    path.split_at_checked(root.len())
        .is_some_and(|(first, rest)| first.eq_ignore_ascii_case(root) && rest.first().is_none_or(|byte| *byte == b'/'))
}

/// The path of the member that holds the descriptor set of Schema `number`.
pub fn schema_path(number: u32) -> EntryPath {
    EntryPath(format!("{ROOT}/schemas/{number:0DIGITS$}.binpb"))
}

/// The path of the member that describes `stream`.
pub fn stream_path(stream: &StreamName) -> EntryPath {
    EntryPath(format!("{ROOT}/streams/{stream}/stream.txt"))
}

/// The path of batch `number` of `stream`.
pub fn batch_path(stream: &StreamName, number: u32) -> EntryPath {
    EntryPath(format!("{ROOT}/streams/{stream}/{number:0DIGITS$}.binpb"))
}

fn number(file: &str) -> Option<u32> {
    let digits = file.strip_suffix(".binpb")?;
    (digits.len() == DIGITS && digits.bytes().all(|b| b.is_ascii_digit())).then(|| digits.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_back() {
        let name = StreamName::new("a.b-C_1").unwrap();
        assert_eq!(Reserved::parse(schema_path(7).as_str()), Some(Reserved::Schema(7)));
        assert_eq!(Reserved::parse(stream_path(&name).as_str()), Some(Reserved::Stream("a.b-C_1".into())));
        assert_eq!(Reserved::parse(batch_path(&name, 42).as_str()), Some(Reserved::Batch("a.b-C_1".into(), 42)));
        for path in [
            ".rosettar",
            ".rosettar/schemas",
            ".rosettar/schemas/0000000.binpb",
            ".rosettar/schemas/+0000000.binpb",
            ".Rosettar/schemas/00000000.binpb",
            ".rosettar/streams/.a/stream.txt",
            ".rosettar/streams/a/stream.txt/b",
            ".rosettar/schemas/00000000.binpb/x",
            "x/.rosettar/schemas/00000000.binpb",
        ] {
            assert_eq!(Reserved::parse(path), None, "{path}");
        }
    }

    #[test]
    fn reserved_whatever_the_case() {
        assert!(is_reserved(".ROSEttar/x"));
        assert!(is_reserved(".rosettar"));
        assert!(!is_reserved(".rosettarx/x"));
        assert!(!is_reserved("x/.rosettar"));
    }

    #[test]
    fn stream_names() {
        for good in ["a", "_", "0", "a-b.c_D", &"x".repeat(63)] {
            assert!(StreamName::new(good).is_ok(), "{good}");
        }
        for bad in ["", "-a", ".a", "a/b", "é", "a b", &"x".repeat(64)] {
            assert!(StreamName::new(bad).is_err(), "{bad}");
        }
    }
}
