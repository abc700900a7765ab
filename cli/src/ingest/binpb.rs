//! Length-delimited protobuf.

use std::io::{BufRead, Read as _};

use prost_reflect::MessageDescriptor;
use rosettar::error::code;
use rosettar::{Error, Limits, Result, record};

use super::{Options, RecordSource, fault, too_long, too_many_values, unreadable};

/// Records from length-delimited protobuf: each message after its length as a varint, as `writeDelimitedTo` and its like
/// write them. Every message is checked to be one of its type, and handed on unaltered, unknown fields
/// included. Records are numbered from 0 in errors, and the offset is that of the record's length.
#[derive(Debug)]
pub struct BinpbReader<R> {
    reader: R,
    name: String,
    desc: MessageDescriptor,
    limits: Limits,
    record: u64,
    offset: u64,
    buf: Vec<u8>,
}

impl<R: BufRead> BinpbReader<R> {
    /// Reads records of type `desc`; `name` is the file's name in errors.
    pub fn new(reader: R, name: &str, desc: &MessageDescriptor, options: &Options) -> Self {
        Self {
            reader,
            name: name.to_owned(),
            desc: desc.clone(),
            limits: options.limits.clone(),
            record: 0,
            offset: 0,
            buf: Vec::new(),
        }
    }

    fn place(&self) -> String {
        format!("{}: record {} at byte {}", self.name, self.record, self.offset)
    }

    fn framing(&self, what: &str) -> Error {
        fault(code::RECORD_FRAMING, self.place(), what)
    }

    /// The next record's length and how many bytes state it; `None` at the end.
    fn length(&mut self) -> Result<Option<(u64, u64)>> {
        let (mut length, mut taken) = (0_u64, 0);
        loop {
            let mut byte = [0];
            match self.reader.read_exact(&mut byte) {
                Ok(()) => {}
                Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof && taken == 0 => return Ok(None),
                Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                    return Err(self.framing("the file ends within the length"));
                }
                Err(error) => return Err(unreadable(&self.name, error)),
            }
            if taken == 9 && byte[0] > 1 {
                return Err(self.framing("the length is not a varint"));
            }
            length |= u64::from(byte[0] & 0x7f) << (7 * taken);
            taken += 1;
            if byte[0] < 0x80 {
                return Ok(Some((length, taken)));
            }
        }
    }
}

impl<R: BufRead> RecordSource for BinpbReader<R> {
    fn next_record(&mut self) -> Result<Option<&[u8]>> {
        let Some((length, head)) = self.length()? else { return Ok(None) };
        if length > self.limits.record_bytes {
            return Err(too_long(self.place(), "record", &self.limits));
        }
        self.buf.clear();
        let read = self.reader.by_ref().take(length).read_to_end(&mut self.buf);
        let read = read.map_err(|error| unreadable(&self.name, error))? as u64;
        if read < length {
            let what = format!("the length is {length} bytes, but the file ends after {read}");
            return Err(self.framing(&what));
        }
        record::check(&self.desc, &self.buf, &self.limits).map_err(|error| match error.code() {
            "limit.record-values" => too_many_values(self.place(), &self.limits),
            _ => fault(code::RECORD_VALUE, self.place(), error.message()),
        })?;
        self.record += 1;
        self.offset += head + length;
        Ok(Some(&self.buf))
    }
}
