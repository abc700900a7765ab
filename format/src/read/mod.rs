//! Reading archives: those whose source can be read at any offset (FORMAT.md, "Indexed"), and in `streamed` those that
//! arrive through a pipe (FORMAT.md, "Streamed").

mod ahead;
mod archive;
mod batches;
mod cache;
mod content;
mod cursor;
mod driver;
mod entries;
mod indexed;
mod options;
mod records;
mod streamed;

pub use archive::Archive;
pub use batches::{Batch, BatchBuffer, Batches, MappedBatches};
pub use content::EntryReader;
pub(crate) use cursor::TarCursor;
pub(crate) use driver::{Content, Driver, Listed};
pub use entries::Entries;
pub(crate) use entries::Table;
pub(crate) use indexed::{Head, Indexed};
pub use options::ReadOptions;
pub use records::{Messages, Records, Stream};
pub use streamed::{ArchiveStream, Confirmed, Provisional, ProvisionalBatch, ProvisionalEntry};
