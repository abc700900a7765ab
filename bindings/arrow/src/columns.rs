//! Tables of columns under construction.
//!
//! A row is written out of order and more than once, as fields come on the wire: so each row begins with the value that an
//! absent field has, and a value that comes replaces what is there. Messages inside a message are columns of the same
//! table; elements of a list have a table of their own. A column takes no memory before something is written to it: of a
//! type with many fields most records state few.

use crate::fault::Fault;
use crate::plan::{ColumnPlan, FieldPlan, Kind, MessagePlan, Shape, Store, TablePlan};

/// A place in the source, or in the arena for what is not there as such.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slot {
    at: u32,
    len: u32,
}

/// The bit that tells the arena from the source, of which neither gets that long.
const ARENA: u32 = 1 << 31;

impl Slot {
    pub(crate) const EMPTY: Self = Self { at: 0, len: 0 };

    #[inline(always)]
    pub(crate) fn in_source(start: usize, end: usize) -> Self {
        Self { at: start as u32, len: (end - start) as u32 }
    }

    pub(crate) fn in_arena(start: usize, len: usize) -> Self {
        Self { at: start as u32 | ARENA, len: len as u32 }
    }

    #[inline(always)]
    pub(crate) fn len(self) -> usize {
        self.len as usize
    }

    #[inline(always)]
    pub(crate) fn of<'a>(self, source: &'a [u8], arena: &'a [u8]) -> &'a [u8] {
        let (bytes, at) = if self.at & ARENA == 0 { (source, self.at) } else { (arena, self.at & !ARENA) };
        &bytes[at as usize..][..self.len as usize]
    }
}

/// The most bytes that a slot can reach.
pub(crate) const MOST_SOURCE: usize = ARENA as usize - 1;

/// How much the tables have grown: what their rows take once every column is written to.
#[derive(Debug, Default)]
pub(crate) struct Growth {
    pub(crate) bytes: usize,
    /// What it was when the record at hand began.
    before: usize,
}

impl Growth {
    /// Begins a record.
    pub(crate) fn begin(&mut self) {
        self.before = self.bytes;
    }
}

/// The most that the tables may grow by for one record.
pub(crate) const MOST_GROWTH: usize = 96 << 20;

/// The most that a message may take as JSON.
pub(crate) const MOST_JSON: usize = 64 << 20;

pub(crate) struct Table {
    pub(crate) columns: Vec<Column>,
    pub(crate) len: usize,
    /// How many rows there is room for, as far as was counted; a column that is written to gets as many.
    pub(crate) grown: usize,
    row_bytes: usize,
}

pub(crate) struct Column {
    pub(crate) data: Data,
    /// For each row whether it has a value, as far as rows were written to; `None` where every row does.
    pub(crate) valid: Option<Vec<bool>>,
}

/// Values of the rows up to the last that was written to, or more; what the others have stands beside them.
pub(crate) enum Data {
    Bool(Vec<bool>, bool),
    I32(Vec<i32>, i32),
    U32(Vec<u32>, u32),
    I64(Vec<i64>, i64),
    U64(Vec<u64>, u64),
    F32(Vec<f32>, f32),
    F64(Vec<f64>, f64),
    Slot(Vec<Slot>, Slot),
    Time(Vec<(i64, i32)>, (i64, i32)),
    /// A message as it was serialized, and as JSON.
    Json(Vec<(Slot, Slot)>, (Slot, Slot)),
    Mark,
    List(Box<List>),
}

impl Data {
    /// Whether no row was written to, so that each has zero, or no bytes.
    pub(crate) fn is_blank(&self) -> bool {
        match self {
            Self::Bool(values, absent) => values.is_empty() && !absent,
            Self::I32(values, absent) => values.is_empty() && *absent == 0,
            Self::U32(values, absent) => values.is_empty() && *absent == 0,
            Self::I64(values, absent) => values.is_empty() && *absent == 0,
            Self::U64(values, absent) => values.is_empty() && *absent == 0,
            Self::F32(values, absent) => values.is_empty() && absent.to_bits() == 0,
            Self::F64(values, absent) => values.is_empty() && absent.to_bits() == 0,
            Self::Slot(values, absent) => values.is_empty() && absent.len() == 0,
            Self::Time(values, _) => values.is_empty(),
            Self::Json(values, (_, absent)) => values.is_empty() && absent.len() == 0,
            Self::Mark | Self::List(_) => false,
        }
    }
}

/// The place of a row's value in a column that gets `grown` rows where it has too few.
#[inline(always)]
pub(crate) fn place<T: Copy>(values: &mut Vec<T>, row: usize, grown: usize, absent: T) -> &mut T {
    if row >= values.len() {
        extend(values, grown.max(row + 1), absent);
    }
    &mut values[row]
}

/// Makes room for so many rows and no more: by how much a table grows is its own matter.
#[cold]
#[inline(never)]
pub(crate) fn extend<T: Copy>(values: &mut Vec<T>, rows: usize, absent: T) {
    values.reserve_exact(rows - values.len());
    values.resize(rows, absent);
}

/// Makes values as they begin.
fn clear<T: Copy>(values: &mut [T], from: usize, to: usize, absent: T) {
    let to = to.min(values.len());
    values[from.min(to)..to].fill(absent);
}

/// The place of a row's value, by its type, which the plan knows.
macro_rules! places {
    ($($name:ident: $variant:ident => $type:ty;)*) => {
        impl Data {
            $(
                #[inline(always)]
                pub(crate) fn $name(&mut self, row: usize, grown: usize) -> &mut $type {
                    match self {
                        Self::$variant(values, absent) => place(values, row, grown, *absent),
                        _ => unreachable!("the plan has another column here"),
                    }
                }
            )*
        }
    };
}

places! {
    bool: Bool => bool;
    i32: I32 => i32;
    u32: U32 => u32;
    i64: I64 => i64;
    u64: U64 => u64;
    f32: F32 => f32;
    f64: F64 => f64;
    slot: Slot => Slot;
    time: Time => (i64, i32);
    json: Json => (Slot, Slot);
}

/// The elements of a list in each row.
pub(crate) struct List {
    pub(crate) items: Table,
    /// Where each row's elements begin, as far as rows were begun.
    pub(crate) starts: Vec<i32>,
}

impl List {
    /// Sees to it that `row`, after which there is none yet, has begun.
    #[inline]
    pub(crate) fn begin(&mut self, row: usize) {
        if self.starts.len() <= row {
            self.starts.resize(row + 1, self.items.len as i32);
        }
    }

    /// Takes away what `row` and those after it have.
    fn cut(&mut self, row: usize) {
        if let Some(&start) = self.starts.get(row) {
            self.items.truncate(start as usize);
            self.starts.truncate(row);
        }
    }
}

impl Table {
    pub(crate) fn new(plan: &TablePlan) -> Self {
        let columns: Vec<Column> = plan.columns.iter().map(Column::new).collect();
        let row_bytes = columns.iter().map(Column::row_bytes).sum();
        Self { columns, len: 0, grown: 0, row_bytes }
    }

    /// Adds a row.
    #[inline(always)]
    pub(crate) fn push(&mut self, growth: &mut Growth) -> Result<usize, Fault> {
        if self.len == self.grown {
            self.grow((self.grown * 2).max(16), growth)?;
        }
        self.len += 1;
        Ok(self.len - 1)
    }

    /// Makes room for so many rows, where that takes no more than so many bytes, though at least for one.
    pub(crate) fn reserve(&mut self, rows: usize, bytes: usize, growth: &mut Growth) -> Result<(), Fault> {
        let rows = rows.min(bytes / self.row_bytes.max(1)).max(1);
        if rows > self.grown { self.grow(rows, growth) } else { Ok(()) }
    }

    #[cold]
    fn grow(&mut self, rows: usize, growth: &mut Growth) -> Result<(), Fault> {
        // Where there is no room for all of them, there may be for some.
        let left = MOST_GROWTH.saturating_sub(growth.bytes - growth.before);
        let more = (rows - self.grown).min(left / self.row_bytes.max(1)).min(i32::MAX as usize - self.grown);
        if more == 0 {
            return Err(Fault::limit(format!(
                "it would take more than {MOST_GROWTH} bytes as columns: select fewer of them"
            )));
        }
        growth.bytes += more * self.row_bytes;
        self.grown += more;
        Ok(())
    }

    /// Takes away the rows from `len` on.
    pub(crate) fn truncate(&mut self, len: usize) {
        if len < self.len {
            for column in &mut self.columns {
                column.restore(len, self.len);
            }
            self.len = len;
        }
    }

    /// Sets the field back to what it is in a row where it is absent; how many columns that took.
    pub(crate) fn clear(&mut self, field: &FieldPlan, row: usize) -> u64 {
        let mut cleared = 1;
        if let (Kind::Message(inner), Shape::Singular) = (&field.kind, field.shape) {
            cleared += self.clear_message(inner, row);
        }
        if let Some(column) = self.columns.get_mut(field.column) {
            column.restore(row, row + 1);
        }
        cleared
    }

    fn clear_message(&mut self, message: &MessagePlan, row: usize) -> u64 {
        for &oneof in &message.oneofs {
            self.columns[oneof].restore(row, row + 1);
        }
        message.fields.iter().map(|field| self.clear(field, row)).sum()
    }

    #[inline(always)]
    pub(crate) fn list(&mut self, column: usize) -> &mut List {
        match &mut self.columns[column].data {
            Data::List(list) => list,
            _ => unreachable!("the plan has a list here"),
        }
    }

    /// The bytes of rows that were made room for and are not there yet, which count only once they are.
    pub(crate) fn reserved_bytes(&self, rows: usize) -> usize {
        (self.grown - rows) * self.row_bytes
    }

    /// Makes the table empty again.
    pub(crate) fn forget(&mut self) {
        (self.len, self.grown) = (0, 0);
        for column in &mut self.columns {
            column.forget();
        }
    }
}

impl Column {
    fn new(plan: &ColumnPlan) -> Self {
        let data = match &plan.store {
            Store::Bool(default) => Data::Bool(Vec::new(), *default),
            Store::I32(default) => Data::I32(Vec::new(), *default),
            Store::U32(default) => Data::U32(Vec::new(), *default),
            Store::I64(default) => Data::I64(Vec::new(), *default),
            Store::U64(default) => Data::U64(Vec::new(), *default),
            Store::F32(default) => Data::F32(Vec::new(), *default),
            Store::F64(default) => Data::F64(Vec::new(), *default),
            Store::Slot(default) => Data::Slot(Vec::new(), *default),
            Store::Time => Data::Time(Vec::new(), (0, 0)),
            Store::Json(empty) => Data::Json(Vec::new(), (Slot::EMPTY, *empty)),
            Store::Mark => Data::Mark,
            Store::List(items) => Data::List(Box::new(List { items: Table::new(items), starts: Vec::new() })),
        };
        Self { data, valid: plan.nullable.then(Vec::new) }
    }

    fn row_bytes(&self) -> usize {
        let data = match self.data {
            Data::Bool(..) => 1,
            Data::I32(..) | Data::U32(..) | Data::F32(..) | Data::List(_) => 4,
            Data::I64(..) | Data::U64(..) | Data::F64(..) => 8,
            // What an absent value has is copied for each row.
            Data::Slot(_, absent) => 8 + absent.len(),
            Data::Time(..) => 16,
            Data::Json(_, (_, absent)) => 16 + absent.len(),
            Data::Mark => 0,
        };
        data + usize::from(self.valid.is_some())
    }

    fn forget(&mut self) {
        match &mut self.data {
            Data::Bool(values, _) => values.clear(),
            Data::I32(values, _) => values.clear(),
            Data::U32(values, _) => values.clear(),
            Data::I64(values, _) => values.clear(),
            Data::U64(values, _) => values.clear(),
            Data::F32(values, _) => values.clear(),
            Data::F64(values, _) => values.clear(),
            Data::Slot(values, _) => values.clear(),
            Data::Time(values, _) => values.clear(),
            Data::Json(values, _) => values.clear(),
            Data::Mark => {}
            Data::List(list) => {
                list.items.forget();
                list.starts.clear();
            }
        }
        if let Some(valid) = &mut self.valid {
            valid.clear();
        }
    }

    /// Marks a row as having a value.
    #[inline(always)]
    pub(crate) fn mark(&mut self, row: usize, grown: usize) {
        if let Some(valid) = &mut self.valid {
            *place(valid, row, grown, false) = true;
        }
    }

    /// Makes rows as they begin.
    fn restore(&mut self, from: usize, to: usize) {
        match &mut self.data {
            Data::Bool(values, absent) => clear(values, from, to, *absent),
            Data::I32(values, absent) => clear(values, from, to, *absent),
            Data::U32(values, absent) => clear(values, from, to, *absent),
            Data::I64(values, absent) => clear(values, from, to, *absent),
            Data::U64(values, absent) => clear(values, from, to, *absent),
            Data::F32(values, absent) => clear(values, from, to, *absent),
            Data::F64(values, absent) => clear(values, from, to, *absent),
            Data::Slot(values, absent) => clear(values, from, to, *absent),
            Data::Time(values, absent) => clear(values, from, to, *absent),
            Data::Json(values, absent) => clear(values, from, to, *absent),
            Data::Mark => {}
            Data::List(list) => list.cut(from),
        }
        if let Some(valid) = &mut self.valid {
            clear(valid, from, to, false);
        }
    }
}
