//! Comments from a file's source info.

use std::collections::HashMap;

use super::super::closure::not_a_set;
use super::super::wire::{self, Raw};
use crate::error::Result;

/// The lines of comment of each element, by its path.
pub(super) struct Comments(HashMap<Vec<i32>, Vec<String>>);

/// Longer than any path of an element within the limit on nesting.
const LONGEST_PATH: usize = 80;

impl Comments {
    /// Reads the comments of an encoded `FileDescriptorProto`, at most `lines` lines, which are taken off; locations without
    /// a comment are passed over.
    pub fn of(file: &[u8], lines: &mut usize) -> Result<Self> {
        let mut comments = HashMap::new();
        for info in inner(file, 9) {
            for location in inner(info?, 1) {
                location_comments(location?, &mut comments, lines)?;
            }
        }
        Ok(Self(comments))
    }

    /// The lines for the element at `path`, once.
    pub fn take(&mut self, path: &[i32]) -> Vec<String> {
        self.0.remove(path).unwrap_or_default()
    }
}

fn inner(message: &[u8], number: u32) -> impl Iterator<Item = Result<&[u8]>> {
    wire::fields(message).filter_map(move |field| match field {
        Ok(field) if field.number != number => None,
        Ok(field) => match field.value {
            Raw::Bytes(bytes) => Some(Ok(bytes)),
            _ => None,
        },
        Err(fault) => Some(Err(not_a_set(fault))),
    })
}

fn location_comments(location: &[u8], comments: &mut HashMap<Vec<i32>, Vec<String>>, left: &mut usize) -> Result<()> {
    let (mut path, mut lines) = (Vec::new(), Vec::new());
    for field in wire::fields(location) {
        let field = field.map_err(not_a_set)?;
        match (field.number, field.value) {
            (1, Raw::Varint(part)) => path.push(part as i32),
            (1, Raw::Bytes(mut packed)) => {
                while !packed.is_empty() && path.len() <= LONGEST_PATH {
                    path.push(wire::varint(&mut packed).map_err(not_a_set)? as i32);
                }
            }
            // Leading, trailing and detached ones alike go above the element.
            (3 | 4 | 6, Raw::Bytes(text)) => {
                // A line feed alone is a byte in the set and a string here.
                let count = text.iter().filter(|&&byte| byte == b'\n').count() + 3;
                if count > *left {
                    continue;
                }
                *left -= count;
                if field.number == 4 && !lines.is_empty() {
                    lines.push("//".to_owned());
                }
                let text = String::from_utf8_lossy(text);
                lines.extend(text.strip_suffix('\n').unwrap_or(&text).split('\n').map(comment_line));
                if field.number == 6 {
                    lines.push(String::new());
                }
            }
            _ => {}
        }
    }
    if !lines.is_empty() && path.len() <= LONGEST_PATH {
        comments.insert(path, lines);
    }
    Ok(())
}

/// A control character could end the comment early for some reader of the text.
fn comment_line(line: &str) -> String {
    let clean: String = line.chars().map(|c| if c.is_control() && c != '\t' { ' ' } else { c }).collect();
    format!("//{}", clean.trim_end())
}
