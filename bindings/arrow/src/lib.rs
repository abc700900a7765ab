//! Records of Rosettar archives as Apache Arrow, and Arrow tables as records.

mod derive;
mod encode;
#[allow(dead_code)]
mod restore;
mod table;

pub use table::TableType;
