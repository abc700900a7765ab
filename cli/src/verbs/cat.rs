//! `cat`: the content of files.

use std::io::Write;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use rosettar::Result;

use super::{Context, bytes, done, json, line, provisional};
use crate::args::Cat;
use crate::ui::Stdout;

pub(super) fn run(context: &Context, args: &Cat) -> Result<u8> {
    if args.provisional.provisional {
        return provisional::cat(context, args);
    }
    let archive = context.open(&args.archive)?;
    // A wrong path is an error before anything is printed.
    let readers = args.paths.iter().map(|path| archive.open_entry(path)).collect::<Result<Vec<_>>>()?;
    let mut out = Stdout::new();
    for mut reader in readers {
        if context.json {
            let mut object = json::entry(reader.entry()).to_string();
            object.truncate(object.len() - 1);
            bytes(&mut out, object.as_bytes())?;
            bytes(&mut out, b",\"content\":\"")?;
            let mut base64 = Base64::new(&mut out);
            reader.read_all(|piece| {
                context.interrupt.check()?;
                base64.write(piece)
            })?;
            base64.finish()?;
            line(&mut out, "\"}")?;
        } else {
            reader.read_all(|piece| {
                context.interrupt.check()?;
                bytes(&mut out, piece)
            })?;
        }
    }
    done(&mut out)
}

/// Bytes that come in pieces, in base64.
pub(super) struct Base64<'a, W> {
    out: &'a mut W,
    /// Three bytes give four characters; what is left of a piece goes before the next.
    rest: Vec<u8>,
}

impl<'a, W: Write> Base64<'a, W> {
    pub(super) fn new(out: &'a mut W) -> Self {
        Self { out, rest: Vec::new() }
    }

    pub(super) fn write(&mut self, piece: &[u8]) -> Result<()> {
        self.rest.extend_from_slice(piece);
        let whole = self.rest.len() / 3 * 3;
        bytes(self.out, BASE64_STANDARD.encode(&self.rest[..whole]).as_bytes())?;
        self.rest.drain(..whole);
        Ok(())
    }

    pub(super) fn finish(self) -> Result<()> {
        bytes(self.out, BASE64_STANDARD.encode(&self.rest).as_bytes())
    }
}
