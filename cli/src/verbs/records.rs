//! `records`: the records of a stream.

use prost_reflect::MessageDescriptor;
use rosettar::error::code;
use rosettar::{Error, Result};

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
    if writer.wants_bytes() {
        let mut records = stream.records(range)?;
        while let Some(record) = records.next_record()? {
            context.interrupt.check()?;
            writer.write_bytes(record)?;
        }
    } else {
        for message in stream.messages(range)? {
            context.interrupt.check()?;
            writer.write(message?)?;
        }
    }
    writer.finish()?;
    Ok(exit::DONE)
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
