//! The protobuf wire format, read at a position of a slice.

use crate::fault::Fault;

/// How many groups or messages may stand inside one another: what protobuf libraries accept.
pub(crate) const MAX_DEPTH: usize = 100;

pub(crate) const VARINT: u32 = 0;
pub(crate) const FIXED64: u32 = 1;
pub(crate) const BYTES: u32 = 2;
pub(crate) const GROUP: u32 = 3;
pub(crate) const END_GROUP: u32 = 4;
pub(crate) const FIXED32: u32 = 5;

/// A slice and a position in it; nothing is read at or past `end`.
#[derive(Clone, Copy)]
pub(crate) struct Cursor<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) at: usize,
}

impl<'a> Cursor<'a> {
    /// Whether the end was reached.
    #[inline(always)]
    pub(crate) fn is_empty(&self) -> bool {
        self.at >= self.bytes.len()
    }

    /// A varint of at most 64 bits; non-minimal ones are accepted, as every protobuf library does inside a message.
    #[inline(always)]
    pub(crate) fn varint(&mut self) -> Result<u64, Fault> {
        match self.bytes.get(self.at..) {
            Some(&[byte, ..]) if byte < 0x80 => {
                self.at += 1;
                Ok(u64::from(byte))
            }
            Some(&[low, high, ..]) if high < 0x80 => {
                self.at += 2;
                Ok(u64::from(low & 0x7f) | u64::from(high) << 7)
            }
            _ => self.long_varint(),
        }
    }

    #[inline]
    fn long_varint(&mut self) -> Result<u64, Fault> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let mut value = 0u64;
        for (i, &byte) in rest.iter().enumerate().take(10) {
            if i == 9 && byte > 1 {
                return Err(Fault::new("a varint of more than 64 bits"));
            }
            value |= u64::from(byte & 0x7f) << (7 * i);
            if byte < 0x80 {
                self.at += i + 1;
                return Ok(value);
            }
        }
        Err(Fault::truncated())
    }

    /// A field's key: number and wire type in one, as on the wire.
    #[inline(always)]
    pub(crate) fn key(&mut self) -> Result<u32, Fault> {
        let key = self.varint()?;
        if key >> 32 != 0 || key >> 3 == 0 || key & 7 > 5 {
            return Err(Fault::new(
                "a field key that is no field number from 1 to 536870911 and wire type from 0 to 5",
            ));
        }
        Ok(key as u32)
    }

    #[inline(always)]
    pub(crate) fn fixed32(&mut self) -> Result<[u8; 4], Fault> {
        let found = self.bytes.get(self.at..).and_then(|rest| rest.first_chunk()).ok_or_else(Fault::truncated)?;
        self.at += 4;
        Ok(*found)
    }

    #[inline(always)]
    pub(crate) fn fixed64(&mut self) -> Result<[u8; 8], Fault> {
        let found = self.bytes.get(self.at..).and_then(|rest| rest.first_chunk()).ok_or_else(Fault::truncated)?;
        self.at += 8;
        Ok(*found)
    }

    /// The place and end of a length-delimited value, which is passed over.
    #[inline(always)]
    pub(crate) fn delimited(&mut self) -> Result<(usize, usize), Fault> {
        let length = self.varint()?;
        let left = (self.bytes.len() - self.at) as u64;
        if length > left {
            return Err(Fault::new(format!("expected {length} bytes, found {left}")));
        }
        let start = self.at;
        self.at += length as usize;
        Ok((start, self.at))
    }

    /// Passes over a value whose key was read. `depth` is how deep the field's message is.
    #[inline(always)]
    pub(crate) fn pass(&mut self, key: u32, depth: usize) -> Result<(), Fault> {
        match key & 7 {
            VARINT => self.pass_varint(),
            BYTES => self.delimited().map(drop),
            _ => self.skip(key, depth).map(drop),
        }
    }

    /// Passes over a varint. How long it is nobody foresees, so that a branch on it would be taken wrongly half the time.
    #[inline(always)]
    fn pass_varint(&mut self) -> Result<(), Fault> {
        if let Some(word) = self.bytes.get(self.at..).and_then(|rest| rest.first_chunk()) {
            let last_bytes = !u64::from_le_bytes(*word) & 0x8080_8080_8080_8080;
            if last_bytes != 0 {
                self.at += last_bytes.trailing_zeros() as usize / 8 + 1;
                return Ok(());
            }
        }
        self.varint().map(drop)
    }

    /// As [`pass`](Self::pass), with a stack of its own: the depth of hostile groups never becomes the
    /// depth of the call stack. Returns where the value of a group ends.
    pub(crate) fn skip(&mut self, key: u32, depth: usize) -> Result<usize, Fault> {
        let mut open: Vec<u32> = Vec::new();
        let (mut key, mut key_at) = (key, self.at);
        loop {
            let number = key >> 3;
            match key & 7 {
                VARINT => drop(self.varint()?),
                FIXED64 => drop(self.fixed64()?),
                FIXED32 => drop(self.fixed32()?),
                BYTES => drop(self.delimited()?),
                GROUP if open.len() + depth >= MAX_DEPTH => return Err(too_deep()),
                GROUP => open.push(number),
                _ if open.pop() != Some(number) => return Err(Fault::new("the end of a group that was not begun")),
                _ => {}
            }
            if open.is_empty() {
                return Ok(key_at);
            }
            if self.is_empty() {
                return Err(Fault::truncated());
            }
            key_at = self.at;
            key = self.key()?;
        }
    }
}

pub(crate) fn too_deep() -> Fault {
    Fault::new(format!("messages nested more than {MAX_DEPTH} deep"))
}

/// What a wire type is called in messages.
pub(crate) fn name(wire_type: u32) -> &'static str {
    match wire_type & 7 {
        VARINT => "a varint",
        FIXED64 => "eight bytes",
        BYTES => "length-delimited",
        GROUP => "a group",
        END_GROUP => "the end of a group",
        _ => "four bytes",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cursor(bytes: &[u8]) -> Cursor<'_> {
        Cursor { bytes, at: 0 }
    }

    #[test]
    fn varints_of_every_length() {
        for shift in 0..64 {
            for value in [1u64 << shift, (1u64 << shift) - 1, u64::MAX >> shift] {
                let mut bytes = Vec::new();
                let mut rest = value;
                while rest >= 0x80 {
                    bytes.push(rest as u8 | 0x80);
                    rest >>= 7;
                }
                bytes.push(rest as u8);
                let mut at = cursor(&bytes);
                assert_eq!(at.varint().unwrap(), value);
                assert!(at.is_empty());
                // Alone and with something behind it, whatever that is.
                for behind in [&[][..], &[0; 9], &[0xff; 9]] {
                    let longer = [&bytes[..], behind].concat();
                    let mut at = cursor(&longer);
                    at.pass(1 << 3 | VARINT, 0).unwrap();
                    assert_eq!(at.at, bytes.len());
                }
                assert!(cursor(&bytes[..bytes.len() - 1]).varint().is_err());
            }
        }
        assert_eq!(cursor(&[0x80, 0]).varint().unwrap(), 0);
        assert!(cursor(&[0xff; 11]).varint().is_err());
        assert!(cursor(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2]).varint().is_err());
    }

    #[test]
    fn hostile_lengths_and_groups() {
        assert!(cursor(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 0]).delimited().is_err());
        let deep = vec![0x0b; 50_000];
        let mut at = cursor(&deep);
        let key = at.key().unwrap();
        assert!(at.skip(key, 0).unwrap_err().to_string().contains("nested"));
        for bad in [&[0x0b, 0x14][..], &[0x0c], &[0x0b]] {
            let mut at = cursor(bad);
            let key = at.key().unwrap();
            assert!(at.skip(key, 0).is_err(), "{bad:?}");
        }
    }
}
