//! Arrow tables as records: the type that a schema gets, and the records of its batches.

#[cfg(test)]
mod generated;
pub(crate) mod levels;
pub(crate) mod names;
pub(crate) mod proto;
pub(crate) mod shape;

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::{Schema, SchemaRef};
use rosettar::RecordType;
use rosettar::error::{Error, Result, code};

use self::shape::{Column, Path};
use crate::{derive, encode};

/// A protobuf type for the rows of a table, derived from the table's Arrow schema.
///
/// It is one that a person could have written: a message with a field for each column. What protobuf does not know, such
/// as 8-bit integers, or that strings were a dictionary, stands in options of the fields, which readers of this crate
/// understand: they restore the table with its types, nulls and metadata. spec/ARROW.md has the mapping.
///
/// ```
/// use std::sync::Arc;
/// use arrow_array::{ArrayRef, Int8Array, RecordBatch, StringArray};
/// use rosettar_arrow::TableType;
///
/// let names: ArrayRef = Arc::new(StringArray::from(vec![Some("Ada"), None]));
/// let ages: ArrayRef = Arc::new(Int8Array::from(vec![36, 41]));
/// let batch = RecordBatch::try_from_iter([("name", names), ("age", ages)])?;
///
/// let table = TableType::derive("people", &batch.schema())?;
/// let mut archive = Vec::new();
/// let mut writer = rosettar::WriteOptions::new().write_to(&mut archive)?;
/// let people = writer.declare("people", table.record_type())?;
/// table.encode(&batch, |record| writer.append_encoded(people, record))?;
/// writer.finish()?;
/// assert_eq!(rosettar::open(archive)?.stream("people")?.len(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct TableType {
    schema: SchemaRef,
    /// With the values of ordered dictionaries.
    noted: Schema,
    columns: Vec<Column>,
    type_name: String,
    descriptor_set: Vec<u8>,
}

impl TableType {
    /// Derives a type from `schema`. It is called `rosettar.tables.Name`, the last part being `name` in camel case, with
    /// whatever no identifier may hold replaced by `_`.
    ///
    /// ```
    /// use arrow_schema::{DataType, Field, Schema};
    ///
    /// let schema = Schema::new(vec![Field::new("departure delay", DataType::Int16, true)]);
    /// let table = rosettar_arrow::TableType::derive("flights", &schema)?;
    /// assert_eq!(table.type_name(), "rosettar.tables.Flights");
    /// # Ok::<(), rosettar::Error>(())
    /// ```
    ///
    /// # Errors
    /// `usage.input` for a type that no record can hold, with the path of the column; `schema.too-large` and other
    /// errors of [`rosettar::schema::build_pool`] for a schema that makes more than a descriptor set may hold.
    pub fn derive(name: &str, schema: &Schema) -> Result<Self> {
        Self::derive_noted(name, schema, levels::noted(schema, None)?)
    }

    /// The same from the first batch of a table. The type keeps the values of its ordered dictionaries, and so their order;
    /// dictionaries of later batches may have no others. A type that is derived from a schema alone takes none.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use arrow_array::{ArrayRef, DictionaryArray, RecordBatch, types::Int8Type};
    /// use arrow_schema::{Field, Schema};
    ///
    /// let sizes: DictionaryArray<Int8Type> = ["small", "large"].into_iter().collect();
    /// let field = Field::new("size", sizes.data_type().clone(), false).with_dict_is_ordered(true);
    /// let sizes: ArrayRef = Arc::new(sizes);
    /// let batch = RecordBatch::try_new(Arc::new(Schema::new(vec![field])), vec![sizes])?;
    /// let table = rosettar_arrow::TableType::derive_for("shirts", &batch)?;
    /// table.encode(&batch, |_| Ok(()))?;
    /// # use arrow_array::Array as _;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`derive`](Self::derive), and `usage.input` for an ordered dictionary of more than 65 536 values, more than 1 MiB
    /// of them, or values that are structs, lists or the like.
    pub fn derive_for(name: &str, batch: &RecordBatch) -> Result<Self> {
        let schema = batch.schema();
        Self::derive_noted(name, &schema, levels::noted(&schema, Some(batch))?)
    }

    fn derive_noted(name: &str, schema: &Schema, noted: Schema) -> Result<Self> {
        let columns = shape::columns(noted.fields(), &Path::ROOT)?;
        let (type_name, descriptor_set) = derive::derive(name, &noted, &columns)?;
        rosettar::schema::build_pool(&descriptor_set)?;
        Ok(Self { schema: Arc::new(schema.clone()), noted, columns, type_name, descriptor_set })
    }

    /// The full name of the message type.
    pub fn type_name(&self) -> &str {
        &self.type_name
    }

    /// The Arrow schema that it was derived from.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The type as [`Writer::declare`](rosettar::Writer::declare) takes it: with `rosettar/arrow/v1/arrow.proto` and
    /// whatever else it imports.
    ///
    /// ```
    /// use arrow_schema::{DataType, Field, Schema};
    ///
    /// let schema = Schema::new(vec![Field::new("delay", DataType::Int16, true)]);
    /// let table = rosettar_arrow::TableType::derive("flights", &schema)?;
    /// let mut archive = Vec::new();
    /// let mut writer = rosettar::WriteOptions::new().write_to(&mut archive)?;
    /// writer.declare("flights", table.record_type())?;
    /// # Ok::<(), rosettar::Error>(())
    /// ```
    pub fn record_type(&self) -> RecordType {
        RecordType::new(&self.type_name, &self.descriptor_set[..])
    }

    /// Encodes each row of `batch`, straight from its arrays, and calls `each` with the record, whose bytes are
    /// overwritten by the next one. The same row has the same bytes always.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use arrow_array::{ArrayRef, Int32Array, RecordBatch};
    ///
    /// let delays: ArrayRef = Arc::new(Int32Array::from(vec![Some(7), None]));
    /// let batch = RecordBatch::try_from_iter_with_nullable([("delay", delays, true)])?;
    /// let table = rosettar_arrow::TableType::derive("flights", &batch.schema())?;
    /// let mut records = Vec::new();
    /// table.encode(&batch, |record| {
    ///     records.push(record.to_vec());
    ///     Ok(())
    /// })?;
    /// assert_eq!(records, [vec![0x08, 7], vec![]]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// `usage.input` where the columns of `batch`, or the values of its ordered dictionaries, are not those that the type
    /// was derived from; `record.value`, with row
    /// and column, for a value that a record cannot hold: a null in a column that has none, a time outside the years 1
    /// to 9999, a decimal with more digits than its type has, a map with a key twice. Whatever `each` returns.
    pub fn encode(&self, batch: &RecordBatch, mut each: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        self.check(batch)?;
        let rows = encode::Rows::bind(&self.columns, batch)?;
        let mut record = Vec::new();
        for row in 0..batch.num_rows() {
            record.clear();
            rows.put(row, &mut record).map_err(|error| error.about(format_args!("row {row}")))?;
            each(&record)?;
        }
        Ok(())
    }

    /// Checks that `batch` has the columns of the type.
    fn check(&self, batch: &RecordBatch) -> Result<()> {
        let found = batch.schema();
        let differs = |message: String| Err(Error::new(code::USAGE_INPUT, message));
        if found.fields().len() != self.columns.len() {
            let (expected, found) = (self.columns.len(), found.fields().len());
            return differs(format!("a batch has {found} columns, but the table's type was derived from {expected}"));
        }
        for (own, found) in self.schema.fields().iter().zip(found.fields()) {
            if own.name() != found.name() {
                return differs(format!(
                    "a batch has column {:?} where the table's type has {:?}",
                    found.name(),
                    own.name()
                ));
            }
            if !own.data_type().equals_datatype(found.data_type()) {
                let (name, own, found) = (own.name(), own.data_type(), found.data_type());
                return differs(format!(
                    "column {name:?} of a batch is {found}, but the table's type was derived from {own}"
                ));
            }
        }
        levels::check(&self.noted, batch)
    }
}
