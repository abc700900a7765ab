//! The seek table.

use super::out::{Group, Out};
use super::walk::Walk;
use super::{Line, Space, fault, hex};
use crate::error::{Result, code};
use crate::wire::seek_table::{FOOTER_LEN, FOOTER_MAGIC, ROW_LEN};

const HEAD_LEN: u64 = 8;

/// The seek table of `len` bytes at `at`.
pub(super) fn lines(walk: &mut Walk<'_>, out: &mut Out<'_>, at: u64, len: u64) -> Result<()> {
    let spec = "9";
    let head = walk.window.get(at, HEAD_LEN.min(len) as usize)?.to_vec();
    let stated = head.get(4..8).and_then(|head| head.first_chunk()).map_or(0, |head| u32::from_le_bytes(*head));
    let rows = len.saturating_sub(HEAD_LEN + FOOTER_LEN as u64) / ROW_LEN as u64;
    let mut line = Line::new(0, at, len, walk.named("the seek table"), spec).value(format!("{rows} rows"));
    if walk.seen.table {
        let message = "a second seek table: expected the file to end";
        line.problems.push(fault(code::SEEK_TABLE_FOOTER, message));
    } else if !walk.seen.index {
        let message = "a seek table where no index came before it";
        line.problems.push(fault(code::SECTION_MISPLACED, message));
    }
    let expected = walk.plan.rows();
    if let Some(expected) = expected.filter(|expected| *expected != rows) {
        let message =
            format!("a seek table of {rows} rows: expected {expected}, a row for each frame of the index and it");
        line.problems.push(fault(code::SEEK_TABLE_MISMATCH, message));
    }
    walk.seen.table = true;
    out.begin(line, None)?;
    let right = u64::from(stated) + HEAD_LEN == len && len == HEAD_LEN + FOOTER_LEN as u64 + rows * ROW_LEN as u64;
    let problem = (!right).then(|| {
        let message =
            format!("the frame states {stated} bytes, of {len} that are there: expected 9 and 8 for each row");
        fault(code::SEEK_TABLE_FOOTER, message)
    });
    let line = Line::new(1, at, head.len() as u64, "skippable frame", spec);
    out.add(line.value(format!("of {stated} bytes")).problem(problem))?;
    let (mut row_at, mut group) = (at + HEAD_LEN, Group::default());
    for number in 0..rows {
        let row = walk.window.get(row_at, ROW_LEN)?;
        let word = |at: usize| u32::from_le_bytes(row[at..at + 4].try_into().expect("four bytes"));
        let found = (word(0), word(4));
        let expected = expected.and_then(|_| walk.plan.row(number));
        let problem = expected.filter(|expected| *expected != found).map(|(stored, decoded)| {
            let message = format!(
                "row {number} of the seek table: expected {stored} stored and {decoded} decoded, as the index says, found {} and {}",
                found.0, found.1
            );
            fault(code::SEEK_TABLE_MISMATCH, message)
        });
        let value = format!("{} stored, {} decoded", found.0, found.1);
        let line = Line::new(1, row_at, ROW_LEN as u64, format!("row of frame {number}"), spec).value(value);
        out.add_to(&mut group, "rows", line.problem(problem))?;
        row_at += ROW_LEN as u64;
    }
    out.end_group(group, 1, Space::File, row_at, spec)?;
    let end = at + len;
    let footer = walk.window.get(row_at.min(end), (end - row_at.min(end)) as usize)?.to_vec();
    if footer.len() != FOOTER_LEN {
        if !footer.is_empty() {
            let problem = fault(code::SEEK_TABLE_FOOTER, format!("{} bytes: expected {FOOTER_LEN}", footer.len()));
            let line = Line::new(1, row_at, footer.len() as u64, "what is no footer", spec);
            out.add(line.value(hex(&footer)).problem(problem))?;
        }
        return out.end();
    }
    let count = u32::from_le_bytes(*footer.first_chunk().expect("nine bytes"));
    let wrong = |right: bool, message: String| (!right).then(|| fault(code::SEEK_TABLE_FOOTER, message));
    let problem = wrong(u64::from(count) == rows, format!("{count} rows are stated: expected {rows}, which are there"));
    out.add(Line::new(1, row_at, 4, "number of rows", spec).value(count.to_string()).problem(problem))?;
    let problem = wrong(footer[4] == 0, format!("the descriptor: expected 0, found {}", footer[4]));
    out.add(Line::new(1, row_at + 4, 1, "descriptor", spec).value(footer[4].to_string()).problem(problem))?;
    let message = format!("expected {}, found {}", hex(&FOOTER_MAGIC), hex(&footer[5..]));
    let problem = wrong(footer[5..] == FOOTER_MAGIC, message);
    out.add(Line::new(1, row_at + 5, 4, "magic number", spec).value(hex(&footer[5..])).problem(problem))?;
    out.end()
}
