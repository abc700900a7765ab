//! Bounds on what reading or writing an archive may cost (FORMAT.md, "Limits").

use crate::error::{Error, Result, code};

/// Bounds on cost. Finite by default; a reader refuses what exceeds them, and a writer makes nothing that exceeds the
/// defaults unless told to.
///
/// Exactly the limit passes; one more is an error of kind [`Limit`](crate::ErrorKind::Limit) that names the limit.
///
/// ```
/// let mut limits = rosettar::Limits::default();
/// limits.set("entries", "1000")?;
/// assert_eq!(limits.entries, 1000);
/// # Ok::<(), rosettar::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes of the decoded tar in all. `None`, the default, stands for the greater of 10 GiB and 100 times the size of
    /// the file. Exceeding it is `limit.decoded-bytes`.
    pub decoded_bytes: Option<u64>,
    /// Entries, reserved members included; 1 048 576. `limit.entries`.
    pub entries: u64,
    /// Frames of every type; 4 194 304. `limit.frames`.
    pub frames: u64,
    /// Streams; 4 096. `limit.streams`.
    pub streams: u64,
    /// Schemas; 4 096. `limit.schemas`.
    pub schemas: u64,
    /// Bytes of one path or link target; 4 096. `limit.path-bytes`.
    pub path_bytes: u64,
    /// Bytes of one component of a path; 255. `limit.component-bytes`.
    pub component_bytes: u64,
    /// Components of one path; 64. `limit.path-depth`.
    pub path_depth: u64,
    /// Bytes of one record; 64 MiB. `limit.record-bytes`.
    pub record_bytes: u64,
    /// Values in one record, counted before it is decoded; 1 048 576. A quarter as many may be messages with fields, where
    /// they are decoded. `limit.record-values`.
    pub record_values: u64,
    /// Bytes of the manifest and of all schema sections together; 16 MiB. `limit.manifest-bytes`.
    pub manifest_bytes: u64,
    /// Bytes of the index and of all decoded pages of the entry table together; 256 MiB. `limit.index-bytes`.
    pub index_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            decoded_bytes: None,
            entries: 1 << 20,
            frames: 1 << 22,
            streams: 1 << 12,
            schemas: 1 << 12,
            path_bytes: 4096,
            component_bytes: 255,
            path_depth: 64,
            record_bytes: 64 << 20,
            record_values: 1 << 20,
            manifest_bytes: 16 << 20,
            index_bytes: 256 << 20,
        }
    }
}

/// The least limit on decoded bytes where none is set explicitly: 10 GiB.
const LEAST_DECODED_BYTES: u64 = 10 << 30;
/// How many decoded bytes each stored byte allows where no limit is set explicitly.
const DECODED_PER_STORED_BYTE: u64 = 100;

impl Limits {
    /// The names that [`set`](Self::set) knows, in the order of the fields.
    pub const NAMES: &'static [&'static str] = &[
        "decoded-bytes",
        "entries",
        "frames",
        "streams",
        "schemas",
        "path-bytes",
        "component-bytes",
        "path-depth",
        "record-bytes",
        "record-values",
        "manifest-bytes",
        "index-bytes",
    ];

    /// Sets the limit called `name` to `value`: a decimal number with an optional suffix `K`, `M`, `G` or `T` (powers
    /// of 1024).
    ///
    /// # Errors
    /// `usage.option` when no limit has that name or the value is no such number.
    pub fn set(&mut self, name: &str, value: &str) -> Result<()> {
        let number = parse_size(value).ok_or_else(|| {
            Error::new(
                code::USAGE_OPTION,
                format!("limit {name}: expected a number such as 4096 or 64M, found {value:?}"),
            )
        })?;
        match name {
            "decoded-bytes" => self.decoded_bytes = Some(number),
            "entries" => self.entries = number,
            "frames" => self.frames = number,
            "streams" => self.streams = number,
            "schemas" => self.schemas = number,
            "path-bytes" => self.path_bytes = number,
            "component-bytes" => self.component_bytes = number,
            "path-depth" => self.path_depth = number,
            "record-bytes" => self.record_bytes = number,
            "record-values" => self.record_values = number,
            "manifest-bytes" => self.manifest_bytes = number,
            "index-bytes" => self.index_bytes = number,
            _ => {
                return Err(Error::new(
                    code::USAGE_OPTION,
                    format!("no limit is called {name:?}; the limits are {}", Self::NAMES.join(", ")),
                ));
            }
        }
        Ok(())
    }

    /// The limits of a writer of what is read within these: the defaults, and these where they allow more. What bounds the
    /// reading more tightly does not bind the writing, which takes some frames and bytes of its own.
    ///
    /// ```
    /// let mut limits = rosettar::Limits::default();
    /// (limits.entries, limits.frames) = (10, 1 << 30);
    /// let writing = limits.for_writing();
    /// assert_eq!((writing.entries, writing.frames), (1 << 20, 1 << 30));
    /// ```
    #[must_use]
    pub fn for_writing(&self) -> Self {
        let least = Self::default();
        Self {
            decoded_bytes: self.decoded_bytes.filter(|bytes| *bytes > LEAST_DECODED_BYTES),
            entries: self.entries.max(least.entries),
            frames: self.frames.max(least.frames),
            streams: self.streams.max(least.streams),
            schemas: self.schemas.max(least.schemas),
            path_bytes: self.path_bytes.max(least.path_bytes),
            component_bytes: self.component_bytes.max(least.component_bytes),
            path_depth: self.path_depth.max(least.path_depth),
            record_bytes: self.record_bytes.max(least.record_bytes),
            record_values: self.record_values.max(least.record_values),
            manifest_bytes: self.manifest_bytes.max(least.manifest_bytes),
            index_bytes: self.index_bytes.max(least.index_bytes),
        }
    }

    /// No limits, for what was checked before.
    pub(crate) fn unlimited() -> Self {
        Self {
            decoded_bytes: Some(u64::MAX),
            entries: u64::MAX,
            frames: u64::MAX,
            streams: u64::MAX,
            schemas: u64::MAX,
            path_bytes: u64::MAX,
            component_bytes: u64::MAX,
            path_depth: u64::MAX,
            record_bytes: u64::MAX,
            record_values: u64::MAX,
            manifest_bytes: u64::MAX,
            index_bytes: u64::MAX,
        }
    }

    /// The limit on decoded bytes for a file of `file_size` bytes.
    pub fn decoded_bytes_for(&self, file_size: u64) -> u64 {
        self.decoded_bytes.unwrap_or_else(|| LEAST_DECODED_BYTES.max(file_size.saturating_mul(DECODED_PER_STORED_BYTE)))
    }
}

/// Parses `4096`, `64K`, `16M`, `1G`, `2T`; `None` for anything else, and where the number does not fit.
pub fn parse_size(text: &str) -> Option<u64> {
    let (digits, shift) = match text.as_bytes().last()? {
        b'K' => (&text[..text.len() - 1], 10),
        b'M' => (&text[..text.len() - 1], 20),
        b'G' => (&text[..text.len() - 1], 30),
        b'T' => (&text[..text.len() - 1], 40),
        _ => (text, 0),
    };
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    digits.parse::<u64>().ok()?.checked_mul(1 << shift)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_sets_its_own_field() {
        for name in Limits::NAMES {
            let mut limits = Limits::default();
            limits.set(name, "7").unwrap();
            assert_ne!(limits, Limits::default(), "{name} sets nothing");
            let text = format!("{limits:?}");
            let field = name.replace('-', "_");
            assert!(text.contains(&format!("{field}: 7")) || text.contains(&format!("{field}: Some(7)")), "{text}");
        }
        assert!(Limits::default().set("entires", "7").is_err());
    }

    #[test]
    fn sizes() {
        assert_eq!(parse_size("64M"), Some(64 << 20));
        assert_eq!(parse_size("0"), Some(0));
        for bad in ["", "M", "-1", "1.5G", "99999999999T", "12 K", "K1", "é"] {
            assert_eq!(parse_size(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn decoded_bytes_grow_with_the_file_and_saturate() {
        let limits = Limits::default();
        assert_eq!(limits.decoded_bytes_for(0), 10 << 30);
        assert_eq!(limits.decoded_bytes_for(1 << 30), 100 << 30);
        assert_eq!(limits.decoded_bytes_for(u64::MAX), u64::MAX);
        let limits = Limits { decoded_bytes: Some(5), ..Limits::default() };
        assert_eq!(limits.decoded_bytes_for(1 << 30), 5);
    }
}
