//! How records become columns.

use arrow_schema::TimeUnit;

/// Options for reading records as Arrow.
///
/// ```
/// use rosettar_arrow::{ArrowOptions, Enums};
///
/// let options = ArrowOptions::new().columns(["origin", "route.stops"]).enums(Enums::Numbers).threads(2);
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ArrowOptions {
    pub(crate) columns: Vec<String>,
    pub(crate) enums: Enums,
    pub(crate) errors: OnError,
    pub(crate) time_unit: TimeUnit,
    pub(crate) recursion: usize,
    pub(crate) cut: Cut,
    pub(crate) defaults: bool,
    pub(crate) batch_rows: usize,
    pub(crate) batch_bytes: usize,
    pub(crate) threads: Option<usize>,
    pub(crate) restore: bool,
}

/// What a column of an enum holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Enums {
    /// Names, as a dictionary; a number that has none is there in decimal digits.
    #[default]
    Names,
    /// Numbers, as 32-bit integers.
    Numbers,
}

/// What becomes of a record that does not decode.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnError {
    /// Reading ends with an error that names the stream and the record's number.
    #[default]
    Raise,
    /// A row of nulls takes its place, and it is counted. Every column may then hold nulls.
    Null,
}

/// What a column holds where a message that may hold itself is cut off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cut {
    /// The message as protobuf JSON.
    #[default]
    Json,
    /// The message as it was serialized.
    Binary,
}

impl Default for ArrowOptions {
    fn default() -> Self {
        Self {
            columns: Vec::new(),
            enums: Enums::Names,
            errors: OnError::Raise,
            time_unit: TimeUnit::Nanosecond,
            recursion: 2,
            cut: Cut::Json,
            defaults: false,
            batch_rows: 1 << 20,
            batch_bytes: 16 << 20,
            threads: None,
            restore: true,
        }
    }
}

impl ArrowOptions {
    /// The defaults: every column, enums by name, errors raised, times in nanoseconds.
    pub fn new() -> Self {
        Self::default()
    }

    /// The columns to decode, each the name of a field, or of a field of a message with dots between: `a`, `b.c`. An
    /// extension is written `[its.full.name]`. They come in this order; none means all. Of the others nothing is decoded.
    #[must_use]
    pub fn columns<S: Into<String>>(mut self, columns: impl IntoIterator<Item = S>) -> Self {
        self.columns = columns.into_iter().map(Into::into).collect();
        self
    }

    /// What columns of enums hold; names unless set.
    #[must_use]
    pub fn enums(mut self, enums: Enums) -> Self {
        self.enums = enums;
        self
    }

    /// What becomes of a record that does not decode; an error unless set.
    #[must_use]
    pub fn errors(mut self, errors: OnError) -> Self {
        self.errors = errors;
        self
    }

    /// The unit of timestamps and durations; nanoseconds unless set, which reach from 1677 to 2262. What is finer is cut
    /// off, towards the past.
    #[must_use]
    pub fn time_unit(mut self, unit: TimeUnit) -> Self {
        self.time_unit = unit;
        self
    }

    /// How often a message may stand inside itself before it is [cut](Self::cut): 1 cuts it the first time. 2 unless set;
    /// less where the schema would have more columns than is sensible.
    #[must_use]
    pub fn recursion(mut self, levels: usize) -> Self {
        self.recursion = levels.max(1);
        self
    }

    /// What stands where a message is cut; JSON unless set.
    #[must_use]
    pub fn cut(mut self, cut: Cut) -> Self {
        self.cut = cut;
        self
    }

    /// Whether fields that are absent have the default that their schema states (proto2), or the zero of their type,
    /// instead of null; messages that are absent are null all the same. False unless set.
    #[must_use]
    pub fn defaults(mut self, yes: bool) -> Self {
        self.defaults = yes;
        self
    }

    /// The most rows of one record batch, at least 1; 1 048 576 unless set.
    #[must_use]
    pub fn batch_rows(mut self, rows: usize) -> Self {
        self.batch_rows = rows.max(1);
        self
    }

    /// About how many bytes of memory one record batch may take, though it holds at least one row; 16 MiB unless set.
    #[must_use]
    pub fn batch_bytes(mut self, bytes: usize) -> Self {
        self.batch_bytes = bytes.max(1);
        self
    }

    /// How many threads decode, at least 1; as many as the archive is read with unless set.
    #[must_use]
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = Some(threads.max(1));
        self
    }

    /// Whether records that were written from an Arrow table come back with the table's own types; true unless set.
    #[must_use]
    pub fn restore(mut self, yes: bool) -> Self {
        self.restore = yes;
        self
    }
}
