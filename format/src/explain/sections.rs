//! Sections.

use super::fields::{self, Place};
use super::frames;
use super::out::Out;
use super::plan::Known;
use super::walk::Walk;
use super::{Line, Space, fault, hex, quoted_bytes, read, refused};
use crate::digest::Digest;
use crate::error::{Code, Error, Result, code};
use crate::proto;
use crate::v1::{ManifestBody, SchemaBody};
use crate::wire::{prefix, section};

/// What a section of one kind holds.
struct Kind {
    what: &'static str,
    spec: &'static str,
    message: Option<&'static str>,
    code: Code,
    alike: Option<&'static str>,
}

fn kind_of(kind: section::Kind) -> Kind {
    let other =
        |what| Kind { what, spec: "3.3", message: None, code: code::SECTION_HEAD, alike: Some("ancillary sections") };
    match kind {
        section::MANI => Kind {
            what: "the manifest",
            spec: "4",
            message: Some(proto::MANIFEST),
            code: code::MANIFEST_PROTOBUF,
            alike: None,
        },
        section::SCHM => Kind {
            what: "a Schema declared late",
            spec: "4.2",
            message: Some("rosettar.v1.Schema"),
            code: code::MANIFEST_PROTOBUF,
            alike: Some("Schemas declared late"),
        },
        section::ENTR => Kind {
            what: "a page of the entry table",
            spec: "7",
            message: Some(proto::ENTRY_PAGE),
            code: code::ENTRIES_PROTOBUF,
            alike: Some("pages of the entry table"),
        },
        section::INDX => {
            Kind { what: "the index", spec: "8", message: Some(proto::INDEX), code: code::INDEX_PROTOBUF, alike: None }
        }
        [b'a'..=b'z', ..] => other("an ancillary section"),
        _ => Kind { alike: None, ..other("a section of an unknown kind") },
    }
}

/// The section at `at`, which reaches to `bound` at most; its length.
pub(super) fn lines(walk: &mut Walk<'_>, out: &mut Out<'_>, at: u64, bound: u64, known: Option<Known>) -> Result<u64> {
    let head = walk.window.get(at, section::HEAD_LEN)?.to_vec();
    let counted = head.get(4..8).and_then(|length| length.first_chunk()).map(|length| u32::from_le_bytes(*length));
    let stated = counted.map(|counted| u64::from(counted) + 8);
    let len = match (known, stated) {
        (None, Some(stated)) => stated.min(bound - at),
        _ => bound - at,
    };
    let kind: Option<section::Kind> = head.get(8..12).and_then(|kind| kind.first_chunk()).copied();
    let about = kind.map_or_else(|| kind_of([0; 4]), kind_of);
    let mut line = Line::new(0, at, len, walk.named(&format!("{}{}", shown(kind), about.what)), about.spec);
    line.value = format!("{len} bytes{}", if kind == Some(section::INDX) { "" } else { walk.confirmed(&known) });
    line.problems.extend(walk.digest_of(&known, at, len)?);
    line.problems.extend(misplaced(walk, at, kind));
    if let Some(known) = known.filter(|known| known.decoded > 0) {
        let message = format!("a section, which decodes to nothing: the end of the file says {} bytes", known.decoded);
        line.problems.push(fault(code::FRAME_HEADER, message));
    }
    let number = walk.seen.schemas + walk.seen.late_schemas;
    match kind {
        Some(section::SCHM) => walk.seen.late_schemas += 1,
        Some(section::ENTR) => walk.seen.pages = true,
        Some(section::INDX) => walk.seen.index = true,
        _ => {}
    }
    out.begin(line, about.alike)?;
    let body_len = len.saturating_sub(section::HEAD_LEN as u64);
    // What stands in the way of the head is told where it is.
    let wrong = |from: usize, to: usize, right: bool, message: String| {
        (head.len() >= to && from < head.len() && !right).then(|| fault(code::SECTION_HEAD, message))
    };
    let part = |out: &mut Out<'_>, from: usize, to: usize, what: &str, value: String, problem: Option<Error>| {
        let to = to.min(head.len()).min(len as usize);
        if from >= to {
            return Ok(());
        }
        out.add(Line::new(1, at + from as u64, (to - from) as u64, what, "3.3").value(value).problem(problem))
    };
    let length = stated.unwrap_or_default();
    let message = format!("the frame states {length} bytes in all: expected {len}, and at least {}", section::HEAD_LEN);
    let problem = wrong(4, 8, length == len && len >= section::HEAD_LEN as u64, message);
    part(out, 0, 8, "skippable frame", format!("of {} bytes", counted.unwrap_or_default()), problem)?;
    let shown_kind = quoted_bytes(head.get(8..12).unwrap_or_default());
    let message = format!("a section's kind of {shown_kind}: expected four ASCII letters");
    let letters = kind.is_some_and(|kind| kind.iter().all(u8::is_ascii_alphabetic));
    part(out, 8, 12, "kind", shown_kind.clone(), wrong(8, 12, letters, message))?;
    let reserved = head.get(12..16).unwrap_or_default();
    let message = format!("reserved bytes of a section: expected zeros, found {}", hex(reserved));
    part(out, 12, 16, "reserved", hex(reserved), wrong(12, 16, reserved == [0; 4], message))?;
    let body_at = at + section::HEAD_LEN as u64;
    if let Some(digest) = head.get(16..48).filter(|_| len >= section::HEAD_LEN as u64) {
        let found = walk.digest(body_at, body_len)?;
        let right = found.0 == digest;
        let code = if kind == Some(section::INDX) { code::INDEX_DIGEST } else { code::SECTION_DIGEST };
        let stated = Digest::from_slice(digest).expect("32 bytes");
        let message = format!("the digest of the body: expected {stated}, found {found}");
        let problem = (!right).then(|| fault(code, message));
        let what =
            if kind == Some(section::INDX) { "SHA-256 of the body, the root digest" } else { "SHA-256 of the body" };
        part(out, 16, 48, what, stated.to_string(), problem)?;
        let kind = kind.unwrap_or_default();
        let found = Body { kind, at: body_at, len: body_len, is_right: right, known, number };
        found.lines(walk, out, &about)?;
    } else {
        part(out, 16, 48, "a part of the SHA-256 of the body", hex(head.get(16..).unwrap_or_default()), None)?;
    }
    out.end()?;
    Ok(len)
}

/// The kind of a section, as the name of its frame has it.
fn shown(kind: Option<section::Kind>) -> String {
    match kind {
        Some(kind) if kind.iter().all(u8::is_ascii_alphabetic) => {
            format!("section {}, ", String::from_utf8_lossy(&kind))
        }
        _ => "a section: ".to_owned(),
    }
}

fn misplaced(walk: &Walk<'_>, at: u64, kind: Option<section::Kind>) -> Option<Error> {
    let kind = kind.filter(|kind| kind.iter().all(u8::is_ascii_alphabetic))?;
    let seen = &walk.seen;
    if seen.table {
        return Some(fault(code::SEEK_TABLE_FOOTER, "a section after the seek table: expected the file to end"));
    }
    let first = at == prefix::LEN as u64;
    let may = match kind {
        section::MANI => first,
        section::SCHM => seen.payload && !seen.pages && !seen.index && !walk.members.has_ended(),
        section::ENTR => seen.payload && !seen.index,
        section::INDX => seen.pages && !seen.index,
        [b'a'..=b'z', ..] => !first && !seen.pages && !seen.index && !walk.members.has_ended(),
        _ => false,
    };
    (!may || first && kind != section::MANI).then(|| section::unexpected(kind, at))
}

/// The body of a section.
struct Body {
    kind: section::Kind,
    at: u64,
    len: u64,
    /// Whether it has its digest.
    is_right: bool,
    known: Option<Known>,
    /// The number of the Schema, if it is one.
    number: u32,
}

impl Body {
    fn lines(&self, walk: &mut Walk<'_>, out: &mut Out<'_>, about: &Kind) -> Result<()> {
        let Self { kind, at, len, .. } = *self;
        let line = |what: &str| Line::new(1, at, len, what, about.spec);
        let (limit, limit_code) = match kind {
            section::INDX => (walk.limits.index_bytes, code::LIMIT_INDEX_BYTES),
            section::ENTR => (frames::most_stored(), code::FRAME_SIZE),
            _ => (walk.limits.manifest_bytes, code::LIMIT_MANIFEST_BYTES),
        };
        let Some(name) = about.message else {
            if len > 0 {
                let value = hex(walk.window.get(at, (len as usize).min(super::SHOWN_BYTES + 1))?);
                out.add(line("body").value(format!("{len} bytes: {value}")))?;
            }
            return Ok(());
        };
        if len > limit {
            let message = format!("a body of {len} bytes: expected at most {limit}");
            return out.add(line("body, which is not looked into").problem(fault(limit_code, message)));
        }
        if kind == section::ENTR {
            return self.page(walk, out);
        }
        let bytes = read(walk.source, at, len)?;
        // The rules of what is damaged mean nothing.
        let problem = match kind {
            _ if !self.is_right => None,
            section::MANI => match refused(ManifestBody::decode(&bytes, walk.limits, &[]))? {
                Ok(manifest) => {
                    walk.seen.schemas = manifest.schemas.len() as u32;
                    None
                }
                Err(error) => Some(error),
            },
            section::SCHM => refused(SchemaBody::decode(&bytes, self.number, walk.limits))?.err(),
            _ if walk.plan.index_at.is_some_and(|(index_at, _)| index_at + section::HEAD_LEN as u64 == at) => {
                walk.plan.index_fault.take()
            }
            _ => None,
        };
        let description = format!("a {name}");
        out.add(line("body").value(description).problem(problem))?;
        let place = Place { level: 2, space: Space::File, offset: at, spec: about.spec, code: about.code };
        fields::lines(out, place, &bytes, fields::message(name).as_ref())
    }

    /// The body of a page: a zstd frame.
    fn page(&self, walk: &mut Walk<'_>, out: &mut Out<'_>) -> Result<()> {
        let Self { at, len, known, .. } = *self;
        let end = at + len;
        let frame = frames::walk(&mut walk.window, at, end)?;
        let bytes = read(walk.source, at, len)?;
        let mut page = Vec::new();
        let decoded = refused(walk.decoder.decode(&bytes, &mut page))?;
        let place = known.and_then(|known| walk.plan.page(known.number));
        let mut line = Line::new(1, at, len, "body: a zstd frame", "7");
        if decoded.is_ok() {
            line = line.value(format!("decodes to {} bytes", page.len()));
            if let Some(place) = place.filter(|place| place.decoded_size as usize != page.len()) {
                let message = format!(
                    "a page decodes to {} bytes: expected {}, as the index says",
                    page.len(),
                    place.decoded_size
                );
                line = line.problem(fault(code::INDEX_PAGES, message));
            }
        }
        line = line.problem(decoded.as_ref().err().map(super::out::copy).filter(|error| !error.is(code::FRAME_HEADER)));
        out.add(line)?;
        match bytes.starts_with(&crate::frame::MAGIC) {
            true => frames::lines(out, &mut walk.window, &frame, (at, end), 2, frames::SPEC)?,
            false => {
                let error = crate::frame::parse_header(&bytes).err();
                out.add(Line::new(2, at, len, "no zstd frame", "3.2").value(hex(&bytes)).problem(error))?;
            }
        }
        if decoded.is_err() {
            return Ok(());
        }
        out.enclose(frame.blocks.clone());
        let place = Place { level: 2, space: Space::Page, offset: 0, spec: "7", code: code::ENTRIES_PROTOBUF };
        fields::lines(out, place, &page, fields::message(proto::ENTRY_PAGE).as_ref())?;
        walk.entries(out, 2, &page, known)
    }
}
