//! Tests of the crate through its public interface.

mod hostile;
mod kinds;
mod support;
