//! The records that all are given: serialised messages, in memory.

use std::fs;
use std::ops::Range;

use crate::timing::Seen;
use crate::{Result, Task};

pub struct Records {
    bytes: Vec<u8>,
    spans: Vec<Range<usize>>,
    /// The serialised `FileDescriptorSet` that has their type.
    pub schema: Vec<u8>,
}

impl Records {
    pub fn load(task: &Task) -> Result<Self> {
        let bytes = fs::read(task.file(".binpb"))?;
        let schema = fs::read(task.file(".binpb-schema"))?;
        let mut spans = Vec::new();
        let limits = rosettar::Limits::default();
        let base = bytes.as_ptr() as usize;
        for record in rosettar::record::records(&bytes, &limits) {
            let record = record?;
            let start = record.as_ptr() as usize - base;
            spans.push(start..start + record.len());
        }
        Ok(Self { bytes, spans, schema })
    }

    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.spans.iter().map(|span| &self.bytes[span.clone()])
    }

    pub fn seen(&self) -> Seen {
        let mut seen = Seen::default();
        self.iter().for_each(|record| seen.see(record));
        seen
    }
}
