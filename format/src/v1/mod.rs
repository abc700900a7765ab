//! Version 1 of the format: its manifest, Schemas, entry pages, index and content digest, from bytes to values and back.
//! Everything here works on slices; nothing does I/O.

mod content;
mod guard;
mod index;
mod manifest;
mod page;
mod table;

pub(crate) use content::ContentHasher;
pub(crate) use index::{FramePlace, Index, IndexParts, PagePlace};
pub(crate) use manifest::{ManifestBody, SchemaBody, check_type_name};
pub(crate) use page::{Page, PageBuilder, Placed};
pub(crate) use table::{AscendingPaths, PathCheck, TableCheck};

/// The major version that this module is for.
pub(crate) const MAJOR: u8 = 1;
/// The minor version that this crate writes.
pub(crate) const MINOR: u8 = 0;
/// The frames before the first that may be payload: the empty frame, the header, the manifest.
pub(crate) const OPENING_FRAMES: usize = 3;

/// Every shape by which a message is counted before it is decoded.
#[cfg(test)]
fn shapes() -> impl Iterator<Item = (&'static str, &'static guard::Shape)> {
    manifest::SHAPES.into_iter().chain(index::SHAPES).chain(page::SHAPES)
}
