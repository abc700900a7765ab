//! The table of frames that ends an archive, in zstd's seekable format (FORMAT.md, "Seek table").

use super::u32_at;
use crate::error::{Error, Result, code};

/// The magic number of the table's skippable frame, as stored.
pub const MAGIC: [u8; 4] = [0x5E, 0x2A, 0x4D, 0x18];
/// The magic number that ends the table, as stored.
pub const FOOTER_MAGIC: [u8; 4] = [0xB1, 0xEA, 0x92, 0x8F];
/// The length of the footer.
pub const FOOTER_LEN: usize = 9;
/// The length of the skippable frame's header.
const FRAME_HEAD_LEN: usize = 8;
/// The length of one row.
pub const ROW_LEN: usize = 8;

/// The stored size of a table of `rows` rows.
pub fn stored_len(rows: u64) -> u64 {
    (FRAME_HEAD_LEN + FOOTER_LEN) as u64 + rows * ROW_LEN as u64
}

/// The whole table for these frames, each a stored and a decoded size.
pub fn encode(frames: impl ExactSizeIterator<Item = (u32, u32)>) -> Vec<u8> {
    let rows = frames.len();
    let mut table = Vec::with_capacity(stored_len(rows as u64) as usize);
    table.extend_from_slice(&MAGIC);
    table.extend_from_slice(&((rows * ROW_LEN + FOOTER_LEN) as u32).to_le_bytes());
    for (stored, decoded) in frames {
        table.extend_from_slice(&stored.to_le_bytes());
        table.extend_from_slice(&decoded.to_le_bytes());
    }
    table.extend_from_slice(&(rows as u32).to_le_bytes());
    table.push(0);
    table.extend_from_slice(&FOOTER_MAGIC);
    table
}

/// The number of rows that the footer, the last bytes of a file of `file_size` bytes, announces; not checked against
/// anything but the footer's form.
///
/// # Errors
/// `seek-table.footer`.
pub fn parse_footer(footer: &[u8], file_size: u64) -> Result<u32> {
    let fault = |what: String| {
        let message = format!(
            "{what}; the file was cut off, or something was appended to it: `rosettar recover` salvages what is whole of it"
        );
        Err(Error::new(code::SEEK_TABLE_FOOTER, message).with_offset(file_size.saturating_sub(FOOTER_LEN as u64)))
    };
    if footer.len() != FOOTER_LEN {
        return fault(format!("a file of {file_size} bytes has no room for a seek table"));
    }
    if footer[5..] != FOOTER_MAGIC {
        return fault(format!("expected the file to end in {FOOTER_MAGIC:02x?}, found {:02x?}", &footer[5..]));
    }
    if footer[4] != 0 {
        return fault(format!("the seek table's descriptor: expected 0, found {}", footer[4]));
    }
    Ok(u32_at(footer, 0))
}

/// The stored size that the last row of a table states: that of the index.
pub fn last_stored_size(row: &[u8; ROW_LEN]) -> u32 {
    u32_at(row, 0)
}

/// Checks the head of `table`, which has `rows` rows by its footer and begins at `offset`.
///
/// # Errors
/// `seek-table.footer`.
pub fn check_head(table: &[u8], rows: u32, offset: u64) -> Result<()> {
    let expected = u64::from(rows) * ROW_LEN as u64 + FOOTER_LEN as u64;
    match table.get(..FRAME_HEAD_LEN) {
        Some(head) if head[..4] == MAGIC && u64::from(u32_at(head, 4)) == expected => Ok(()),
        head => {
            let message = format!("expected the head of a seek table of {rows} rows, found {head:02x?}");
            Err(Error::new(code::SEEK_TABLE_FOOTER, message).with_offset(offset))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_reads_back() {
        let table = encode([(9, 0), (20, 0), (77, 5)].into_iter());
        assert_eq!(table.len() as u64, stored_len(3));
        let footer = &table[table.len() - FOOTER_LEN..];
        assert_eq!(parse_footer(footer, 1000).unwrap(), 3);
        assert_eq!(last_stored_size(table[24..].first_chunk().unwrap()), 77);
        check_head(&table, 3, 0).unwrap();
        assert!(check_head(&table, 4, 0).is_err());
        for bit in 32..72 {
            let mut footer = footer.to_vec();
            footer[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(parse_footer(&footer, 1000).unwrap_err().code(), "seek-table.footer");
        }
    }
}
