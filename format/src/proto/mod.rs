//! The messages of `rosettar.v1`, generated from spec/rosettar/v1/*.proto; a test compares them with their source.

#[allow(missing_docs, clippy::all, clippy::pedantic, rustdoc::all)]
mod v1 {
    include!("rosettar.v1.rs");
}

#[allow(missing_docs, clippy::all, clippy::pedantic, rustdoc::all)]
mod recovery {
    include!("rosettar.v1.recovery.rs");
}

pub use recovery::*;
pub use v1::*;

/// The descriptor set of `rosettar.v1`: what Schema 0 holds in every archive that this crate writes.
pub const DESCRIPTOR_SET: &[u8] = include_bytes!("rosettar.v1.binpb");

/// The full names of the messages that Schema 0 must define.
pub const MANIFEST: &str = "rosettar.v1.Manifest";
pub const INDEX: &str = "rosettar.v1.Index";
pub const ENTRY_PAGE: &str = "rosettar.v1.EntryPage";

/// The descriptor set of the report of a recovery, which is a Schema of its own.
pub const RECOVERY_DESCRIPTOR_SET: &[u8] = include_bytes!("rosettar.v1.recovery.binpb");

/// The messages of C1Z, which is older (spec/c1z).
pub mod c1 {
    pub mod c1z {
        // The index is read and written field by field.
        #[allow(missing_docs, dead_code, clippy::all, clippy::pedantic, rustdoc::all)]
        pub mod v3 {
            include!("c1.c1z.v3.rs");
        }
    }
    pub mod storage {
        #[allow(missing_docs, dead_code, clippy::all, clippy::pedantic, rustdoc::all)]
        pub mod v3 {
            include!("c1.storage.v3.rs");
        }
    }
}

/// The descriptor set of C1Z's manifest.
pub const C1Z_MANIFEST_SET: &[u8] = include_bytes!("c1z.manifest.binpb");

/// The descriptor set of what is in the database of C1Z v1.
#[cfg(feature = "sqlite")]
pub const C1Z_ROWS_SET: &[u8] = include_bytes!("c1z.rows.binpb");
