//! Records: how a batch frames them, what they decode to, and their JSON form (FORMAT.md, "Records").

mod delimited;
mod dynamic;
mod encode;
mod json;

pub(crate) use delimited::put_length;
pub use delimited::{RecordReader, Records, Splitter, put_record, records};
pub use dynamic::{check, decode, decode_inside};
pub use encode::encode;
pub use json::{JsonOptions, from_json, to_json, value_to_json, write_json, write_value_json};

#[cfg(test)]
mod tests;
