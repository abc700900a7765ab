//! Limits by name.

use pyo3::prelude::*;
use rosettar::Limits;
use rosettar::error::code;

use crate::errors::{self, OrRaise as _};
use crate::names;

/// The limits of a caller: those of the core, but for these.
///
/// # Errors
/// `usage.option` for a name that no limit has, which names the nearest, and for a value that is no size.
pub fn of(py: Python<'_>, given: &[(String, String)]) -> PyResult<Limits> {
    let mut limits = Limits::default();
    for (name, value) in given {
        if !Limits::NAMES.contains(&name.as_str()) {
            let near = names::near(name, Limits::NAMES.iter().map(|name| (*name).to_owned()));
            let all = format!("the limits are {}", Limits::NAMES.join(", "));
            let message = format!("no limit is called {name:?}{}", names::hint(&near, &all));
            return Err(errors::usage(py, code::USAGE_OPTION, message));
        }
        limits.set(name, value).or_raise(py)?;
    }
    Ok(limits)
}
