//! Records in a batch: each after its length as a minimal varint (FORMAT.md, "Records").
//!
//! It is the framing that every protobuf library reads as "delimited". A length that more bytes than needed state is
//! refused, so that equal records are equal bytes.

use std::io::Read;

use crate::error::{Error, Result, code};
use crate::limits::Limits;

/// Appends `record` to `batch`, after its length.
///
/// ```
/// let mut batch = Vec::new();
/// rosettar::record::put_record(&mut batch, b"abc");
/// assert_eq!(batch, b"\x03abc");
/// ```
pub fn put_record(batch: &mut Vec<u8>, record: &[u8]) {
    put_length(batch, record.len() as u64);
    batch.extend_from_slice(record);
}

/// Appends the length that goes before a record.
pub(crate) fn put_length(batch: &mut Vec<u8>, mut length: u64) {
    while length >= 0x80 {
        batch.push(length as u8 | 0x80);
        length >>= 7;
    }
    batch.push(length as u8);
}

/// The records of a whole batch, without copying; ends after the first error.
///
/// ```
/// let limits = rosettar::Limits::default();
/// let all: Vec<_> = rosettar::record::records(b"\x01a\x00\x02bc", &limits).collect::<Result<_, _>>()?;
/// assert_eq!(all, [&b"a"[..], b"", b"bc"]);
/// # Ok::<(), rosettar::Error>(())
/// ```
pub fn records<'a>(batch: &'a [u8], limits: &Limits) -> Records<'a> {
    Records { splitter: Splitter::new(limits), rest: batch }
}

/// The iterator that [`records`] returns.
#[derive(Debug)]
pub struct Records<'a> {
    splitter: Splitter,
    rest: &'a [u8],
}

impl<'a> Records<'a> {
    /// How many records were returned so far.
    pub fn count_so_far(&self) -> u64 {
        self.splitter.records()
    }

    fn read(&mut self) -> Result<Option<&'a [u8]>> {
        let length = match self.splitter.length(&mut self.rest)? {
            Some(length) => length,
            None => return self.splitter.finish().map(|()| None),
        };
        match self.rest.split_at_checked(length) {
            Some((record, rest)) => {
                self.rest = rest;
                self.splitter.end_record(length);
                Ok(Some(record))
            }
            None => Err(self.splitter.truncated()),
        }
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<&'a [u8]>;

    fn next(&mut self) -> Option<Self::Item> {
        let record = self.read().transpose();
        if !matches!(record, Some(Ok(_))) {
            (self.rest, self.splitter.state) = (&[], State::Length { value: 0, bytes: 0 });
        }
        record
    }
}

/// Where a whole record is.
#[derive(Clone, Copy, Debug)]
enum Place {
    /// In the chunk: that many bytes, up to the first one not consumed.
    Chunk(usize),
    /// Among what was kept of earlier chunks.
    Partial,
}

/// Splits a batch that arrives in chunks into records. A record that lies within one chunk is not copied; of one that
/// spans chunks, no more is held than has arrived.
///
/// ```
/// let mut splitter = rosettar::record::Splitter::new(&rosettar::Limits::default());
/// let mut found = Vec::new();
/// for mut chunk in [&b"\x03ab"[..], b"c\x01d"] {
///     while let Some(record) = splitter.next_record(&mut chunk)? {
///         found.push(record.to_vec());
///     }
/// }
/// splitter.finish()?;
/// assert_eq!(found, [b"abc".to_vec(), b"d".to_vec()]);
/// # Ok::<(), rosettar::Error>(())
/// ```
#[derive(Debug)]
pub struct Splitter {
    limit: u64,
    state: State,
    /// What arrived of the current record in earlier chunks.
    partial: Vec<u8>,
    records: u64,
    /// Bytes consumed before the current record.
    offset: u64,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// Inside a length of which `bytes` bytes have come.
    Length { value: u64, bytes: u32 },
    /// Inside a record of which `left` of `length` bytes are to come.
    Record { length: usize, left: usize, skipping: bool },
}

impl Splitter {
    /// A splitter at the start of a batch. Of the limits, `record_bytes` counts.
    pub fn new(limits: &Limits) -> Self {
        let state = State::Length { value: 0, bytes: 0 };
        Self { limit: limits.record_bytes, state, partial: Vec::new(), records: 0, offset: 0 }
    }

    /// The next record, or `None` when `chunk` is used up and the next one is needed. Advances `chunk`.
    ///
    /// # Errors
    /// `record.framing` for a length that is no minimal varint of 64 bits, `limit.record-bytes` for a record longer than
    /// the limit. A splitter that has failed is of no further use.
    pub fn next_record<'s, 'c: 's>(&'s mut self, chunk: &mut &'c [u8]) -> Result<Option<&'s [u8]>> {
        let whole = *chunk;
        Ok(match self.step(chunk)? {
            None => None,
            Some(Place::Partial) => Some(&self.partial),
            Some(Place::Chunk(length)) => {
                let end = whole.len() - chunk.len();
                Some(&whole[end - length..end])
            }
        })
    }

    /// As [`next_record`](Self::next_record), but says only where the record is.
    fn step(&mut self, chunk: &mut &[u8]) -> Result<Option<Place>> {
        loop {
            let Some((length, left, skipping)) = self.enter(chunk, false)? else { return Ok(None) };
            let (now, rest) = chunk.split_at(left.min(chunk.len()));
            *chunk = rest;
            if skipping {
                self.advance(length, left - now.len(), true);
                if now.len() < left {
                    return Ok(None);
                }
                continue;
            }
            if now.len() == length {
                self.end_record(length);
                return Ok(Some(Place::Chunk(length)));
            }
            if left == length {
                self.partial.clear();
            }
            self.partial.extend_from_slice(now);
            self.advance(length, left - now.len(), false);
            return Ok((now.len() == left).then_some(Place::Partial));
        }
    }

    /// As [`next_record`](Self::next_record), but appends to `out` what comes of the record, and before its first byte
    /// what `begin` puts there for its length; `true` once all has come. Nothing else is kept of it.
    pub(crate) fn append_record(
        &mut self,
        chunk: &mut &[u8],
        out: &mut Vec<u8>,
        begin: impl Fn(&mut Vec<u8>, usize),
    ) -> Result<bool> {
        loop {
            let begins = matches!(self.state, State::Length { .. });
            let Some((length, left, skipping)) = self.enter(chunk, false)? else { return Ok(false) };
            if begins {
                begin(out, length);
            }
            let (now, rest) = chunk.split_at(left.min(chunk.len()));
            *chunk = rest;
            if !skipping {
                if out.capacity() - out.len() < now.len() {
                    // Never more than twice what has come, nor than the record takes.
                    out.reserve_exact(left.min(out.len().max(now.len())));
                }
                out.extend_from_slice(now);
            }
            self.advance(length, left - now.len(), skipping);
            if now.len() < left || !skipping {
                return Ok(now.len() == left);
            }
        }
    }

    /// Skips one record, or what is left of the current one, without keeping it. `false` when `chunk` is used up before
    /// the record ends; what is left of it is then skipped from the next chunk, by whichever call gets it.
    ///
    /// # Errors
    /// As [`next_record`](Self::next_record).
    pub fn skip_record(&mut self, chunk: &mut &[u8]) -> Result<bool> {
        let Some((length, left, _)) = self.enter(chunk, true)? else { return Ok(false) };
        let now = left.min(chunk.len());
        *chunk = &chunk[now..];
        self.advance(length, left - now, true);
        Ok(now == left)
    }

    /// States that the batch ends here.
    ///
    /// # Errors
    /// `record.framing` when it ends inside a record or its length.
    pub fn finish(&self) -> Result<()> {
        match self.state {
            State::Length { bytes: 0, .. } => Ok(()),
            _ => Err(self.truncated()),
        }
    }

    /// How many whole records were returned or skipped so far.
    pub fn records(&self) -> u64 {
        self.records
    }

    /// The offset in the batch, in bytes, at which the current or next record begins, its length included.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Reads the length where one is due. Returns the record's length, what is left of it, and whether it is skipped.
    fn enter(&mut self, chunk: &mut &[u8], skip: bool) -> Result<Option<(usize, usize, bool)>> {
        match self.state {
            State::Record { length, left, skipping } => Ok(Some((length, left, skipping || skip))),
            State::Length { .. } => {
                let Some(length) = self.length(chunk)? else { return Ok(None) };
                Ok(Some((length, length, skip)))
            }
        }
    }

    fn advance(&mut self, length: usize, left: usize, skipping: bool) {
        match left {
            0 => self.end_record(length),
            _ => self.state = State::Record { length, left, skipping },
        }
    }

    fn end_record(&mut self, length: usize) {
        let mut prefix = 1;
        while length >> (7 * prefix) > 0 {
            prefix += 1;
        }
        self.offset += (length + prefix) as u64;
        self.records += 1;
        self.state = State::Length { value: 0, bytes: 0 };
    }

    /// Reads a length; `None` where `chunk` ends inside it or before it.
    fn length(&mut self, chunk: &mut &[u8]) -> Result<Option<usize>> {
        let State::Length { mut value, mut bytes } = self.state else { return Ok(None) };
        while let [byte, rest @ ..] = *chunk {
            *chunk = rest;
            let fault = match byte {
                0 if bytes > 0 => "is stated in more bytes than it takes",
                2.. if bytes == 9 => "does not fit in 64 bits",
                _ => "",
            };
            if !fault.is_empty() {
                let message =
                    format!("the length of record {} {fault}, at byte {} of its batch", self.records, self.offset);
                return Err(Error::new(code::RECORD_FRAMING, message));
            }
            value |= u64::from(byte & 0x7f) << (7 * bytes);
            bytes += 1;
            if *byte >= 0x80 {
                continue;
            }
            if value > self.limit {
                return Err(Error::new(
                    code::LIMIT_RECORD_BYTES,
                    format!(
                        "record {} of {value} bytes exceeds the limit record-bytes of {}",
                        self.records, self.limit
                    ),
                ));
            }
            // On a 32-bit host a record above 4 GiB could not be held, whatever the limit.
            let length = usize::try_from(value).map_err(|_| self.truncated())?;
            self.state = State::Record { length, left: length, skipping: false };
            return Ok(Some(length));
        }
        self.state = State::Length { value, bytes };
        Ok(None)
    }

    fn truncated(&self) -> Error {
        Error::new(
            code::RECORD_FRAMING,
            format!("the batch ends inside record {}, which begins at byte {} of it", self.records, self.offset),
        )
    }
}

/// The records of a batch that is read from `R`.
///
/// ```
/// let mut reader = rosettar::record::RecordReader::new(&b"\x01a\x02bc"[..], &rosettar::Limits::default());
/// assert!(reader.skip_record()?);
/// assert_eq!(reader.next_record()?, Some(&b"bc"[..]));
/// assert_eq!(reader.next_record()?, None);
/// # Ok::<(), rosettar::Error>(())
/// ```
#[derive(Debug)]
pub struct RecordReader<R> {
    source: R,
    splitter: Splitter,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
}

/// What is read at once: enough that a call per read costs nothing beside the copying.
const BUFFER: usize = 64 << 10;

impl<R: Read> RecordReader<R> {
    /// A reader at the start of a batch.
    pub fn new(source: R, limits: &Limits) -> Self {
        let buffer = vec![0; BUFFER].into_boxed_slice();
        Self { source, splitter: Splitter::new(limits), buffer, start: 0, end: 0 }
    }

    /// The next record, or `None` at the end of the batch.
    ///
    /// # Errors
    /// `io.read`, or what the source itself reports as this crate's error; `record.framing`, `limit.record-bytes`.
    pub fn next_record(&mut self) -> Result<Option<&[u8]>> {
        let place = loop {
            if self.start == self.end && !self.fill()? {
                return self.splitter.finish().map(|()| None);
            }
            let mut chunk = &self.buffer[self.start..self.end];
            let place = self.splitter.step(&mut chunk)?;
            self.start = self.end - chunk.len();
            if let Some(place) = place {
                break place;
            }
        };
        Ok(Some(match place {
            Place::Chunk(length) => &self.buffer[self.start - length..self.start],
            Place::Partial => &self.splitter.partial,
        }))
    }

    /// Skips one record without keeping it; `false` at the end of the batch.
    ///
    /// # Errors
    /// As [`next_record`](Self::next_record).
    pub fn skip_record(&mut self) -> Result<bool> {
        loop {
            if self.start == self.end && !self.fill()? {
                return self.splitter.finish().map(|()| false);
            }
            let mut chunk = &self.buffer[self.start..self.end];
            let ended = self.splitter.skip_record(&mut chunk)?;
            self.start = self.end - chunk.len();
            if ended {
                return Ok(true);
            }
        }
    }

    /// How many whole records were returned or skipped so far.
    pub fn records(&self) -> u64 {
        self.splitter.records()
    }

    fn fill(&mut self) -> Result<bool> {
        loop {
            match self.source.read(&mut self.buffer) {
                Ok(count) => {
                    (self.start, self.end) = (0, count);
                    return Ok(count > 0);
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                // A source inside this crate wraps its own errors, and its code must reach the caller.
                Err(error) => {
                    return Err(error
                        .downcast::<Error>()
                        .unwrap_or_else(|e| Error::io(code::IO_READ, "reading records", e)));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(record_bytes: u64) -> Limits {
        Limits { record_bytes, ..Limits::default() }
    }

    fn whole(batch: &[u8], limits: &Limits) -> Result<Vec<Vec<u8>>> {
        records(batch, limits).map(|record| record.map(<[u8]>::to_vec)).collect()
    }

    fn chunked(batch: &[u8], size: usize, limits: &Limits) -> Result<Vec<Vec<u8>>> {
        let mut splitter = Splitter::new(limits);
        let mut found = Vec::new();
        for mut chunk in batch.chunks(size) {
            while let Some(record) = splitter.next_record(&mut chunk)? {
                found.push(record.to_vec());
            }
            assert!(chunk.is_empty());
        }
        splitter.finish()?;
        assert_eq!(splitter.records(), found.len() as u64);
        assert_eq!(splitter.offset(), batch.len() as u64);
        Ok(found)
    }

    /// A source that gives at most so many bytes at once.
    struct Slow<'a>(&'a [u8], usize);

    impl Read for Slow<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let count = self.1.min(buffer.len());
            self.0.read(&mut buffer[..count])
        }
    }

    fn read(batch: &[u8], size: usize, limits: &Limits) -> Result<Vec<Vec<u8>>> {
        let mut reader = RecordReader::new(Slow(batch, size), limits);
        let mut found = Vec::new();
        while let Some(record) = reader.next_record()? {
            found.push(record.to_vec());
        }
        Ok(found)
    }

    #[test]
    fn every_way_of_reading_agrees() {
        let expected: Vec<Vec<u8>> = [0, 1, 127, 128, 300, 0, 70_000, 2].iter().map(|&n| vec![n as u8; n]).collect();
        let mut batch = Vec::new();
        expected.iter().for_each(|record| put_record(&mut batch, record));
        let limits = Limits::default();
        assert_eq!(whole(&batch, &limits).unwrap(), expected);
        for size in [1, 2, 3, 127, 1000, 1 << 20] {
            assert_eq!(chunked(&batch, size, &limits).unwrap(), expected, "chunks of {size}");
            assert_eq!(read(&batch, size, &limits).unwrap(), expected, "reads of {size}");
            let mut reader = RecordReader::new(Slow(&batch, size), &limits);
            assert!(reader.skip_record().unwrap() && reader.skip_record().unwrap());
            assert_eq!(reader.next_record().unwrap().unwrap().len(), 127);
            for _ in 3..expected.len() {
                assert!(reader.skip_record().unwrap());
            }
            assert!(!reader.skip_record().unwrap() && reader.next_record().unwrap().is_none());
            assert_eq!(reader.records(), expected.len() as u64);
        }
    }

    #[test]
    fn skipping_begins_and_ends_anywhere() {
        let limits = Limits::default();
        let mut splitter = Splitter::new(&limits);
        assert_eq!(splitter.next_record(&mut &b"\x05ab"[..]).unwrap(), None);
        assert!(!splitter.skip_record(&mut &b"c"[..]).unwrap());
        // What is left of a record that is being skipped is not returned.
        assert_eq!(splitter.next_record(&mut &b"de\x01f"[..]).unwrap(), Some(&b"f"[..]));
        assert_eq!(splitter.records(), 2);
    }

    #[test]
    fn faults() {
        let cases: &[(&[u8], crate::error::Code)] = &[
            (b"\x80\x00", code::RECORD_FRAMING),
            (b"\x81\x00a", code::RECORD_FRAMING),
            (b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", code::RECORD_FRAMING),
            (b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x81\x00", code::RECORD_FRAMING),
            (b"\x80", code::RECORD_FRAMING),
            (b"\x02a", code::RECORD_FRAMING),
            (b"\x01a\x03bc", code::RECORD_FRAMING),
            (b"\x0b0123456789a", code::LIMIT_RECORD_BYTES),
            (b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", code::LIMIT_RECORD_BYTES),
        ];
        let limits = limits(10);
        for (batch, expected) in cases {
            for error in [
                whole(batch, &limits).unwrap_err(),
                chunked(batch, 1, &limits).unwrap_err(),
                chunked(batch, 100, &limits).unwrap_err(),
                read(batch, 1, &limits).unwrap_err(),
            ] {
                assert!(error.is(*expected), "{batch:?}: {error}");
            }
        }
        assert_eq!(whole(b"\x0a0123456789", &limits).unwrap().len(), 1);
    }

    #[test]
    fn a_declared_length_reserves_nothing() {
        let limits = limits(u64::MAX);
        let mut splitter = Splitter::new(&limits);
        let mut chunk = &b"\xff\xff\xff\xff\xff\xff\xff\x7fabc"[..];
        assert_eq!(splitter.next_record(&mut chunk).unwrap(), None);
        assert!(splitter.partial.capacity() < 100);
        assert!(splitter.finish().unwrap_err().is(code::RECORD_FRAMING));
        let mut iter = records(b"\xff\xff\xff\xff\xff\xff\xff\x7fabc", &limits);
        assert!(iter.next().unwrap().is_err());
        assert!(iter.next().is_none());
    }

    #[test]
    fn the_source_s_own_error_comes_through() {
        struct Failing;
        impl Read for Failing {
            fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
                Err(std::io::Error::other(Error::new(code::FRAME_DIGEST, "no")))
            }
        }
        let mut reader = RecordReader::new(Failing, &Limits::default());
        assert!(reader.next_record().unwrap_err().is(code::FRAME_DIGEST));
    }

    proptest::proptest! {
        #[test]
        fn splitting_is_the_inverse_of_putting(records in proptest::collection::vec(proptest::collection::vec(0u8.., 0..200), 0..20), size in 1usize..64) {
            let mut batch = Vec::new();
            records.iter().for_each(|record| put_record(&mut batch, record));
            proptest::prop_assert_eq!(whole(&batch, &Limits::default()).unwrap(), &records[..]);
            proptest::prop_assert_eq!(chunked(&batch, size, &Limits::default()).unwrap(), records);
        }

        #[test]
        fn any_bytes_split_alike_however_they_come(batch in proptest::collection::vec(0u8.., 0..40), size in 1usize..9) {
            let limits = limits(20);
            let code = |r: Result<Vec<Vec<u8>>>| r.map_err(|e| e.code());
            let expected = code(whole(&batch, &limits));
            proptest::prop_assert_eq!(code(chunked(&batch, size, &limits)), expected.clone());
            proptest::prop_assert_eq!(code(read(&batch, size, &limits)), expected);
        }
    }
}
