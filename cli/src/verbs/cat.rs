//! `cat`: the content of files.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use rosettar::Result;

use super::{Context, bytes, done, json, line};
use crate::args::Cat;
use crate::ui::Stdout;

pub(super) fn run(context: &Context, args: &Cat) -> Result<u8> {
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
            // Three bytes give four characters; what is left of a piece goes before the next.
            let mut rest = Vec::new();
            reader.read_all(|piece| {
                context.interrupt.check()?;
                rest.extend_from_slice(piece);
                let whole = rest.len() / 3 * 3;
                bytes(&mut out, BASE64_STANDARD.encode(&rest[..whole]).as_bytes())?;
                rest.drain(..whole);
                Ok(())
            })?;
            bytes(&mut out, BASE64_STANDARD.encode(&rest).as_bytes())?;
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
