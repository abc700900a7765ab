//! Files of records on their way into an archive.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::sync::Arc;

use prost_reflect::{DescriptorPool, MessageDescriptor};
use rosettar::error::code;
use rosettar::io::uninterrupted;
use rosettar::{Archive, Error, RecordType, Result, StreamId, Writer, schema};

use super::Counted;
use crate::args;
use crate::ingest::{self, RecordsSpec, Source};
use crate::ui::{MayWait, WaitingReader};
use crate::verbs::Context;
use crate::verbs::input::read_small;

/// How many bytes of a record file are read at once.
const READ_AHEAD: usize = 1 << 18;

/// A file of records, open, and the type of its records.
pub(super) struct RecordFile {
    spec: RecordsSpec,
    descriptor: MessageDescriptor,
    /// What defines the type; `None` where that is the stream of the archive that is extended.
    descriptor_set: Option<Arc<[u8]>>,
    reader: Box<dyn Read>,
    /// Where it is a regular file.
    pub(super) size: Option<u64>,
}

/// Opens what `--records` names, with the schema that the other options give, or that `archive`, which is to be continued,
/// has already.
pub(super) fn open(
    context: &Context,
    args: &args::Inputs,
    specs: Vec<RecordsSpec>,
    archive: Option<&Archive>,
) -> Result<Vec<RecordFile>> {
    if args.null.is_some() && specs.is_empty() {
        return Err(usage("--null is of use only with --records"));
    }
    if specs.iter().filter(|spec| spec.source == Source::Stdin).count() > 1 {
        return Err(usage("standard input can be read for one stream only"));
    }
    let typed = specs.iter().any(|spec| spec.type_name.is_some());
    let given = match !args.proto.is_empty() || args.descriptor_set.is_some() {
        true if !typed => {
            let message = match archive {
                None => "--proto and --descriptor-set are of use only with --records",
                Some(_) => "--proto and --descriptor-set are of use only with --records NAME:TYPE=FILE",
            };
            return Err(usage(message));
        }
        true => Some(given_schema(args)?),
        false if typed => {
            return Err(usage("--records needs the types: give --proto FILE or --descriptor-set FILE"));
        }
        false => None,
    };
    let open = |spec: RecordsSpec| {
        let (descriptor, descriptor_set) = match (&spec.type_name, &given, archive) {
            (Some(type_name), Some((pool, set)), _) => (schema::message(pool, type_name)?, Some(Arc::clone(set))),
            (_, _, Some(archive)) => (known_stream(archive, &spec.stream)?.descriptor()?, None),
            _ => return Err(usage(&format!("--records {}=…: expected NAME:TYPE=FILE", spec.stream))),
        };
        let (reader, size) = open_source(context, &spec.source)?;
        Ok(RecordFile { spec, descriptor, descriptor_set, reader, size })
    };
    specs.into_iter().map(open).collect()
}

/// The descriptors that `--proto` or `--descriptor-set` give.
fn given_schema(args: &args::Inputs) -> Result<(DescriptorPool, Arc<[u8]>)> {
    // They may be FIFOs, such as the shell makes of `<(command)`, and nothing is written yet.
    let _waiting = MayWait::begin();
    let set = match &args.descriptor_set {
        None => schema::compile(&args.proto, &args.include_dirs)?,
        Some(path) => {
            let set = read_small(path, |size| {
                let message = format!("{}: expected a descriptor set of at most {size} bytes", path.display());
                Error::new(code::SCHEMA_TOO_LARGE, message)
            })?;
            schema::order(&set)?
        }
    };
    Ok((schema::build_pool(&set)?, set.into()))
}

fn known_stream(archive: &Archive, name: &str) -> Result<rosettar::read::Stream> {
    archive.stream(name).map_err(|error| {
        let message =
            format!("{}; for a new one state its type, as in {name}:TYPE=FILE, and give --proto", error.message());
        Error::new(code::USAGE_NO_SUCH_STREAM, message)
    })
}

fn open_source(context: &Context, source: &Source) -> Result<(Box<dyn Read>, Option<u64>)> {
    let name = match source {
        Source::Stdin => return Ok((Box::new(WaitingReader::new(io::stdin(), context.interrupt.clone())?), None)),
        Source::File(name) => name,
    };
    let failed = |error| Error::io(code::IO_FILE, format_args!("opening {name}"), error);
    let metadata = uninterrupted(|| std::fs::metadata(name)).map_err(failed)?;
    if metadata.is_dir() {
        return Err(usage(&format!("{name} is a directory: expected a file of records")));
    }
    if !metadata.is_file() {
        // A FIFO, such as the shell makes of `<(command)`.
        let name = name.to_owned();
        let reader = WaitingReader::opening(move || File::open(name), context.interrupt.clone())?;
        return Ok((Box::new(reader), None));
    }
    let file = File::open(name).map_err(failed)?;
    let size = uninterrupted(|| file.metadata()).map_err(failed)?.len();
    Ok((Box::new(file), Some(size)))
}

impl RecordFile {
    /// Declares the stream that the records go to, or finds the one that is extended.
    pub(super) fn declare(&self, writer: &mut Writer<'_>) -> Result<StreamId> {
        match (&self.spec.type_name, &self.descriptor_set) {
            (Some(type_name), Some(set)) => {
                writer.declare(&self.spec.stream, RecordType::new(type_name.clone(), set.to_vec()))
            }
            _ => writer.stream(&self.spec.stream),
        }
    }

    /// Appends every record of the file to `stream`.
    pub(super) fn ingest(
        self,
        context: &Context,
        null: Option<&str>,
        stream: StreamId,
        writer: &mut Writer<'_>,
        progress: &Counted,
    ) -> Result<()> {
        let mut options = ingest::Options::new().limits(context.limits.clone());
        if let Some(null) = null {
            options = options.null(null);
        }
        let name = match &self.spec.source {
            Source::Stdin => "standard input",
            Source::File(name) => name,
        };
        let reader = BufReader::with_capacity(READ_AHEAD, progress.reader(self.reader));
        let mut records = ingest::open(self.spec.format, reader, name, &self.descriptor, &options)?;
        while let Some(record) = records.next_record()? {
            context.interrupt.check()?;
            writer.append_encoded(stream, record)?;
        }
        Ok(())
    }
}

fn usage(message: &str) -> Error {
    Error::new(code::USAGE_OPTION, message)
}
