//! `list`, `cat` and `records` with `--provisional`: what is printed comes as the archive does, before its index has
//! confirmed it; whether it has shows in the exit code.

use std::io::Read;

use rosettar::error::code;
use rosettar::model::{Entry, EntryKind, Mtime};
use rosettar::read::{Provisional, ProvisionalEntry};
use rosettar::{Error, Result, Selection, record};

use super::{Context, bytes, cat::Base64, done, json, line, list, records};
use crate::args::{Cat, List, Records};
use crate::output::RowRange;
use crate::ui::{Stdout, exit};

/// Digits for sizes, as the greatest is not known before the end.
const SIZE_WIDTH: usize = 12;

pub(super) fn list(context: &Context, args: &List) -> Result<u8> {
    let mut selection = Selection::new(&args.globs)?;
    let mut stream = context.stream(&args.archive, context.reading())?;
    let mut out = Stdout::new();
    while let Some(item) = stream.next_item()? {
        context.interrupt.check()?;
        let Provisional::Entry(mut provisional) = item else { continue };
        if !selection.matches(provisional.path().as_str()) {
            continue;
        }
        let entry = entry(&mut provisional)?;
        match context.json {
            true => line(&mut out, json::provisional(&entry))?,
            false => line(&mut out, list::text(&entry, SIZE_WIDTH))?,
        }
    }
    // What was listed is out, whether it is confirmed or not.
    done(&mut out)?;
    stream.confirm()?;
    selection.finish()?;
    Ok(exit::DONE)
}

pub(super) fn cat(context: &Context, args: &Cat) -> Result<u8> {
    let mut stream = context.stream(&args.archive, context.reading())?;
    let mut wanted: Vec<&str> = args.paths.iter().map(String::as_str).collect();
    wanted.sort_unstable();
    wanted.dedup();
    let mut out = Stdout::new();
    while let Some(item) = stream.next_item()? {
        context.interrupt.check()?;
        let Provisional::Entry(mut provisional) = item else { continue };
        let Ok(at) = wanted.binary_search(&provisional.path().as_str()) else { continue };
        if !provisional.kind().has_content() {
            let message =
                format!("a {} has no content to read: expected the path of a file", provisional.kind().as_str());
            return Err(Error::new(code::USAGE_NOT_A_FILE, message).with_entry(wanted[at]));
        }
        wanted.remove(at);
        if context.json {
            // The digest is known once the content went by, and keys come in no particular order.
            bytes(&mut out, b"{\"content\":\"")?;
            let mut base64 = Base64::new(&mut out);
            provisional.read_all(|piece| {
                context.interrupt.check()?;
                base64.write(piece)
            })?;
            base64.finish()?;
            let object = json::provisional(&entry(&mut provisional)?).to_string();
            line(&mut out, format_args!("\",{}", &object[1..]))?;
        } else {
            provisional.read_all(|piece| {
                context.interrupt.check()?;
                bytes(&mut out, piece)
            })?;
        }
    }
    done(&mut out)?;
    stream.confirm()?;
    match wanted.first() {
        None => Ok(exit::DONE),
        Some(missing) => Err(Error::new(code::USAGE_NO_SUCH_ENTRY, "no entry has this path").with_entry(*missing)),
    }
}

pub(super) fn records(context: &Context, args: &Records, rows: Option<RowRange>) -> Result<u8> {
    let rows = match rows {
        None => 0..u64::MAX,
        Some(rows) => rows.from_the_front().ok_or_else(|| {
            let message = "--rows with a negative number needs the number of all records: leave out --provisional";
            Error::new(code::USAGE_OPTION, message)
        })?,
    };
    let mut stream = context.stream(&args.archive, context.reading())?;
    let mut writer = None;
    let mut number = 0;
    while let Some(item) = stream.next_item()? {
        context.interrupt.check()?;
        let Provisional::Batch(mut batch) = item else { continue };
        if batch.stream().name.as_str() != args.stream {
            continue;
        }
        let descriptor = batch.descriptor()?;
        let writer = match &mut writer {
            Some(writer) => writer,
            None => writer.insert(records::writer(args, &descriptor)?),
        };
        while let Some(found) = batch.next_record()? {
            if rows.contains(&number) {
                match writer.wants_bytes(found) {
                    true => writer.write_bytes(found)?,
                    false => writer.write(record::decode(&descriptor, found, &context.limits)?)?,
                }
            }
            number += 1;
            context.interrupt.check()?;
        }
    }
    let declared = stream.unconfirmed_streams().any(|stream| stream.name.as_str() == args.stream);
    if writer.is_none() && declared {
        writer = Some(records::writer(args, &stream.descriptor(&args.stream)?)?);
    }
    if let Some(writer) = writer {
        writer.finish()?;
    }
    let confirmed = stream.confirm()?;
    if !declared {
        let names: Vec<&str> = confirmed.facts().streams.iter().map(|stream| stream.name()).collect();
        let message = format!("no stream is called {:?}: the archive has {}", args.stream, names.join(", "));
        return Err(Error::new(code::USAGE_NO_SUCH_STREAM, message));
    }
    Ok(exit::DONE)
}

/// A provisional entry with the digest that its content was found to have.
fn entry<R: Read>(provisional: &mut ProvisionalEntry<'_, R>) -> Result<Entry> {
    let digest = provisional.found_digest()?;
    let (path, mtime) = (provisional.path().clone(), Mtime::from_seconds(provisional.mtime_seconds()));
    Ok(match (provisional.kind(), provisional.target()) {
        (_, Some(target)) => Entry::symlink(path, mtime, target.clone()),
        (EntryKind::Directory, _) => Entry::directory(path, provisional.mode(), mtime),
        _ => Entry::file(path, provisional.mode(), mtime, provisional.size(), digest),
    })
}
