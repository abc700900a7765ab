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
        let text = || value.extract::<String>().map_err(|_| wrong(py, &name, "text", &value));
        let number = || value.extract::<usize>().map_err(|_| wrong(py, &name, "a number that is not negative", &value));
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
            "recursion" => options.recursion(number()?),
            "defaults" => options.defaults(value.extract().map_err(|_| wrong(py, &name, "True or False", &value))?),
            "batch_rows" => options.batch_rows(number()?),
            "batch_bytes" => options.batch_bytes(number()?),
            "threads" => options.threads(number()?),
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

fn wrong(py: Python<'_>, option: &str, expected: &str, found: &Bound<'_, PyAny>) -> PyErr {
    let found = found.repr().map_or_else(|_| "something else".to_owned(), |repr| repr.to_string());
    let found: String = found.chars().take(100).collect();
    errors::usage(py, code::USAGE_OPTION, format!("option {option}: expected {expected}, found {found}"))
}
