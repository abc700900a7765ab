//! Tables that another library hands over, by the Arrow PyCapsule interface.

use std::panic::{AssertUnwindSafe, catch_unwind};

use arrow_array::ffi_stream::{FFI_ArrowArrayStream, RecordBatchStreamReader};
use arrow_array::{Array as _, RecordBatch, RecordBatchReader as _};
use arrow_schema::{ArrowError, DataType, SchemaRef};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyCapsule;
use rosettar::error::code;
use rosettar::{Error, Result};

/// Batches that another library hands over, each checked as a whole before it is used.
pub struct Batches(RecordBatchStreamReader);

impl Batches {
    /// The schema of all of them.
    pub fn schema(&self) -> SchemaRef {
        self.0.schema()
    }

    /// The next one.
    ///
    /// # Errors
    /// `usage.input` where the other library fails, or what it hands over breaks Arrow's rules as far as that can be seen:
    /// offsets that go back, numbers that a dictionary does not have, text that is not UTF-8.
    pub fn next(&mut self) -> Result<Option<RecordBatch>> {
        // What breaks the rules may make the import panic.
        let next = catch_unwind(AssertUnwindSafe(|| {
            let Some(batch) = self.0.next().transpose()? else { return Ok(None) };
            batch.columns().iter().try_for_each(|column| column.to_data().validate_full())?;
            Ok(Some(batch))
        }));
        let next = next.unwrap_or_else(|_| Err(ArrowError::CDataInterface("an array makes no sense".to_owned())));
        next.map_err(|error| {
            let advice = match self.schema().fields().iter().any(|field| has_nulls_alone(field.data_type())) {
                true => "; a column that is nothing but null may be the cause: cast it, or install pyarrow",
                false => "",
            };
            Error::new(code::USAGE_INPUT, format!("the table's Arrow stream failed: {error}{advice}"))
        })
    }
}

/// The batches of anything with `__arrow_c_stream__`.
pub fn import(table: &Bound<'_, PyAny>) -> PyResult<Batches> {
    let batches = import_from(table)?;
    let schema = batches.schema();
    // Polars states a buffer for the type null, which has none. pyarrow takes that, and hands it over as it should be.
    if schema.fields().iter().any(|field| has_nulls_alone(field.data_type()))
        && !is_of(table, "pyarrow")?
        && let Ok(pyarrow) = table.py().import("pyarrow")
    {
        let reader = pyarrow.getattr("RecordBatchReader")?.call_method1("from_stream", (table,))?;
        return import_from(&reader);
    }
    Ok(batches)
}

/// Whether a type is, or holds, the type null.
fn has_nulls_alone(data_type: &DataType) -> bool {
    match data_type {
        DataType::Null => true,
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::ListView(item)
        | DataType::LargeListView(item)
        | DataType::FixedSizeList(item, _)
        | DataType::Map(item, _)
        | DataType::RunEndEncoded(_, item) => has_nulls_alone(item.data_type()),
        DataType::Struct(fields) => fields.iter().any(|field| has_nulls_alone(field.data_type())),
        DataType::Union(fields, _) => fields.iter().any(|(_, field)| has_nulls_alone(field.data_type())),
        DataType::Dictionary(_, values) => has_nulls_alone(values),
        _ => false,
    }
}

/// Whether an object is of a library.
fn is_of(object: &Bound<'_, PyAny>, library: &str) -> PyResult<bool> {
    let module: String = object.get_type().module()?.extract()?;
    Ok(module.split('.').next() == Some(library))
}

fn import_from(table: &Bound<'_, PyAny>) -> PyResult<Batches> {
    let Some(method) = table.getattr_opt("__arrow_c_stream__")? else {
        let found = table.get_type().name()?;
        let message = format!(
            "expected a table with __arrow_c_stream__, such as one of pyarrow, polars or pandas, found {found}"
        );
        return Err(PyTypeError::new_err(message));
    };
    let capsule = method.call0()?.cast_into::<PyCapsule>()?;
    let pointer = capsule.pointer_checked(Some(c"arrow_array_stream"))?.cast::<FFI_ArrowArrayStream>();
    // SAFETY: a capsule of this name holds a valid ArrowArrayStream (Arrow PyCapsule interface), whose name was checked
    // just now. It is moved out, and what stays is marked as released, so that the capsule frees nothing twice; the
    // capsule itself is alive until the end of this function, and the interpreter is held, so that nobody else takes it.
    let stream = unsafe { FFI_ArrowArrayStream::from_raw(pointer.as_ptr()) };
    // A schema that breaks the rules may make the import panic.
    let reader = catch_unwind(AssertUnwindSafe(|| RecordBatchStreamReader::try_new(stream)));
    let reader = reader.unwrap_or_else(|_| Err(ArrowError::CDataInterface("the schema makes no sense".to_owned())));
    let reader =
        reader.map_err(|error| PyValueError::new_err(format!("the table's Arrow stream cannot be read: {error}")))?;
    Ok(Batches(reader))
}
