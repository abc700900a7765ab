//! Descriptor sets: checked, pruned to what a type needs, made into pools, printed and compiled (FORMAT.md, "Schemas").
//!
//! A descriptor set is a serialized `google.protobuf.FileDescriptorSet`. Its bytes stay opaque and verbatim: to parse
//! and re-encode one loses what the parser does not know. [`closure`] works on the bytes alone, [`build_pool`] checks
//! them before any library interprets them, and [`print_files`] turns them back into `.proto` source text.

pub mod closure;
mod compare;
#[cfg(feature = "compile")]
mod compile;
mod descriptor;
mod guard;
#[cfg(feature = "compile")]
mod load;
mod names;
mod pool;
mod print;
#[cfg(feature = "compile")]
mod source;
pub(crate) mod wire;

pub use closure::{check_order, closure_of, merge, order};
pub use compare::same_type;
#[cfg(feature = "compile")]
pub use compile::compile;
pub use guard::limit;
pub use pool::{build_pool, check, descriptor_set_of, message};
pub use print::print_files;

#[cfg(test)]
mod tests;
