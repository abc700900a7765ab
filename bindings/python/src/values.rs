//! Messages as plain Python values.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor, ReflectMessage as _, Value};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyString};

/// Turns messages into dicts; keeps what it needs to know of each type.
pub struct Converter {
    timestamp: Py<PyAny>,
    duration: Py<PyAny>,
    types: Mutex<HashMap<String, Arc<Vec<Known>>>>,
    /// The fields of the outermost message that are wanted; all where empty.
    columns: Vec<String>,
}

/// A field, and its name as a Python string that all dicts share.
struct Known {
    field: FieldDescriptor,
    name: Py<PyString>,
}

impl Converter {
    pub fn new(py: Python<'_>) -> PyResult<Self> {
        let times = py.import("rosettar._times")?;
        Ok(Self {
            timestamp: times.getattr("make_timestamp")?.unbind(),
            duration: times.getattr("make_duration")?.unbind(),
            types: Mutex::new(HashMap::new()),
            columns: Vec::new(),
        })
    }

    /// Keeps to these columns: names of fields, and with dots of fields of messages.
    pub fn only(self, columns: Vec<String>) -> Self {
        Self { columns, ..self }
    }

    /// A message as a dict, or as what its well-known type stands for.
    pub fn message<'py>(&self, py: Python<'py>, message: &DynamicMessage) -> PyResult<Bound<'py, PyAny>> {
        let columns: Vec<&str> = self.columns.iter().map(String::as_str).collect();
        self.convert(py, message, &columns)
    }

    fn known(&self, py: Python<'_>, descriptor: &MessageDescriptor) -> Arc<Vec<Known>> {
        let mut types = self.types.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = types.get(descriptor.full_name()) {
            return Arc::clone(known);
        }
        let name = |field: &FieldDescriptor| PyString::new(py, field.name()).unbind();
        let known: Arc<Vec<Known>> =
            Arc::new(descriptor.fields().map(|field| Known { name: name(&field), field }).collect());
        types.insert(descriptor.full_name().to_owned(), Arc::clone(&known));
        known
    }

    fn convert<'py>(&self, py: Python<'py>, message: &DynamicMessage, columns: &[&str]) -> PyResult<Bound<'py, PyAny>> {
        let descriptor = message.descriptor();
        if let Some(plain) = self.well_known(py, message, descriptor.full_name())? {
            return Ok(plain);
        }
        let dict = PyDict::new(py);
        for Known { field, name } in self.known(py, &descriptor).iter() {
            let mut inner = Vec::new();
            if !columns.is_empty() {
                let whole = columns.contains(&field.name());
                inner = columns.iter().filter_map(|c| c.strip_prefix(field.name())?.strip_prefix('.')).collect();
                if whole {
                    inner.clear();
                } else if inner.is_empty() {
                    continue;
                }
            }
            if field.supports_presence() && !message.has_field(field) {
                dict.set_item(name, py.None())?;
                continue;
            }
            dict.set_item(name, self.value(py, &message.get_field(field), &field.kind(), field, &inner)?)?;
        }
        if columns.is_empty() {
            for (extension, value) in message.extensions() {
                let kind = extension.kind();
                let value = match value {
                    Value::List(items) => {
                        let list = PyList::empty(py);
                        for item in items {
                            list.append(self.scalar(py, item, &kind, &[])?)?;
                        }
                        list.into_any()
                    }
                    value => self.scalar(py, value, &kind, &[])?,
                };
                dict.set_item(format!("[{}]", extension.full_name()), value)?;
            }
        }
        Ok(dict.into_any())
    }

    fn value<'py>(
        &self,
        py: Python<'py>,
        value: &Value,
        kind: &Kind,
        field: &FieldDescriptor,
        columns: &[&str],
    ) -> PyResult<Bound<'py, PyAny>> {
        match value {
            Value::List(items) => {
                let list = PyList::empty(py);
                for item in items {
                    list.append(self.scalar(py, item, kind, columns)?)?;
                }
                Ok(list.into_any())
            }
            Value::Map(map) => {
                let dict = PyDict::new(py);
                let Kind::Message(entry) = kind else { return Ok(dict.into_any()) };
                let kind = entry.map_entry_value_field().kind();
                // The order of a hash map is no order.
                let mut pairs: Vec<(&MapKey, &Value)> = map.iter().collect();
                pairs.sort_by(|a, b| a.0.cmp(b.0));
                for (key, value) in pairs {
                    dict.set_item(map_key(py, key)?, self.scalar(py, value, &kind, columns)?)?;
                }
                Ok(dict.into_any())
            }
            value => {
                let _ = field;
                self.scalar(py, value, kind, columns)
            }
        }
    }

    fn scalar<'py>(
        &self,
        py: Python<'py>,
        value: &Value,
        kind: &Kind,
        columns: &[&str],
    ) -> PyResult<Bound<'py, PyAny>> {
        Ok(match value {
            Value::Bool(value) => value.into_pyobject(py)?.to_owned().into_any(),
            Value::I32(value) => value.into_pyobject(py)?.into_any(),
            Value::I64(value) => value.into_pyobject(py)?.into_any(),
            Value::U32(value) => value.into_pyobject(py)?.into_any(),
            Value::U64(value) => value.into_pyobject(py)?.into_any(),
            Value::F32(value) => value.into_pyobject(py)?.into_any(),
            Value::F64(value) => value.into_pyobject(py)?.into_any(),
            Value::String(value) => value.into_pyobject(py)?.into_any(),
            Value::Bytes(value) => PyBytes::new(py, value).into_any(),
            Value::EnumNumber(number) => match kind {
                Kind::Enum(of) if of.full_name() == "google.protobuf.NullValue" => py.None().into_bound(py),
                Kind::Enum(of) => match of.get_value(*number) {
                    Some(named) => PyString::intern(py, named.name()).into_any(),
                    None => number.into_pyobject(py)?.into_any(),
                },
                _ => number.into_pyobject(py)?.into_any(),
            },
            Value::Message(message) => self.convert(py, message, columns)?,
            Value::List(_) | Value::Map(_) => py.None().into_bound(py),
        })
    }

    /// What a message of one of protobuf's well-known types stands for.
    fn well_known<'py>(
        &self,
        py: Python<'py>,
        message: &DynamicMessage,
        name: &str,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let Some(name) = name.strip_prefix("google.protobuf.") else { return Ok(None) };
        let descriptor = message.descriptor();
        let field = |number: u32| descriptor.get_field(number);
        let get = |number: u32| field(number).map(|field| message.get_field(&field).into_owned());
        Ok(match name {
            "Timestamp" | "Duration" => {
                let (Some(Value::I64(seconds)), Some(Value::I32(nanos))) = (get(1), get(2)) else { return Ok(None) };
                let make = if name == "Timestamp" { &self.timestamp } else { &self.duration };
                Some(make.bind(py).call1((seconds, nanos))?)
            }
            "DoubleValue" | "FloatValue" | "Int64Value" | "UInt64Value" | "Int32Value" | "UInt32Value"
            | "BoolValue" | "StringValue" | "BytesValue" => match (get(1), field(1)) {
                (Some(value), Some(field)) => Some(self.scalar(py, &value, &field.kind(), &[])?),
                _ => None,
            },
            "FieldMask" | "ListValue" | "Struct" => match (get(1), field(1)) {
                (Some(value @ (Value::List(_) | Value::Map(_))), Some(field)) => {
                    Some(self.value(py, &value, &field.kind(), &field, &[])?)
                }
                _ => None,
            },
            "Value" => match descriptor.fields().find(|field| message.has_field(field)) {
                Some(field) => Some(self.scalar(py, &message.get_field(&field), &field.kind(), &[])?),
                None => Some(py.None().into_bound(py)),
            },
            _ => None,
        })
    }
}

fn map_key<'py>(py: Python<'py>, key: &MapKey) -> PyResult<Bound<'py, PyAny>> {
    Ok(match key {
        MapKey::Bool(key) => key.into_pyobject(py)?.to_owned().into_any(),
        MapKey::I32(key) => key.into_pyobject(py)?.into_any(),
        MapKey::I64(key) => key.into_pyobject(py)?.into_any(),
        MapKey::U32(key) => key.into_pyobject(py)?.into_any(),
        MapKey::U64(key) => key.into_pyobject(py)?.into_any(),
        MapKey::String(key) => key.into_pyobject(py)?.into_any(),
    })
}
