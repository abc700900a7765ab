//! Integration tests of the crate `rosettar`, in one binary.
#![allow(missing_docs)]

mod generated;
mod support;
mod vectors;
