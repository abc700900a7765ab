//! Version 1: one SQLite database in one frame.

use std::io::{self, Read, Write};

use super::{Counted, PIECE, cannot_read, cannot_write, check_level, encoder};
use crate::c1z;
use crate::error::{Error, Result, code};
use crate::monitor::Monitor;

/// The window of version 1: 8 MiB.
const WINDOW_LOG: u32 = 23;

/// Writes a C1Z v1 file: the SQLite database that `source` has, in one frame. Returns the size of the file.
///
/// # Errors
/// `c1z.database` where it is no SQLite database; `io.read`, `io.write`, `io.file`, `usage.*`.
pub(crate) fn write_v1(sink: impl Write, source: impl Read, level: i32, monitor: &Monitor) -> Result<u64> {
    check_level(level)?;
    let mut source = source;
    let mut magic = Vec::new();
    (&mut source).take(16).read_to_end(&mut magic).map_err(cannot_read)?;
    if magic != *b"SQLite format 3\0" {
        let message = "expected a SQLite database, which begins with `SQLite format 3`";
        return Err(Error::new(code::C1Z_DATABASE, message));
    }
    let mut sink = Counted { sink, size: 0 };
    sink.write_all(&c1z::MAGIC_V1).map_err(cannot_write)?;
    let mut encoder = encoder(&mut sink, level, None)?;
    encoder.window_log(WINDOW_LOG).map_err(cannot_write)?;
    let mut piece = vec![0; PIECE];
    let mut source = magic.chain(source);
    loop {
        match source.read(&mut piece) {
            Ok(0) => break,
            Ok(read) => {
                encoder.write_all(&piece[..read]).map_err(cannot_write)?;
                monitor.advance(read as u64)?;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(cannot_read(error)),
        }
    }
    encoder.finish().map_err(cannot_write)?;
    Ok(sink.size)
}
