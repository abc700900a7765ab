//! CSV, typed by a message.
//!
//! The first row names the columns. A column is a field's name, the proto name or the JSON name, or a path such as
//! `inner.n` through messages that are not repeated. Columns may come in any order and any may be missing; one that the
//! message does not have, or that stands twice, is refused.
//!
//! | type | cell |
//! |---|---|
//! | integers | decimal digits, `-5`, `+5`; not `1.0`, not `1e3`; exactly range-checked |
//! | `float`, `double` | `1.5`, `-2e9`, `NaN`, `Infinity`, `-Infinity`, `inf`; a number beyond the range is refused |
//! | `bool` | `true`, `false` in any case, `1`, `0` |
//! | enum | a value's name or number; a proto2 enum takes only numbers that it names |
//! | `string` | as it is |
//! | `bytes` | base64, of the standard or the URL-safe alphabet, padded or not |
//! | `google.protobuf.Timestamp` | RFC 3339: `2013-01-01T05:00:00Z`, `2013-01-01 00:00:00.5-05:00` |
//! | `google.protobuf.Duration` | seconds: `1.5s` |
//! | wrappers such as `google.protobuf.Int64Value` | as the value in them |
//! | `google.protobuf.FieldMask` | `a,b.c`, names in lowerCamelCase |
//! | repeated fields, maps, other messages | JSON text: `[1,2]`, `{"a":1}` |
//!
//! An empty cell leaves the field unset, and so does one equal to the null text of [`Options`], whether
//! quoted or not. So `optional string` cannot be set to the empty string by CSV. A message in a path is present when one
//! of its columns is. A field without presence that is given its default value is, as always in proto3, not written.
//!
//! The dialect is RFC 4180 in UTF-8: commas, `"` around cells with commas, quotes or line ends, `""` for a quote in them,
//! `\n` or `\r\n`; a byte order mark is passed over. A quote elsewhere, a row of another length than the header and blank
//! lines before the last row are refused: each is a sign that the file is not what it seems.

pub(super) mod cell;

mod plan;
mod rows;

use std::io::BufRead;

use prost_reflect::MessageDescriptor;
use rosettar::error::code;
use rosettar::{Error, Limits, Result};

use super::{Options, RecordSource, fault, shown, too_long, too_many_values};
use plan::{Plan, Refused};
use rows::Rows;

/// Records from CSV; the [module](self) says what is accepted.
#[derive(Debug)]
pub struct CsvReader<R> {
    rows: Rows<R>,
    plan: Plan,
    names: Vec<String>,
    limits: Limits,
    null: Option<String>,
    out: Vec<u8>,
}

impl<R: BufRead> CsvReader<R> {
    /// Reads the header; `name` is the file's name in errors.
    ///
    /// # Errors
    /// `record.value` when there is no header, or one that does not fit `desc`; `limit.record-bytes`; `io.read`.
    pub fn new(reader: R, name: &str, desc: &MessageDescriptor, options: &Options) -> Result<Self> {
        let mut rows = Rows::new(reader, name, options.limits.clone());
        if !rows.next(None)? {
            return Err(fault(
                code::RECORD_VALUE,
                name,
                "expected a header row with the names of the columns, found nothing",
            ));
        }
        let names: Vec<String> = rows.cells().map(str::to_owned).collect();
        let plan = Plan::new(desc, &names).map_err(|what| fault(code::RECORD_VALUE, rows.place(), what))?;
        let (limits, null) = (options.limits.clone(), options.null.clone());
        Ok(Self { rows, plan, names, limits, null, out: Vec::new() })
    }
}

impl<R: BufRead> RecordSource for CsvReader<R> {
    fn next_record(&mut self) -> Result<Option<&[u8]>> {
        if !self.rows.next(Some(&self.names))? {
            return Ok(None);
        }
        self.out.clear();
        if let Err(refused) = self.plan.encode(&self.rows, self.null.as_deref(), &self.limits, &mut self.out) {
            return Err(self.refused(refused));
        }
        if self.out.len() as u64 > self.limits.record_bytes {
            return Err(too_long(self.rows.place(), "encoded record", &self.limits));
        }
        Ok(Some(&self.out))
    }
}

impl<R: BufRead> CsvReader<R> {
    fn refused(&self, refused: Refused) -> Error {
        let place = self.rows.place();
        match refused {
            Refused::Cell { column, expected, because } => {
                let because = because.map(|why| format!(" ({why})")).unwrap_or_default();
                let (name, found) = (&self.names[column], shown(self.rows.cell(column)));
                fault(
                    code::RECORD_VALUE,
                    place,
                    format_args!("column {name:?}: expected {expected}, found {found}{because}"),
                )
            }
            Refused::TooManyValues => too_many_values(place, &self.limits),
            Refused::Row(what) => fault(code::RECORD_VALUE, place, what),
        }
    }
}

#[cfg(test)]
mod tests;
