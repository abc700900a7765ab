//! Why a record does not decode, before it is known which record that is.

use std::fmt;

use rosettar::error::{Code, Error, code};

/// What is wrong, and in which field; small where nothing is, since every step of decoding may return one.
#[derive(Debug)]
pub(crate) struct Fault(Box<Inner>);

#[derive(Debug)]
struct Inner {
    code: Code,
    what: String,
    /// The fields it is in, innermost first.
    path: Vec<String>,
}

impl Fault {
    #[cold]
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Self(Box::new(Inner { code: code::RECORD_DECODE, what: what.into(), path: Vec::new() }))
    }

    #[cold]
    pub(crate) fn truncated() -> Self {
        Self::new("the message ends in the middle of a field")
    }

    #[cold]
    pub(crate) fn limit(what: impl Into<String>) -> Self {
        Self(Box::new(Inner { code: code::LIMIT_RECORD_VALUES, what: what.into(), path: Vec::new() }))
    }

    /// As an error of a library below.
    #[cold]
    pub(crate) fn of(error: &Error) -> Self {
        let code = if error.is(code::LIMIT_RECORD_VALUES) { code::LIMIT_RECORD_VALUES } else { code::RECORD_DECODE };
        Self(Box::new(Inner { code, what: error.message().to_owned(), path: Vec::new() }))
    }

    /// States the field it is in; called from the inside out.
    #[cold]
    pub(crate) fn within(mut self, field: &str) -> Self {
        self.0.path.push(field.to_owned());
        self
    }

    /// Whether a limit was exceeded, which is no fault of the record's form.
    pub(crate) fn is_limit(&self) -> bool {
        self.0.code == code::LIMIT_RECORD_VALUES
    }

    /// As the error for record `number` of `stream`.
    pub(crate) fn into_error(self, stream: &str, number: u64) -> Error {
        Error::new(self.0.code, format!("record {number} of stream {stream}: {self}"))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.0.path.is_empty() {
            let path: Vec<&str> = self.0.path.iter().rev().map(String::as_str).collect();
            write!(f, "field {}: ", path.join("."))?;
        }
        f.write_str(&self.0.what)
    }
}
