//! Reading archives whose source can be read at any offset (FORMAT.md, "Indexed").

mod archive;
mod cache;
mod content;
mod cursor;
mod entries;
mod indexed;
mod options;
mod records;

pub use archive::Archive;
pub use content::EntryReader;
pub(crate) use cursor::TarCursor;
pub use entries::Entries;
pub(crate) use indexed::{Head, Indexed};
pub use options::ReadOptions;
pub use records::{Messages, Records, Stream};
