//! What a writer puts into a payload: tar headers, and the index with its footer.

use super::checksum;
use super::index::{FOOTER_MAGIC, FramePlace, INDEX_MAX};
use crate::error::{Error, Result, code};
use crate::model::{Entry, EntryKind};
use crate::schema::wire;
use crate::tar;

/// The index of these frames and the footer, which stand at `at` in a file with this manifest.
///
/// # Errors
/// `limit.index-bytes` where there are more files than an index can hold.
pub fn encode_index(rows: &[FramePlace], manifest: &[u8], at: u64) -> Result<Vec<u8>> {
    let mut index = Vec::new();
    let (mut raw, mut stored) = (0u64, 0u64);
    let mut entry = Vec::new();
    for row in rows {
        entry.clear();
        wire::put_bytes(&mut entry, 1, row.path.as_str().as_bytes());
        put_int(&mut entry, 2, row.offset);
        put_int(&mut entry, 3, row.stored);
        put_int(&mut entry, 4, row.raw);
        put_fixed64(&mut entry, 5, row.checksum);
        wire::put_bytes(&mut entry, 6, &row.digest.0);
        wire::put_bytes(&mut index, 1, &entry);
        raw += row.raw;
        stored += row.stored;
    }
    put_int(&mut index, 2, raw);
    put_int(&mut index, 3, stored);
    put_fixed64(&mut index, 4, checksum(manifest));
    check_index_size(index.len(), rows.len())?;
    let (len, sum) = (index.len() as u32, checksum(&index));
    index.extend_from_slice(&at.to_be_bytes());
    index.extend_from_slice(&len.to_be_bytes());
    index.extend_from_slice(&sum.to_be_bytes());
    index.extend_from_slice(&FOOTER_MAGIC);
    Ok(index)
}

/// Makes sure that an index of so many bytes, for so many files, is not longer than the format allows.
///
/// # Errors
/// `limit.index-bytes`.
pub fn check_index_size(bytes: usize, files: usize) -> Result<()> {
    if bytes as u64 > INDEX_MAX {
        let message = format!("an index of {bytes} bytes for {files} files exceeds the format's {INDEX_MAX}");
        return Err(Error::new(code::LIMIT_INDEX_BYTES, message));
    }
    Ok(())
}

/// The header of the member for `entry`, a file or directory: as in a Rosettar archive, but that no directory's name ends
/// in a slash.
pub fn tar_head(entry: &Entry) -> Vec<u8> {
    if entry.kind != EntryKind::Directory {
        return tar::member_header(entry);
    }
    let mut head = tar::member_header(&Entry { kind: EntryKind::File, ..entry.clone() });
    let block = head.len() - tar::BLOCK;
    let block = &mut head[block..];
    block[156] = b'5';
    block[148..156].fill(b' ');
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    head
}

/// The two blocks that end a tar.
pub fn end_of_tar() -> Vec<u8> {
    vec![0; tar::END_LEN as usize]
}

/// A number, left out where it is 0, as every protobuf library does.
fn put_int(out: &mut Vec<u8>, number: u32, value: u64) {
    if value > 0 {
        wire::put_varint(out, u64::from(number) << 3);
        wire::put_varint(out, value);
    }
}

fn put_fixed64(out: &mut Vec<u8>, number: u32, value: u64) {
    if value > 0 {
        wire::put_varint(out, u64::from(number) << 3 | 1);
        out.extend_from_slice(&value.to_le_bytes());
    }
}
