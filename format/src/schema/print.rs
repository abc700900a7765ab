//! Descriptor sets as `.proto` source text, which compiles to the same descriptors again.

mod comments;
mod options;
mod scope;

use std::collections::HashMap;

use prost_reflect::DescriptorPool;

use comments::Comments;
use options::Printed;
use scope::{Symbols, join, last_part};

use super::closure::files_of;
use super::descriptor::{Enum, Field, File, MessageType, Range, Service, kind, label};
use super::guard::rules::MAX_FIELD_END;
use super::names::{json_name, map_entry_name, quote_bytes, quote_text, unescape};
use super::pool;
use crate::error::Result;

/// The files of the descriptor set `set`, in its order, each as path and `.proto` source text.
///
/// Compiled again, by `protoc` 3.21 or newer or by [`compile`](super::compile), the text yields equal descriptors, source
/// info aside. Comments are there where the set has source info, up to a million lines. An option whose definition the set lacks cannot be
/// written; a comment in its place states its number.
///
/// ```
/// # #[cfg(feature = "compile")] {
/// # let dir = tempfile::tempdir().unwrap();
/// # std::fs::write(dir.path().join("a.proto"), "syntax = \"proto3\"; message A { string s = 1; }").unwrap();
/// let set = rosettar::schema::compile(&[dir.path().join("a.proto")], &[dir.path()])?;
/// let files = rosettar::schema::print_files(&set)?;
/// assert_eq!(files[0].0, "a.proto");
/// assert_eq!(files[0].1, "syntax = \"proto3\";\n\nmessage A {\n  string s = 1;\n}\n");
/// # }
/// # Ok::<(), rosettar::Error>(())
/// ```
///
/// # Errors
/// Those of [`build_pool`](super::build_pool).
pub fn print_files(set: &[u8]) -> Result<Vec<(String, String)>> {
    let (pool, files) = pool::build(set)?;
    let symbols = Symbols::of(&files);
    let mut printed = Vec::new();
    let mut comment_lines = COMMENT_LINES;
    for (entry, file) in files_of(set)?.iter().zip(&files) {
        let comments = Comments::of(entry.bytes, &mut comment_lines)?;
        let mut printer = Printer { pool: &pool, symbols: &symbols, file, comments, out: String::new(), indent: 0 };
        printer.file()?;
        printed.push((entry.path.to_owned(), printer.out));
    }
    Ok(printed)
}

/// Lines of comment in all: each takes a byte in the set, and a string and an indented line here.
const COMMENT_LINES: usize = 1 << 20;

struct Printer<'a> {
    pool: &'a DescriptorPool,
    symbols: &'a Symbols,
    file: &'a File,
    comments: Comments,
    out: String,
    indent: usize,
}

/// An element's place: its path in the file descriptor, as source info states it.
type Path = Vec<i32>;

fn at(path: &[i32], field: i32, index: usize) -> Path {
    let mut inner = path.to_vec();
    inner.extend([field, index as i32]);
    inner
}

impl Printer<'_> {
    fn file(&mut self) -> Result<()> {
        let file = self.file;
        self.comment(&[12]);
        self.line(&format!("syntax = {};", if file.is_proto3() { "\"proto3\"" } else { "\"proto2\"" }));
        if !file.package().is_empty() {
            self.blank();
            self.comment(&[2]);
            self.line(&format!("package {};", file.package()));
        }
        self.blank();
        for (index, import) in file.dependency.iter().enumerate() {
            let number = index as i32;
            let word = match () {
                () if file.public_dependency.contains(&number) => "public ",
                () if file.weak_dependency.contains(&number) => "weak ",
                () => "",
            };
            self.line(&format!("import {word}{};", quote_text(import)));
        }
        self.blank();
        let options = self.options("FileOptions", &file.options, file.package(), &[])?;
        self.option_lines(options);
        self.messages_and_fields(&[], &file.extensions, &file.messages, file.package(), &[])?;
        for (index, item) in file.enums.iter().enumerate() {
            self.enumeration(item, file.package(), &at(&[], 5, index))?;
        }
        for (index, service) in file.services.iter().enumerate() {
            self.service(service, file.package(), &at(&[], 6, index))?;
        }
        self.out.truncate(self.out.trim_end().len());
        self.out.push('\n');
        Ok(())
    }

    /// Prints nested messages, fields and extensions so that the compiler meets nested types in their order: it makes one
    /// for each map field and each group at the place of that field.
    fn messages_and_fields(
        &mut self,
        owner: &[&MessageType],
        extensions: &[Field],
        messages: &[MessageType],
        scope: &str,
        path: &[i32],
    ) -> Result<()> {
        let beside = Beside::new(messages, scope);
        let fields = owner.first().map_or(&[][..], |message| &message.fields[..]);
        // For each nested type the field that makes it, and whether that is an extension.
        let mut makers = HashMap::new();
        for (index, field) in fields.iter().enumerate() {
            beside.own(field).map(|own| makers.entry(own).or_insert((index, false)));
        }
        for (index, field) in extensions.iter().enumerate().filter(|(_, field)| field.kind() == kind::GROUP) {
            beside.own(field).map(|own| makers.entry(own).or_insert((index, true)));
        }
        let (mut next_field, mut next_extension) = (0, 0);
        for (index, message) in messages.iter().enumerate() {
            match makers.get(&index) {
                Some(&(field, false)) => self.fields(owner, &beside, &mut next_field, field + 1, path)?,
                Some(&(field, true)) => self.extensions(extensions, &beside, &mut next_extension, field + 1, path)?,
                None => self.message(message, scope, &at(path, if owner.is_empty() { 4 } else { 3 }, index))?,
            }
        }
        self.fields(owner, &beside, &mut next_field, fields.len(), path)?;
        self.extensions(extensions, &beside, &mut next_extension, extensions.len(), path)
    }

    fn message(&mut self, message: &MessageType, scope: &str, path: &[i32]) -> Result<()> {
        self.blank();
        self.comment(path);
        self.open(&format!("message {}", message.name()));
        self.message_body(message, &join(scope, message.name()), path)?;
        self.close();
        self.blank();
        Ok(())
    }

    fn message_body(&mut self, message: &MessageType, full: &str, path: &[i32]) -> Result<()> {
        let options = self.options("MessageOptions", &message.options, full, &[7])?;
        self.option_lines(options);
        for (index, item) in message.enums.iter().enumerate() {
            self.enumeration(item, full, &at(path, 4, index))?;
        }
        self.messages_and_fields(&[message], &message.extensions, &message.messages, full, path)?;
        let most = if message.is_message_set() { i32::MAX } else { MAX_FIELD_END };
        for range in &message.extension_ranges {
            let options = self.options("ExtensionRangeOptions", &range.options, full, &[])?;
            let list = self.inline(options, Vec::new());
            self.line(&format!("extensions {}{list};", range_text(range, most, 1)));
        }
        self.reserved(&message.reserved_ranges, &message.reserved_names, most, 1);
        Ok(())
    }

    fn reserved(&mut self, ranges: &[Range], names: &[String], most: i32, exclusive: i32) {
        if !ranges.is_empty() {
            let ranges: Vec<_> = ranges.iter().map(|range| range_text(range, most, exclusive)).collect();
            self.line(&format!("reserved {};", ranges.join(", ")));
        }
        if !names.is_empty() {
            let names: Vec<_> = names.iter().map(|name| quote_text(name)).collect();
            self.line(&format!("reserved {};", names.join(", ")));
        }
    }

    /// Prints the fields of a message from `*next` up to `end`, and any further ones of the last one's oneof.
    fn fields(
        &mut self,
        owner: &[&MessageType],
        beside: &Beside<'_>,
        next: &mut usize,
        end: usize,
        path: &[i32],
    ) -> Result<()> {
        let [message] = owner else { return Ok(()) };
        let scope = beside.scope;
        while *next < end {
            let field = &message.fields[*next];
            let oneof = field.oneof_index.filter(|_| !field.proto3_optional()).map(|index| index as usize);
            let Some(index) = oneof else {
                self.field(field, beside, &at(path, 2, *next), Place::Message, path)?;
                *next += 1;
                continue;
            };
            let oneof = &message.oneofs[index];
            self.comment(&at(path, 8, index));
            self.open(&format!("oneof {}", oneof.name()));
            let options = self.options("OneofOptions", &oneof.options, &join(scope, oneof.name()), &[])?;
            self.option_lines(options);
            while let Some(member) = message.fields.get(*next).filter(|f| f.oneof_index == field.oneof_index) {
                self.field(member, beside, &at(path, 2, *next), Place::Oneof, path)?;
                *next += 1;
            }
            self.close();
        }
        Ok(())
    }

    /// Prints extensions from `*next` up to `end`, in one block for each run that extends the same message.
    fn extensions(
        &mut self,
        extensions: &[Field],
        beside: &Beside<'_>,
        next: &mut usize,
        end: usize,
        path: &[i32],
    ) -> Result<()> {
        while *next < end {
            let extendee = extensions[*next].extendee();
            self.blank();
            self.open(&format!("extend {}", self.symbols.shortest(extendee, beside.scope)));
            while let Some(field) = extensions[..end].get(*next).filter(|field| field.extendee() == extendee) {
                let place = at(path, if path.is_empty() { 7 } else { 6 }, *next);
                self.field(field, beside, &place, Place::Extension, path)?;
                *next += 1;
            }
            self.close();
            self.blank();
        }
        Ok(())
    }

    /// Prints a field at `path` of the message, or file, at `scope_path`.
    fn field(
        &mut self,
        field: &Field,
        beside: &Beside<'_>,
        path: &[i32],
        place: Place,
        scope_path: &[i32],
    ) -> Result<()> {
        let scope = beside.scope;
        self.comment(path);
        let own = beside.own(field);
        let group = own.filter(|_| field.kind() == kind::GROUP);
        let map = own.filter(|_| group.is_none() && place != Place::Extension);
        let word = match field.label() {
            label::REPEATED if map.is_some() => "",
            label::REPEATED => "repeated ",
            label::REQUIRED => "required ",
            _ if place == Place::Oneof => "",
            _ if self.file.is_proto3() && !field.proto3_optional() => "",
            _ => "optional ",
        };
        let type_text = match map {
            Some(index) => {
                let entry = &beside.messages[index];
                let [key, value] = &entry.fields[..] else { return Ok(()) };
                format!("map<{}, {}>", self.type_text(key, scope), self.type_text(value, scope))
            }
            None => self.type_text(field, scope),
        };
        let mut special = Vec::new();
        if let Some(default) = &field.default_value {
            special.push(format!("default = {}", default_text(field, default)));
        }
        if let Some(name) = &field.json_name
            && *name != json_name(field.name())
            && place != Place::Extension
        {
            special.push(format!("json_name = {}", quote_text(name)));
        }
        let options = self.options("FieldOptions", &field.options, &join(scope, field.name()), &[])?;
        let list = self.inline(options, special);
        let Some(index) = group else {
            self.line(&format!("{word}{type_text} {} = {}{list};", field.name(), field.number()));
            return Ok(());
        };
        let message = &beside.messages[index];
        self.open(&format!("{word}group {} = {}{list}", message.name(), field.number()));
        let top = if scope_path.is_empty() { 4 } else { 3 };
        self.message_body(message, &join(scope, message.name()), &at(scope_path, top, index))?;
        self.close();
        Ok(())
    }

    fn type_text(&self, field: &Field, scope: &str) -> String {
        match field.kind.and_then(kind::word) {
            Some(word) => word.to_owned(),
            None => self.symbols.shortest(field.type_name(), scope),
        }
    }

    fn enumeration(&mut self, item: &Enum, scope: &str, path: &[i32]) -> Result<()> {
        let full = join(scope, item.name());
        self.blank();
        self.comment(path);
        self.open(&format!("enum {}", item.name()));
        let options = self.options("EnumOptions", &item.options, &full, &[])?;
        self.option_lines(options);
        for (index, value) in item.values.iter().enumerate() {
            self.comment(&at(path, 2, index));
            let options = self.options("EnumValueOptions", &value.options, &full, &[])?;
            let list = self.inline(options, Vec::new());
            self.line(&format!("{} = {}{list};", value.name(), value.number()));
        }
        self.reserved(&item.reserved_ranges, &item.reserved_names, i32::MAX, 0);
        self.close();
        self.blank();
        Ok(())
    }

    fn service(&mut self, service: &Service, scope: &str, path: &[i32]) -> Result<()> {
        let full = join(scope, service.name());
        self.blank();
        self.comment(path);
        self.open(&format!("service {}", service.name()));
        let options = self.options("ServiceOptions", &service.options, &full, &[])?;
        self.option_lines(options);
        for (index, method) in service.methods.iter().enumerate() {
            self.comment(&at(path, 2, index));
            let side = |name, stream| {
                let stream = if stream { "stream " } else { "" };
                format!("({stream}{})", self.symbols.shortest(name, &full))
            };
            let input = side(method.input_type(), method.client_streaming());
            let output = side(method.output_type(), method.server_streaming());
            let line = format!("rpc {}{input} returns {output}", method.name());
            let options = self.options("MethodOptions", &method.options, &join(&full, method.name()), &[])?;
            if method.options.is_empty() {
                self.line(&format!("{line};"));
            } else {
                self.open(&line);
                self.option_lines(options);
                self.close();
            }
        }
        self.close();
        self.blank();
        Ok(())
    }

    fn options(&self, of: &str, encoded: &[Vec<u8>], scope: &str, left_out: &[u32]) -> Result<Printed> {
        options::print(self.pool, self.symbols, of, encoded, scope, left_out)
    }

    fn option_lines(&mut self, options: Printed) {
        self.unprinted(&options);
        for option in &options.set {
            self.line(&format!("option {option};"));
        }
        if !options.set.is_empty() {
            self.blank();
        }
    }

    /// Options in brackets behind a field, value or range, or nothing where there are none.
    fn inline(&mut self, options: Printed, mut list: Vec<String>) -> String {
        self.unprinted(&options);
        list.extend(options.set);
        if list.is_empty() { String::new() } else { format!(" [{}]", list.join(", ")) }
    }

    fn unprinted(&mut self, options: &Printed) {
        for what in &options.left_out {
            self.line(&format!("// Left out: {what}, whose definition is not in this descriptor set."));
        }
    }

    fn comment(&mut self, path: &[i32]) {
        for line in self.comments.take(path) {
            if line.is_empty() { self.out.push('\n') } else { self.line(&line) }
        }
    }

    fn open(&mut self, text: &str) {
        self.line(&format!("{text} {{"));
        self.indent += 1;
    }

    fn close(&mut self) {
        // No blank line before the brace.
        let length = self.out.trim_end().len();
        self.out.truncate(length);
        self.out.push('\n');
        self.indent -= 1;
        self.line("}");
    }

    /// A blank line, unless there is one or a block has just begun.
    fn blank(&mut self) {
        if !self.out.is_empty() && !self.out.ends_with("\n\n") && !self.out.ends_with("{\n") {
            self.out.push('\n');
        }
    }

    fn line(&mut self, text: &str) {
        for line in text.lines() {
            for _ in 0..self.indent {
                self.out.push_str("  ");
            }
            self.out.push_str(line);
            self.out.push('\n');
        }
    }
}

/// The messages among which a group's or a map field's own message is, by name.
struct Beside<'a> {
    messages: &'a [MessageType],
    scope: &'a str,
    by_name: HashMap<&'a str, usize>,
}

impl<'a> Beside<'a> {
    fn new(messages: &'a [MessageType], scope: &'a str) -> Self {
        let by_name = messages.iter().enumerate().map(|(index, message)| (message.name(), index)).collect();
        Self { messages, scope, by_name }
    }

    /// The index of the message that `field`, a group or map field, makes itself.
    fn own(&self, field: &Field) -> Option<usize> {
        let name = last_part(field.type_name());
        let index = *self.by_name.get(name)?;
        let is_this = match field.type_name().strip_prefix('.') {
            Some(full) => full.strip_suffix(name)?.strip_suffix('.').unwrap_or_default() == self.scope,
            None => field.type_name() == name,
        };
        let makes = match field.kind {
            Some(kind::GROUP) => true,
            Some(kind::MESSAGE) | None => {
                field.label() == label::REPEATED
                    && map_entry_name(field.name()) == name
                    && self.messages[index].is_map_entry()
            }
            _ => false,
        };
        (is_this && makes).then_some(index)
    }
}

/// Where a field stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Message,
    Oneof,
    Extension,
}

/// A range as text; `exclusive` is 1 where its end is, and `most` the end that is called `max`.
fn range_text(range: &Range, most: i32, exclusive: i32) -> String {
    let (start, last) = (range.start(), range.end() - exclusive);
    match () {
        () if start == last => start.to_string(),
        () if range.end() == most => format!("{start} to max"),
        () => format!("{start} to {last}"),
    }
}

fn default_text(field: &Field, default: &str) -> String {
    match field.kind() {
        kind::STRING => quote_text(default),
        kind::BYTES => quote_bytes(&unescape(default).unwrap_or_default()),
        _ => default.trim_start_matches('+').to_owned(),
    }
}
