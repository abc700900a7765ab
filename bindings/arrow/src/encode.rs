//! Rows as wire bytes, straight from the arrays: arrays are bound to the fields they fill once for each batch, and rows
//! are written one after another, without a message in between.

mod bind;
pub(crate) mod value;

use arrow_array::RecordBatch;
use arrow_buffer::NullBuffer;
use rosettar::error::{Error, Result, code};

use self::value::Scalar;
use crate::table::shape::Column;

/// The rows of a batch.
pub(crate) struct Rows<'a>(Vec<Bound<'a>>);

impl<'a> Rows<'a> {
    pub fn bind(columns: &[Column], batch: &'a RecordBatch) -> Result<Self> {
        bind::columns(columns, batch.columns(), "").map(Self)
    }

    /// Appends the record of `row`.
    pub fn put(&self, row: usize, out: &mut Vec<u8>) -> Result<()> {
        self.0.iter().try_for_each(|column| column.put(row, out))
    }
}

/// A field of a message, and the array that fills it.
pub(crate) struct Bound<'a> {
    tag: Tag,
    nulls: Option<NullBuffer>,
    nullable: bool,
    /// Whether a default is left out.
    implicit: bool,
    path: String,
    source: Source<'a>,
}

/// The encoded tag of a field.
#[derive(Clone, Copy)]
struct Tag {
    bytes: [u8; 5],
    len: u8,
}

impl Tag {
    fn new(number: u32, wire_type: u8) -> Self {
        let mut value = number << 3 | u32::from(wire_type);
        let mut tag = Self { bytes: [0; 5], len: 0 };
        loop {
            let more = if value > 0x7f { 0x80 } else { 0 };
            tag.bytes[usize::from(tag.len)] = value as u8 & 0x7f | more;
            tag.len += 1;
            value >>= 7;
            if value == 0 {
                return tag;
            }
        }
    }

    #[inline]
    fn put(&self, out: &mut Vec<u8>) {
        match self.len {
            1 => out.push(self.bytes[0]),
            len => out.extend_from_slice(&self.bytes[..usize::from(len)]),
        }
    }
}

const VARINT: u8 = 0;
const DELIMITED: u8 = 2;

/// What an array's elements become.
enum Source<'a> {
    Scalar(Scalar<'a>),
    /// Values of a dictionary or of runs: for each row the place of its value.
    Placed(Vec<u32>, Box<Source<'a>>),
    Struct(Vec<Bound<'a>>),
    Union(bind::Union<'a>),
    List(Box<Items<'a>>),
    Map(Box<Entries<'a>>),
    Boxed(Box<Bound<'a>>),
}

/// The elements of lists.
struct Items<'a> {
    ranges: bind::Ranges<'a>,
    wrapped: bool,
    packed: bool,
    tag: Tag,
    nulls_tag: Tag,
    nulls: Option<NullBuffer>,
    nullable: bool,
    path: String,
    source: Source<'a>,
}

/// The entries of maps.
struct Entries<'a> {
    ranges: bind::Ranges<'a>,
    wrapped: bool,
    natural: bool,
    tag: Tag,
    key: Bound<'a>,
    value: Bound<'a>,
}

impl Bound<'_> {
    /// Appends the field of `row`: nothing, the field, or where it is repeated, all of it.
    #[inline]
    fn put(&self, row: usize, out: &mut Vec<u8>) -> Result<()> {
        if self.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
            if self.nullable {
                return Ok(());
            }
            return Err(value_error(&self.path, "is null, but the column is declared to hold no nulls"));
        }
        self.source.put(row, &self.tag, self.implicit, out).map_err(|fault| self.at(fault))
    }

    #[cold]
    fn at(&self, fault: Fault) -> Error {
        match fault {
            Fault::Here(message) => value_error(&self.path, message),
            Fault::Inside(error) => error,
        }
    }
}

/// Why a value cannot be encoded.
enum Fault {
    /// It is the value of the column itself.
    Here(String),
    /// It is in a column within this one.
    Inside(Error),
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Inside(error)
    }
}

#[cold]
fn value_error(path: &str, message: impl std::fmt::Display) -> Error {
    Error::new(code::RECORD_VALUE, format!("the value of column {path:?} {message}"))
}

impl Source<'_> {
    fn put(&self, row: usize, tag: &Tag, implicit: bool, out: &mut Vec<u8>) -> Result<(), Fault> {
        match self {
            Source::Scalar(scalar) if matches!(scalar, Scalar::Null) || (implicit && scalar.is_default(row)) => {
                return Ok(());
            }
            Source::Placed(places, source) => return source.put(places[row] as usize, tag, implicit, out),
            Source::List(list) if !list.wrapped => return list.put(row, tag, out),
            Source::Map(map) if !map.wrapped => return map.put(row, tag, out),
            _ => {}
        }
        tag.put(out);
        self.put_value(row, out)
    }

    /// Appends what follows the tag.
    fn put_value(&self, row: usize, out: &mut Vec<u8>) -> Result<(), Fault> {
        match self {
            Source::Scalar(scalar) => scalar.put(row, out).map_err(Fault::Here),
            Source::Placed(places, source) => source.put_value(places[row] as usize, out),
            Source::Struct(fields) => {
                delimited(out, |out| fields.iter().try_for_each(|field| field.put(row, out)).map_err(Fault::from))
            }
            Source::Union(union) => delimited(out, |out| union.put(row, out)),
            Source::List(list) => delimited(out, |out| {
                list.put(row, &list.tag, out)?;
                list.put_nulls(row, out);
                Ok(())
            }),
            Source::Map(map) => delimited(out, |out| map.put(row, &map.tag, out)),
            Source::Boxed(field) => delimited(out, |out| field.put(row, out).map_err(Fault::from)),
        }
    }

    /// Appends what stands in the place of a null element: a default.
    fn put_default(&self, out: &mut Vec<u8>) {
        match self {
            Source::Scalar(scalar) => scalar.put_default(out),
            Source::Placed(_, source) => source.put_default(out),
            _ => out.push(0),
        }
    }
}

impl Items<'_> {
    fn put(&self, row: usize, tag: &Tag, out: &mut Vec<u8>) -> Result<(), Fault> {
        let range = self.ranges.of(row);
        if range.is_empty() {
            return Ok(());
        }
        if self.packed {
            tag.put(out);
            return delimited(out, |out| range.into_iter().try_for_each(|item| self.put_item(item, out)));
        }
        range.into_iter().try_for_each(|item| {
            tag.put(out);
            self.put_item(item, out)
        })
    }

    fn put_item(&self, item: usize, out: &mut Vec<u8>) -> Result<(), Fault> {
        if self.is_null(item) {
            if !self.nullable {
                let message = "is null, but the list's elements are declared to be no nulls";
                return Err(Fault::Inside(value_error(&self.path, message)));
            }
            self.source.put_default(out);
            return Ok(());
        }
        self.source.put_value(item, out).map_err(|fault| match fault {
            Fault::Here(message) => Fault::Inside(value_error(&self.path, message)),
            inside => inside,
        })
    }

    fn is_null(&self, item: usize) -> bool {
        self.nulls.as_ref().is_some_and(|nulls| nulls.is_null(item))
    }

    fn put_nulls(&self, row: usize, out: &mut Vec<u8>) {
        let range = self.ranges.of(row);
        if self.nulls.is_none() || !range.clone().any(|item| self.is_null(item)) {
            return;
        }
        self.nulls_tag.put(out);
        let _ = delimited(out, |out| {
            for (place, item) in range.enumerate() {
                if self.is_null(item) {
                    put_varint(place as u64, out);
                }
            }
            Ok::<_, Fault>(())
        });
    }
}

impl Entries<'_> {
    fn put(&self, row: usize, tag: &Tag, out: &mut Vec<u8>) -> Result<(), Fault> {
        let range = self.ranges.of(row);
        if self.natural {
            self.check_keys(range.clone())?;
        }
        for entry in range {
            tag.put(out);
            delimited(out, |out| {
                self.key.put(entry, out)?;
                self.value.put(entry, out).map_err(Fault::from)
            })?;
        }
        Ok(())
    }

    /// Of two entries with the same key a protobuf map keeps one.
    fn check_keys(&self, range: std::ops::Range<usize>) -> Result<(), Fault> {
        if range.len() < 2 {
            return Ok(());
        }
        let mut bytes = Vec::new();
        let mut ends = Vec::with_capacity(range.len());
        for entry in range {
            let start = bytes.len();
            self.key.put(entry, &mut bytes)?;
            ends.push(start..bytes.len());
        }
        ends.sort_unstable_by(|a, b| bytes[a.clone()].cmp(&bytes[b.clone()]));
        match ends.windows(2).any(|pair| bytes[pair[0].clone()] == bytes[pair[1].clone()]) {
            false => Ok(()),
            true => {
                let advice = "make keys unique, or give the column as a list of structs";
                Err(Fault::Here(format!("has one of its keys twice, which a map in a record cannot; {advice}")))
            }
        }
    }
}

/// Appends what `put` appends, after its length.
#[inline]
fn delimited<E>(out: &mut Vec<u8>, put: impl FnOnce(&mut Vec<u8>) -> Result<(), E>) -> Result<(), E> {
    let start = out.len();
    // Most lengths take one byte; where one takes more, what came after moves.
    out.push(0);
    put(out)?;
    let len = out.len() - start - 1;
    if len < 0x80 {
        out[start] = len as u8;
        return Ok(());
    }
    let mut length = Vec::with_capacity(10);
    put_varint(len as u64, &mut length);
    out.splice(start..=start, length);
    Ok(())
}

#[inline]
pub(crate) fn put_varint(mut value: u64, out: &mut Vec<u8>) {
    while value > 0x7f {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}
