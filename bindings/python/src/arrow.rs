//! The options of `Stream.__arrow_c_stream__`.

use arrow_schema::TimeUnit;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use rosettar::error::code;
use rosettar_arrow::{ArrowOptions, Cut, Enums, OnError};

use crate::archive::choose;
use crate::errors;

/// Options from keyword arguments.
pub fn options(py: Python<'_>, columns: Vec<String>, given: &Bound<'_, PyDict>) -> PyResult<ArrowOptions> {
    let mut options = ArrowOptions::new().columns(columns);
    for (name, value) in given {
        let name: String = name.extract()?;
        let text = || value.extract::<String>();
        options = match name.as_str() {
            "enums" => {
                options.enums(choose(py, &name, &text()?, &[("names", Enums::Names), ("numbers", Enums::Numbers)])?)
            }
            "errors" => {
                options.errors(choose(py, &name, &text()?, &[("raise", OnError::Raise), ("null", OnError::Null)])?)
            }
            "cut" => options.cut(choose(py, &name, &text()?, &[("json", Cut::Json), ("binary", Cut::Binary)])?),
            "timestamps" => {
                let units = [
                    ("s", TimeUnit::Second),
                    ("ms", TimeUnit::Millisecond),
                    ("us", TimeUnit::Microsecond),
                    ("ns", TimeUnit::Nanosecond),
                ];
                options.time_unit(choose(py, &name, &text()?, &units)?)
            }
            "recursion" => options.recursion(value.extract()?),
            "defaults" => options.defaults(value.extract()?),
            "batch_rows" => options.batch_rows(value.extract()?),
            "batch_bytes" => options.batch_bytes(value.extract()?),
            "threads" => options.threads(value.extract()?),
            _ => {
                let message = format!(
                    "no option is called {name:?}; the options are enums, errors, timestamps, recursion, cut, defaults, \
                     batch_rows, batch_bytes and threads"
                );
                return Err(errors::usage(py, code::USAGE_OPTION, message));
            }
        };
    }
    Ok(options)
}
