//! JSON lines.

use std::io::BufRead;

use prost_reflect::MessageDescriptor;
use rosettar::error::code;
use rosettar::{Limits, Result};

use super::json::{self, Reason};
use super::lines::{Line, read_line, without_end};
use super::{Options, RecordSource, fault, strip_bom, too_long, too_many_values, unreadable};
use crate::wire;

/// Records from JSON lines: one object in canonical protobuf JSON a line, UTF-8, `\n` or `\r\n`; a byte order mark and
/// blank lines are passed over.
///
/// Refused: unknown fields, a field or map key given twice (a field also when once by its proto name and once by its
/// JSON name), two members of a oneof, and numbers that are out of their type's range. Errors name file, line, character
/// and, where it is known, the field: `x.jsonl:3:14: field "inner.n": expected int32: …`.
#[derive(Debug)]
pub struct JsonlReader<R> {
    reader: R,
    name: String,
    desc: MessageDescriptor,
    limits: Limits,
    line: u64,
    buf: Vec<u8>,
    out: Vec<u8>,
}

impl<R: BufRead> JsonlReader<R> {
    /// Reads records of type `desc`; `name` is the file's name in errors.
    pub fn new(reader: R, name: &str, desc: &MessageDescriptor, options: &Options) -> Self {
        Self {
            reader,
            name: name.to_owned(),
            desc: desc.clone(),
            limits: options.limits.clone(),
            line: 0,
            buf: Vec::new(),
            out: Vec::new(),
        }
    }

    fn parse(&mut self) -> Result<()> {
        let place = |column: usize| format!("{}:{}:{column}", self.name, self.line);
        let line = without_end(&self.buf);
        let text = std::str::from_utf8(line).map_err(|error| {
            let column = String::from_utf8_lossy(&line[..error.valid_up_to()]).chars().count() + 1;
            fault(code::RECORD_VALUE, place(column), "invalid UTF-8")
        })?;
        let message = json::parse(&self.desc, text, &self.limits).map_err(|bad| match bad.reason {
            Reason::TooManyValues => too_many_values(place(bad.column), &self.limits),
            Reason::Value(reason) if bad.path.is_empty() => fault(code::RECORD_VALUE, place(bad.column), reason),
            Reason::Value(reason) => {
                fault(code::RECORD_VALUE, place(bad.column), format_args!("field {:?}: {reason}", bad.path))
            }
        })?;
        self.out.clear();
        wire::encode_parsed(&message, &mut self.out).map_err(|missing| fault(code::RECORD_VALUE, place(1), missing))?;
        if self.out.len() as u64 > self.limits.record_bytes {
            return Err(too_long(place(1), "encoded record", &self.limits));
        }
        Ok(())
    }
}

impl<R: BufRead> RecordSource for JsonlReader<R> {
    fn next_record(&mut self) -> Result<Option<&[u8]>> {
        loop {
            self.buf.clear();
            let read = read_line(&mut self.reader, &mut self.buf, self.limits.record_bytes)
                .map_err(|error| unreadable(&self.name, error))?;
            self.line += 1;
            match read {
                Line::End => return Ok(None),
                Line::TooLong => {
                    return Err(too_long(format_args!("{}:{}", self.name, self.line), "line", &self.limits));
                }
                Line::Whole => {}
            }
            if self.line == 1 {
                strip_bom(&mut self.buf);
            }
            if !self.buf.iter().all(u8::is_ascii_whitespace) {
                self.parse()?;
                return Ok(Some(&self.out));
            }
        }
    }
}
