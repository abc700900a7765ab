//! Records of Rosettar archives as Apache Arrow, and Arrow tables as records.
//!
//! [`read()`] decodes the records of a stream from the protobuf wire format straight into Arrow record batches: no message is
//! made in between, columns that nobody asked for are not decoded, and several threads work at once. [`TableType`] goes the
//! other way: it derives a protobuf type from an Arrow schema, and encodes the rows of a table as records of it; read back,
//! they have the table's own types. What becomes what is in `spec/ARROW.md`.
#![forbid(unsafe_code)]

mod columns;
mod decode;
mod decoder;
mod derive;
mod encode;
mod fault;
mod finish;
mod options;
mod plan;
mod reader;
mod restore;
mod table;
mod wire;

pub use options::{ArrowOptions, Cut, Enums, OnError};
pub use reader::{ArrowReader, Report, read, schema};
pub use table::TableType;
