//! Positioned reading, and the file-system seam: everything that opens, makes, moves or removes files.
//!
//! Nothing here knows the format. [`source`] reads at offsets, [`spool`] holds content whose size is not known yet,
//! [`atomic`] writes one file so that the old or the new one is there, [`locked`] holds one that is to be replaced,
//! [`sandbox`] creates entries that cannot leave a directory, and [`staging`] publishes a whole tree. [`names`] says which
//! names Windows cannot hold.

pub mod atomic;
pub(crate) mod collisions;
pub(crate) mod dir;
pub mod locked;
pub mod names;
pub mod sandbox;
pub mod source;
pub mod spool;
pub mod staging;

pub use atomic::AtomicFile;
pub use collisions::Collisions;
pub use dir::uninterrupted;
pub use locked::LockedFile;
pub use names::Names;
pub use sandbox::{Links, Modes, Sandbox, SandboxFile};
pub use source::{NamedFile, ReadAt};
pub use spool::{Spool, Spooled};
pub use staging::{Overwrite, Published, Staging, StagingOptions};
