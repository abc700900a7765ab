//! Records of Rosettar archives as Apache Arrow, and Arrow tables as records.

mod derive;
mod encode;
mod table;

pub use table::TableType;
