//! Messages as plain Python values.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor, ReflectMessage as _, Value};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyString};
use rosettar::error::code;
use rosettar::{Error, Limits};

use crate::errors;

/// How much is made of a value for somebody who only sees the beginning of it: so many values, each of which takes some
/// characters, and so many characters or bytes of a text.
const MOST_SHOWN: usize = 40;
const MOST_TEXT: usize = 128;

/// How many values take as much memory as a dict does that is nearly empty.
const VALUES_PER_DICT: u64 = 4;

/// Turns messages into dicts; keeps what it needs to know of each type.
pub struct Converter {
    timestamp: Py<PyAny>,
    duration: Py<PyAny>,
    /// By where the name of the type is in memory, with one of the type that keeps it there: names may be long.
    types: Mutex<HashMap<usize, (MessageDescriptor, Arc<Shape>)>>,
    /// The fields of the outermost message that are wanted; all where empty.
    columns: Vec<String>,
    /// Their shape, once a message was seen.
    outermost: Mutex<Option<Arc<Shape>>>,
    /// How many fields may be absent in the messages inside of a record, of which there may be a quarter as many.
    limit: u64,
    /// Whether only the beginnings of values are made.
    shown: bool,
}

/// What the dicts of a type have in common.
struct Shape {
    /// A message without content, and its dict, which is copied. Lists and dicts in it are not to be shared.
    nothing: DynamicMessage,
    empty: Py<PyDict>,
    /// In the order of their numbers.
    fields: Vec<Known>,
    /// The places of lists and maps in them.
    containers: Vec<usize>,
    /// The places of floats without presence, of which the negative zero counts as absent.
    floats: Vec<usize>,
    /// Whether the fields were asked for by name.
    selected: bool,
}

/// A field, and its name as a Python string that all dicts share.
struct Known {
    number: u32,
    field: FieldDescriptor,
    kind: Kind,
    name: Py<PyString>,
    /// The fields of the message in it that are wanted, where these are not all.
    inner: Option<Arc<Shape>>,
}

/// What the conversion of one record has come to.
struct Progress<'w> {
    /// Whether the outermost message was begun.
    inside: bool,
    /// How many messages inside of it were made dicts, and how many of their absent fields values.
    messages: u64,
    absent: u64,
    /// How many more values are shown.
    left: usize,
    /// What the record is called.
    place: &'w dyn Fn() -> String,
}

impl Progress<'_> {
    /// For what has no fields to count.
    fn of_nothing() -> Self {
        Self { inside: false, messages: 0, absent: 0, left: MOST_SHOWN, place: &String::new }
    }
}

impl Converter {
    pub fn new(py: Python<'_>, limits: &Limits) -> PyResult<Self> {
        let times = py.import("rosettar._times")?;
        Ok(Self {
            timestamp: times.getattr("make_timestamp")?.unbind(),
            duration: times.getattr("make_duration")?.unbind(),
            types: Mutex::new(HashMap::new()),
            columns: Vec::new(),
            outermost: Mutex::new(None),
            limit: limits.record_values,
            shown: false,
        })
    }

    /// Keeps to these columns: names of fields, and with dots of fields of messages.
    pub fn only(self, columns: Vec<String>) -> Self {
        Self { columns, ..self }
    }

    /// Makes no more of each column than somebody sees.
    pub fn shown(self) -> Self {
        Self { shown: true, ..self }
    }

    /// A message as a dict, or as what its well-known type stands for; `place` is what errors call it.
    ///
    /// # Errors
    /// `limit.record-values` where the messages inside of it have more absent fields than a record may have values, or are
    /// more than a quarter of that.
    pub fn message<'py>(
        &self,
        py: Python<'py>,
        message: &DynamicMessage,
        place: &dyn Fn() -> String,
    ) -> PyResult<Bound<'py, PyAny>> {
        let descriptor = message.descriptor();
        let mut progress = Progress { inside: false, messages: 0, absent: 0, left: MOST_SHOWN, place };
        if let Some(plain) = self.well_known(py, message, descriptor.full_name(), &mut progress)? {
            return Ok(plain);
        }
        let outermost = self.outermost.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let shape = match outermost {
            Some(shape) => shape,
            None => {
                let columns: Vec<&str> = self.columns.iter().map(String::as_str).collect();
                let shape = Arc::new(self.shape(py, &descriptor, &columns)?);
                *self.outermost.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&shape));
                shape
            }
        };
        self.fields(py, message, &shape, &mut progress)
    }

    /// The shape of a type of which every field is wanted.
    fn whole(&self, py: Python<'_>, descriptor: &MessageDescriptor) -> PyResult<Arc<Shape>> {
        let place = descriptor.full_name().as_ptr().addr();
        if let Some((_, shape)) = self.types.lock().unwrap_or_else(PoisonError::into_inner).get(&place) {
            return Ok(Arc::clone(shape));
        }
        let shape = Arc::new(self.shape(py, descriptor, &[])?);
        let mut types = self.types.lock().unwrap_or_else(PoisonError::into_inner);
        types.insert(place, (descriptor.clone(), Arc::clone(&shape)));
        Ok(shape)
    }

    fn shape(&self, py: Python<'_>, descriptor: &MessageDescriptor, columns: &[&str]) -> PyResult<Shape> {
        let selected = !columns.is_empty();
        let (empty, mut fields) = (PyDict::new(py), Vec::new());
        let (mut containers, mut floats) = (Vec::new(), Vec::new());
        let nothing = DynamicMessage::new(descriptor.clone());
        let most = if self.shown && !selected { MOST_SHOWN } else { usize::MAX };
        for field in descriptor.fields().take(most) {
            let whole = columns.contains(&field.name());
            let inner: Vec<&str> = match whole {
                true => Vec::new(),
                false => columns.iter().filter_map(|c| c.strip_prefix(field.name())?.strip_prefix('.')).collect(),
            };
            if selected && !whole && inner.is_empty() {
                continue;
            }
            let inner = match message_in(&field.kind()) {
                Some(message) if !inner.is_empty() => Some(Arc::new(self.shape(py, &message, &inner)?)),
                _ => None,
            };
            let name = if selected { PyString::new(py, field.name()) } else { self.text(py, field.name()) };
            if field.is_list() || field.is_map() {
                containers.push(fields.len());
                empty.set_item(&name, py.None())?;
            } else if field.supports_presence() {
                empty.set_item(&name, py.None())?;
            } else {
                if matches!(field.kind(), Kind::Float | Kind::Double) {
                    floats.push(fields.len());
                }
                // A scalar, in which there are no fields to count.
                let mut progress = Progress::of_nothing();
                let value = nothing.get_field(&field);
                empty.set_item(&name, self.scalar(py, &value, &field.kind(), None, &mut progress)?)?;
            }
            let (number, kind) = (field.number(), field.kind());
            fields.push(Known { number, field, kind, name: name.unbind(), inner });
        }
        Ok(Shape { nothing, empty: empty.unbind(), fields, containers, floats, selected })
    }

    fn convert<'py>(
        &self,
        py: Python<'py>,
        message: &DynamicMessage,
        inner: Option<&Arc<Shape>>,
        progress: &mut Progress<'_>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let descriptor = message.descriptor();
        if let Some(plain) = self.well_known(py, message, descriptor.full_name(), progress)? {
            return Ok(plain);
        }
        let shape = match inner {
            Some(shape) => Arc::clone(shape),
            None => self.whole(py, &descriptor)?,
        };
        self.fields(py, message, &shape, progress)
    }

    fn fields<'py>(
        &self,
        py: Python<'py>,
        message: &DynamicMessage,
        shape: &Shape,
        progress: &mut Progress<'_>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let present: Vec<(FieldDescriptor, &Value)> = message.fields().collect();
        let absent = shape.fields.len().saturating_sub(present.len());
        // Counted before anything is made of it: an empty message may stand for any number of fields. How many are absent
        // in the record itself its type bounds.
        if progress.inside {
            progress.absent += absent as u64;
            progress.messages += 1;
            if progress.absent > self.limit || progress.messages > self.limit / VALUES_PER_DICT {
                return Err(errors::raise(py, self.too_many(progress).about((progress.place)())));
            }
        }
        progress.inside = true;
        let dict = shape.empty.bind(py).copy()?;
        for place in &shape.containers {
            let Known { field, name, .. } = &shape.fields[*place];
            if !message.has_field(field) {
                match field.is_map() {
                    true => dict.set_item(name, PyDict::new(py))?,
                    false => dict.set_item(name, PyList::empty(py))?,
                }
            }
        }
        let floats = if *message == shape.nothing { &[] } else { &shape.floats[..] };
        for place in floats {
            let Known { field, name, kind, .. } = &shape.fields[*place];
            if !message.has_field(field) {
                let value = message.get_field(field);
                dict.set_item(name, self.scalar(py, &value, kind, None, progress)?)?;
            }
        }
        let mut fields = &shape.fields[..];
        for (field, value) in present {
            let number = field.number();
            if fields.first().is_none_or(|known| known.number != number) {
                fields = &fields[fields.partition_point(|known| known.number < number)..];
            }
            let Some(Known { name, kind, inner, .. }) = fields.first().filter(|known| known.number == number) else {
                continue;
            };
            fields = &fields[1..];
            if shape.selected {
                progress.left = MOST_SHOWN;
            } else if self.is_enough(progress) {
                break;
            }
            dict.set_item(name, self.value(py, value, kind, inner.as_ref(), progress)?)?;
        }
        progress.left = progress.left.saturating_sub(absent);
        if !shape.selected {
            for (extension, value) in message.extensions() {
                if self.is_enough(progress) {
                    break;
                }
                let value = self.value(py, value, &extension.kind(), None, progress)?;
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
        inner: Option<&Arc<Shape>>,
        progress: &mut Progress<'_>,
    ) -> PyResult<Bound<'py, PyAny>> {
        match value {
            Value::List(items) => {
                let list = PyList::empty(py);
                for item in items {
                    if self.is_enough(progress) {
                        break;
                    }
                    list.append(self.scalar(py, item, kind, inner, progress)?)?;
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
                    if self.is_enough(progress) {
                        break;
                    }
                    dict.set_item(self.map_key(py, key)?, self.scalar(py, value, &kind, inner, progress)?)?;
                }
                Ok(dict.into_any())
            }
            value => self.scalar(py, value, kind, inner, progress),
        }
    }

    #[cold]
    fn too_many(&self, progress: &Progress<'_>) -> Error {
        let message = match progress.absent > self.limit {
            true => format!(
                "more than {} absent fields, which would become values of a dict, exceed the limit record-values",
                self.limit
            ),
            false => format!(
                "more than {} messages, which would become dicts, exceed what the limit record-values of {} allows",
                self.limit / VALUES_PER_DICT,
                self.limit
            ),
        };
        Error::new(code::LIMIT_RECORD_VALUES, message)
    }

    /// Counts a value; whether more of them are not seen.
    fn is_enough(&self, progress: &mut Progress<'_>) -> bool {
        let enough = self.shown && progress.left == 0;
        progress.left = progress.left.saturating_sub(1);
        enough
    }

    fn text<'py>(&self, py: Python<'py>, text: &str) -> Bound<'py, PyString> {
        match text.char_indices().nth(MOST_TEXT) {
            Some((end, _)) if self.shown => PyString::new(py, &text[..end]),
            _ => PyString::new(py, text),
        }
    }

    fn scalar<'py>(
        &self,
        py: Python<'py>,
        value: &Value,
        kind: &Kind,
        inner: Option<&Arc<Shape>>,
        progress: &mut Progress<'_>,
    ) -> PyResult<Bound<'py, PyAny>> {
        Ok(match value {
            Value::Bool(value) => value.into_pyobject(py)?.to_owned().into_any(),
            Value::I32(value) => value.into_pyobject(py)?.into_any(),
            Value::I64(value) => value.into_pyobject(py)?.into_any(),
            Value::U32(value) => value.into_pyobject(py)?.into_any(),
            Value::U64(value) => value.into_pyobject(py)?.into_any(),
            Value::F32(value) => value.into_pyobject(py)?.into_any(),
            Value::F64(value) => value.into_pyobject(py)?.into_any(),
            Value::String(value) => self.text(py, value).into_any(),
            Value::Bytes(value) if self.shown => PyBytes::new(py, &value[..value.len().min(MOST_TEXT)]).into_any(),
            Value::Bytes(value) => PyBytes::new(py, value).into_any(),
            Value::EnumNumber(number) => match kind {
                Kind::Enum(of) if of.full_name() == "google.protobuf.NullValue" => py.None().into_bound(py),
                Kind::Enum(of) => match of.get_value(*number) {
                    Some(named) if self.shown => self.text(py, named.name()).into_any(),
                    Some(named) => PyString::intern(py, named.name()).into_any(),
                    None => number.into_pyobject(py)?.into_any(),
                },
                _ => number.into_pyobject(py)?.into_any(),
            },
            Value::Message(message) => self.convert(py, message, inner, progress)?,
            Value::List(_) | Value::Map(_) => py.None().into_bound(py),
        })
    }

    fn map_key<'py>(&self, py: Python<'py>, key: &MapKey) -> PyResult<Bound<'py, PyAny>> {
        Ok(match key {
            MapKey::Bool(key) => key.into_pyobject(py)?.to_owned().into_any(),
            MapKey::I32(key) => key.into_pyobject(py)?.into_any(),
            MapKey::I64(key) => key.into_pyobject(py)?.into_any(),
            MapKey::U32(key) => key.into_pyobject(py)?.into_any(),
            MapKey::U64(key) => key.into_pyobject(py)?.into_any(),
            MapKey::String(key) => self.text(py, key).into_any(),
        })
    }

    /// What a message of one of protobuf's well-known types stands for.
    fn well_known<'py>(
        &self,
        py: Python<'py>,
        message: &DynamicMessage,
        name: &str,
        progress: &mut Progress<'_>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let Some(name) = name.strip_prefix("google.protobuf.") else { return Ok(None) };
        let descriptor = message.descriptor();
        let field = |number: u32| descriptor.get_field(number);
        // Borrowed: a value may be most of the record.
        let get = |number: u32| message.get_field_by_number(number);
        Ok(match name {
            "Timestamp" | "Duration" => {
                let (seconds, nanos) = (get(1), get(2));
                let (Some(Value::I64(seconds)), Some(Value::I32(nanos))) = (seconds.as_deref(), nanos.as_deref())
                else {
                    return Ok(None);
                };
                let make = if name == "Timestamp" { &self.timestamp } else { &self.duration };
                Some(make.bind(py).call1((seconds, nanos))?)
            }
            "DoubleValue" | "FloatValue" | "Int64Value" | "UInt64Value" | "Int32Value" | "UInt32Value"
            | "BoolValue" | "StringValue" | "BytesValue" => match (get(1), field(1)) {
                (Some(value), Some(field)) => Some(self.scalar(py, &value, &field.kind(), None, progress)?),
                _ => None,
            },
            "FieldMask" | "ListValue" | "Struct" => match (get(1).as_deref(), field(1)) {
                (Some(value @ (Value::List(_) | Value::Map(_))), Some(field)) => {
                    Some(self.value(py, value, &field.kind(), None, progress)?)
                }
                _ => None,
            },
            "Value" => match descriptor.fields().find(|field| message.has_field(field)) {
                Some(field) => Some(self.scalar(py, &message.get_field(&field), &field.kind(), None, progress)?),
                None => Some(py.None().into_bound(py)),
            },
            _ => None,
        })
    }
}

/// The message that a value of this kind is or, of a map, has as its values.
fn message_in(kind: &Kind) -> Option<MessageDescriptor> {
    match kind {
        Kind::Message(entry) if entry.is_map_entry() => message_in(&entry.map_entry_value_field().kind()),
        Kind::Message(message) => Some(message.clone()),
        _ => None,
    }
}
