//! Counting what a set defines on the wire, before any of it is decoded.
//!
//! A decoder makes hundreds of bytes of memory of an empty element that takes two on the wire; so elements are counted
//! first, and only what is within the limits is decoded. What the wire says twice is counted twice.

use super::super::closure::not_a_set;
use super::super::wire::{self, Raw};
use super::{descriptor, limit, option_fields};
use crate::error::{Error, Result, code};

#[derive(Default)]
pub(super) struct Count {
    symbols: usize,
    ranges: usize,
}

#[derive(Clone, Copy)]
enum Element {
    File,
    Message,
    Field,
    Oneof,
    Enum,
    EnumValue,
    Service,
    Method,
    Range,
}

/// What a field of an element holds.
enum Content {
    Symbol(Element),
    Range(Element),
    ReservedName,
    Options,
    Edition,
    Syntax,
    Nothing,
}

impl Element {
    fn content(self, number: u32) -> Content {
        use Content::*;
        match (self, number) {
            (Self::File, 4) | (Self::Message, 3) => Symbol(Self::Message),
            (Self::File, 5) | (Self::Message, 4) => Symbol(Self::Enum),
            (Self::File, 6) => Symbol(Self::Service),
            (Self::File, 7) | (Self::Message, 2 | 6) => Symbol(Self::Field),
            (Self::File, 14) => Edition,
            (Self::File, 12) => Syntax,
            (Self::Message, 8) => Symbol(Self::Oneof),
            (Self::Message, 5 | 9) | (Self::Enum, 4) => Range(Self::Range),
            (Self::Message, 10) | (Self::Enum, 5) => ReservedName,
            (Self::Enum, 2) => Symbol(Self::EnumValue),
            (Self::Service, 2) => Symbol(Self::Method),
            (Self::File | Self::Field, 8)
            | (Self::Message, 7)
            | (Self::Oneof, 2)
            | (Self::Enum | Self::EnumValue | Self::Service | Self::Range, 3)
            | (Self::Method, 4) => Options,
            _ => Nothing,
        }
    }
}

impl Count {
    /// Counts one `FileDescriptorProto`, and refuses editions.
    pub fn file(&mut self, bytes: &[u8]) -> Result<()> {
        self.element(Element::File, bytes, 0)
    }

    /// The depth of the recursion is that of nested messages, and bounded.
    fn element(&mut self, element: Element, bytes: &[u8], nesting: usize) -> Result<()> {
        let mut option_bytes = 0;
        for field in wire::fields(bytes) {
            let field = field.map_err(not_a_set)?;
            let inner = match field.value {
                Raw::Bytes(inner) => inner,
                _ => &[],
            };
            match element.content(field.number) {
                Content::Symbol(symbol) => {
                    self.symbols += 1;
                    if self.symbols > limit::SYMBOLS {
                        return Err(limit::exceeded("symbols", limit::SYMBOLS));
                    }
                    let nesting = nesting + usize::from(matches!(symbol, Element::Message));
                    if nesting > limit::NESTING {
                        return Err(limit::exceeded("messages inside one another", limit::NESTING));
                    }
                    self.element(symbol, inner, nesting)?;
                }
                Content::Range(range) => {
                    self.range()?;
                    self.element(range, inner, nesting)?;
                }
                Content::ReservedName => self.range()?,
                Content::Options => {
                    option_bytes += inner.len();
                    if option_bytes > limit::OPTION_BYTES {
                        return Err(limit::exceeded("bytes of options of one element", limit::OPTION_BYTES));
                    }
                    options(inner)?;
                }
                Content::Edition => return Err(edition()),
                Content::Syntax => match inner {
                    b"proto2" | b"proto3" | b"" => {}
                    b"editions" => return Err(edition()),
                    other => {
                        return Err(descriptor(format!(
                            "expected syntax \"proto2\" or \"proto3\", found {:?}",
                            String::from_utf8_lossy(other)
                        )));
                    }
                },
                Content::Nothing => {}
            }
        }
        Ok(())
    }

    fn range(&mut self) -> Result<()> {
        self.ranges += 1;
        if self.ranges > limit::RANGES {
            Err(limit::exceeded("ranges and reserved names", limit::RANGES))
        } else {
            Ok(())
        }
    }
}

/// Options that a compiler has not interpreted mean nothing yet, and prost-reflect would interpret them.
fn options(bytes: &[u8]) -> Result<()> {
    for field in option_fields(bytes) {
        if field?.0 == 999 {
            return Err(descriptor("found an uninterpreted_option: this is a parser's output, not a compiler's"));
        }
    }
    Ok(())
}

fn edition() -> Error {
    Error::new(
        code::SCHEMA_EDITION,
        "a file of the descriptor set uses a protobuf edition; only proto2 and proto3 are known here",
    )
}
