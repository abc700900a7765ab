//! `records`: the records of a stream.

use std::io::Write;
use std::ops::Range;

use prost_reflect::MessageDescriptor;
use rosettar::error::code;
use rosettar::read::Stream;
use rosettar::{Error, Result, record};

use super::{Context, provisional};
use crate::args::{RecordFormat, Records};
use crate::output::{Fields, Options, RecordWriter, RowRange};
use crate::ui::{Stdout, exit};

pub(super) fn run(context: &Context, args: &Records) -> Result<u8> {
    if args.null.is_some() && args.format != RecordFormat::Csv {
        return Err(Error::new(code::USAGE_OPTION, "--null is for --format csv"));
    }
    let rows = args.rows.as_deref().map(RowRange::parse).transpose()?;
    if args.provisional.provisional {
        return provisional::records(context, args, rows);
    }
    let archive = context.open(&args.archive)?;
    let stream = archive.stream(&args.stream)?;
    if let Some(rows) = rows {
        rows.check(stream.len())?;
    }
    let range = rows.map_or(0..stream.len(), |rows| rows.resolve(stream.len()));
    let descriptor = stream.descriptor()?;
    let mut writer = writer(args, &descriptor)?;
    print(&stream, range, &mut writer, || context.interrupt.check())?;
    writer.finish()?;
    Ok(exit::DONE)
}

/// Prints records of a stream; `check` is called for each.
pub(super) fn print(
    stream: &Stream,
    range: Range<u64>,
    writer: &mut RecordWriter<impl Write>,
    check: impl Fn() -> Result<()>,
) -> Result<()> {
    let mut records = stream.records(range.clone())?;
    for number in range {
        let Some(record) = records.next_record()? else { break };
        check()?;
        if writer.wants_bytes(record) {
            writer.write_bytes(record)?;
            continue;
        }
        let message = record::decode(writer.descriptor(), record, stream.limits())
            .map_err(|error| error.about(format_args!("record {number} of stream {}", stream.info().name())))?;
        writer.write(message)?;
    }
    Ok(())
}

/// What prints records of this type as the options ask.
pub(super) fn writer(args: &Records, descriptor: &MessageDescriptor) -> Result<RecordWriter<Stdout>> {
    let mut options = Options::new();
    if let Some(fields) = &args.fields {
        options = options.fields(Fields::parse(fields, descriptor)?);
    }
    if let Some(null) = &args.null {
        options = options.null(null);
    }
    Ok(RecordWriter::new(Stdout::new(), args.format.into(), descriptor, options))
}
