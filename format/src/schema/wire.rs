//! The protobuf wire format, read from a slice without interpreting or copying anything.

use thiserror::Error;

/// How many groups or messages may stand inside one another: prost's own limit, so nothing that passes here fails there.
pub(crate) const MAX_DEPTH: usize = 100;

/// Why bytes are not a protobuf message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum Fault {
    #[error("the message ends in the middle of a field")]
    Truncated,
    #[error("a varint of more than 64 bits")]
    Varint,
    #[error("a field key that is no field number from 1 to 536870911 and wire type from 0 to 5")]
    Key,
    #[error("the end of a group that was not begun")]
    EndGroup,
    #[error("groups nested more than {MAX_DEPTH} deep")]
    Depth,
}

/// How a field is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WireType {
    Varint,
    Fixed64,
    Bytes,
    StartGroup,
    EndGroup,
    Fixed32,
}

impl std::fmt::Display for WireType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Varint => "a varint",
            Self::Fixed64 => "eight bytes",
            Self::Bytes => "length-delimited",
            Self::StartGroup => "a group",
            Self::EndGroup => "the end of a group",
            Self::Fixed32 => "four bytes",
        })
    }
}

/// The value of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Raw<'a> {
    Varint(u64),
    Bytes(&'a [u8]),
    /// Four or eight bytes, or a group: skipped.
    Other,
}

/// One field of a message: its number, its value, and all of its bytes, key included.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field<'a> {
    pub number: u32,
    pub value: Raw<'a>,
    pub whole: &'a [u8],
}

/// Takes a varint from the front of `bytes`; non-minimal ones are accepted, as every protobuf library does inside a
/// message.
pub(crate) fn varint(bytes: &mut &[u8]) -> Result<u64, Fault> {
    let mut value = 0;
    for (i, &byte) in bytes.iter().enumerate() {
        if i == 9 && byte > 1 {
            return Err(Fault::Varint);
        }
        value |= u64::from(byte & 0x7f) << (7 * i);
        if byte < 0x80 {
            *bytes = &bytes[i + 1..];
            return Ok(value);
        }
    }
    Err(Fault::Truncated)
}

/// Takes a field key from the front of `bytes`.
pub(crate) fn key(bytes: &mut &[u8]) -> Result<(u32, WireType), Fault> {
    let key = u32::try_from(varint(bytes)?).map_err(|_| Fault::Key)?;
    let wire_type = match key & 7 {
        0 => WireType::Varint,
        1 => WireType::Fixed64,
        2 => WireType::Bytes,
        3 => WireType::StartGroup,
        4 => WireType::EndGroup,
        5 => WireType::Fixed32,
        _ => return Err(Fault::Key),
    };
    if key >> 3 == 0 {
        return Err(Fault::Key);
    }
    Ok((key >> 3, wire_type))
}

/// Takes `count` bytes from the front of `bytes`.
pub(crate) fn take<'a>(bytes: &mut &'a [u8], count: u64) -> Result<&'a [u8], Fault> {
    let count = usize::try_from(count).map_err(|_| Fault::Truncated)?;
    let (taken, rest) = bytes.split_at_checked(count).ok_or(Fault::Truncated)?;
    *bytes = rest;
    Ok(taken)
}

/// The fields of one message, in the order of the bytes; ends after the first fault.
pub(crate) struct Fields<'a> {
    rest: &'a [u8],
}

/// The fields of the message `bytes`.
pub(crate) fn fields(bytes: &[u8]) -> Fields<'_> {
    Fields { rest: bytes }
}

impl<'a> Fields<'a> {
    fn read(&mut self) -> Result<Field<'a>, Fault> {
        let start = self.rest;
        let (number, wire_type) = key(&mut self.rest)?;
        let value = match wire_type {
            WireType::Varint => Raw::Varint(varint(&mut self.rest)?),
            WireType::Bytes => {
                let length = varint(&mut self.rest)?;
                Raw::Bytes(take(&mut self.rest, length)?)
            }
            other => {
                self.skip(number, other)?;
                Raw::Other
            }
        };
        Ok(Field { number, value, whole: &start[..start.len() - self.rest.len()] })
    }

    /// Skips a fixed-size value or a whole group, with a stack of its own: the depth of hostile groups never becomes
    /// the depth of the call stack.
    fn skip(&mut self, number: u32, wire_type: WireType) -> Result<(), Fault> {
        let mut open = Vec::new();
        let (mut number, mut wire_type) = (number, wire_type);
        loop {
            match wire_type {
                WireType::Varint => drop(varint(&mut self.rest)?),
                WireType::Fixed64 => drop(take(&mut self.rest, 8)?),
                WireType::Fixed32 => drop(take(&mut self.rest, 4)?),
                WireType::Bytes => {
                    let length = varint(&mut self.rest)?;
                    take(&mut self.rest, length)?;
                }
                WireType::StartGroup if open.len() == MAX_DEPTH => return Err(Fault::Depth),
                WireType::StartGroup => open.push(number),
                WireType::EndGroup if open.pop() != Some(number) => return Err(Fault::EndGroup),
                WireType::EndGroup => {}
            }
            if open.is_empty() {
                return Ok(());
            }
            (number, wire_type) = key(&mut self.rest)?;
        }
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<Field<'a>, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let field = self.read();
        if field.is_err() {
            self.rest = &[];
        }
        Some(field)
    }
}

/// Appends the varint of `value`.
pub(crate) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends a length-delimited field.
pub(crate) fn put_bytes(out: &mut Vec<u8>, number: u32, bytes: &[u8]) {
    put_varint(out, u64::from(number) << 3 | 2);
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varints() {
        for value in [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX] {
            let mut bytes = Vec::new();
            put_varint(&mut bytes, value);
            let mut rest = &bytes[..];
            assert_eq!(varint(&mut rest), Ok(value));
            assert!(rest.is_empty());
            assert_eq!(varint(&mut &bytes[..bytes.len() - 1]), Err(Fault::Truncated));
        }
        assert_eq!(varint(&mut &[0xff; 11][..]), Err(Fault::Varint));
        assert_eq!(varint(&mut &[0x80, 0x00][..]), Ok(0));
    }

    #[test]
    fn groups_are_skipped_whole_and_without_recursion() {
        let group = [0x0b, 0x13, 0x08, 0x01, 0x14, 0x0c, 0x10, 0x05];
        let read: Vec<_> = fields(&group).collect::<Result<_, _>>().unwrap();
        assert_eq!(read.len(), 2);
        assert_eq!(read[0].whole, &group[..6]);
        assert_eq!(read[1].value, Raw::Varint(5));
        let deep = vec![0x0b; 50_000];
        assert_eq!(fields(&deep).next().unwrap().unwrap_err(), Fault::Depth);
        assert_eq!(fields(&[0x0b, 0x14]).next().unwrap().unwrap_err(), Fault::EndGroup);
        assert_eq!(fields(&[0x0c]).next().unwrap().unwrap_err(), Fault::EndGroup);
        assert_eq!(fields(&[0x0b]).next().unwrap().unwrap_err(), Fault::Truncated);
        assert_eq!(fields(&[0x0f]).next().unwrap().unwrap_err(), Fault::Key);
        assert_eq!(fields(&[0x00]).next().unwrap().unwrap_err(), Fault::Key);
    }
}
