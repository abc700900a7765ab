//! Output that is kept as long as it is short.

use std::io::{self, Write};

/// Takes up to so many bytes; then it is full, and fails.
pub(super) struct Held<'a> {
    bytes: &'a mut Vec<u8>,
    most: usize,
    full: bool,
}

impl<'a> Held<'a> {
    /// Appends to `bytes`, which has at most `most` in the end.
    pub(super) fn new(bytes: &'a mut Vec<u8>, most: usize) -> Self {
        Self { bytes, most, full: false }
    }

    /// Whether something did not fit.
    pub(super) fn is_full(&self) -> bool {
        self.full
    }
}

impl Write for Held<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + bytes.len() > self.most {
            self.full = true;
            return Err(io::Error::other("too long to be held"));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
