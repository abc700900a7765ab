//! Errors as the command prints them, and the exit codes they mean.

use std::io::Write as _;

use rosettar::error::code;
use rosettar::{Error, ErrorKind, Limits};
use serde_json::json;

use super::{Stream, colours, exit, is_closed_pipe};
use crate::output::table::printable;

/// What a verb does with archives: the same fault is the archive's where one is read, and the input's where one is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It reads an archive.
    Reads,
    /// It makes one: what is wrong is wrong with its input.
    Makes,
}

/// What there is to know about the work for a [`hint`] about its error.
#[derive(Clone, Debug)]
pub struct Advice {
    /// The limits in force.
    pub limits: Limits,
    /// Whether `rosettar recover` may be of help: it takes no C1Z file, and was not what failed.
    pub recovery: bool,
}

impl Default for Advice {
    fn default() -> Self {
        Self { limits: Limits::default(), recovery: true }
    }
}

/// The exit code for an error. [`DONE`](exit::DONE) when nobody reads the output any more.
pub fn exit_code(error: &Error, role: Role) -> u8 {
    if is_closed_pipe(error) {
        return exit::DONE;
    }
    if error.is(code::USAGE_INTERRUPTED) {
        return exit::INTERRUPTED;
    }
    match (error.kind(), role) {
        (ErrorKind::Io | ErrorKind::Usage, _) => exit::USAGE,
        // A digest is wrong only in an archive that was read, such as one that is continued.
        (ErrorKind::Integrity, _) | (_, Role::Reads) => exit::ARCHIVE,
        (_, Role::Makes) => exit::USAGE,
    }
}

/// Prints an error to standard error, as text or, with `json`, as one JSON object; nothing when nobody reads the output
/// any more.
pub fn report(error: &Error, json: bool, advice: &Advice) {
    if is_closed_pipe(error) {
        return;
    }
    let text = if json { json_error(error) } else { text_error(error, advice, colours(Stream::Err)) };
    // Without standard error there is nobody to tell.
    let _ = std::io::stderr().write_all(format!("{}\n", text.trim_end()).as_bytes());
}

/// An error as text: `error: ` and the message, where it was found, its code, and a line with a [`hint`] if there is one.
pub fn text_error(error: &Error, advice: &Advice, colour: bool) -> String {
    let (red, bold, off) = if colour { ("\x1b[1;31m", "\x1b[1m", "\x1b[0m") } else { ("", "", "") };
    let text = in_own_words(&error.to_string());
    let mut text = format!("{red}error{off}: {}\n", printable(&text));
    if let Some(hint) = hint(error, advice) {
        text.push_str(&format!("{bold}hint{off}: {hint}\n"));
    }
    text
}

/// An error as one JSON object on one line: `code`, `kind`, `message`, and `offset` and `entry`, which are `null` where
/// they are not known.
pub fn json_error(error: &Error) -> String {
    error_value(error).to_string()
}

/// The object of [`json_error`] as a value.
pub fn error_value(error: &Error) -> serde_json::Value {
    json!({
        "code": error.code(),
        "kind": error.kind().as_str(),
        "message": in_own_words(error.message()),
        "offset": error.offset(),
        "entry": error.entry(),
    })
}

/// A message with the options that it names, such as `links = skip` or `merge = true`, as the command line has them:
/// `--links skip`, `--merge`. The crate's messages are for callers of every kind.
fn in_own_words(message: &str) -> String {
    const OPTIONS: &[&str] = &["exclude", "links", "lossy", "merge", "names", "overwrite"];
    let option = |text: &str| {
        if text == "directory" {
            return Some("-C".to_owned());
        }
        let (name, value) = match text.split_once(" = ") {
            Some((name, "true")) => (name, None),
            Some((name, value)) => (name, Some(value)),
            None => (text, None),
        };
        let is_word = |value: &str| value.bytes().all(|byte| byte.is_ascii_lowercase());
        match (OPTIONS.contains(&name), value) {
            (true, None) => Some(format!("--{name}")),
            (true, Some(value)) if is_word(value) => Some(format!("--{name} {value}")),
            _ => None,
        }
    };
    let mut parts: Vec<String> = message.split('`').map(str::to_owned).collect();
    // Every second part is between two backticks, but for the last, after which none comes.
    let quoted = parts.len().saturating_sub(1);
    for part in parts[..quoted].iter_mut().skip(1).step_by(2) {
        if let Some(own) = option(part) {
            *part = own;
        }
    }
    parts.join("`")
}

/// What the user can do about an error, where there is something that the message does not say.
pub fn hint(error: &Error, advice: &Advice) -> Option<String> {
    // What the format bounds, no option raises.
    if let Some(limit) = error.code().strip_prefix("limit.")
        && !error.message().contains("the format's")
    {
        let example = more_than(error, limit, &advice.limits).map(|value| format!(", such as {value}"));
        let example = example.unwrap_or_default();
        return Some(format!("if the input is trustworthy, allow more with --limit {limit}=VALUE{example}"));
    }
    let hint = match (error.code(), advice.recovery) {
        ("envelope.truncated", true) => {
            "the file was cut off, or is still being written; `rosettar recover` salvages what is whole of it"
        }
        ("envelope.truncated", false) => "the file was cut off, or is still being written",
        ("envelope.unsupported-version" | "feature.unknown", _) => {
            "a newer rosettar may read it; `tar xf` does in any case"
        }
        (
            "section.digest" | "frame.digest" | "index.digest" | "entry.digest" | "stream.digest" | "content.digest",
            recovery,
        ) => match recovery {
            true => {
                "the archive was damaged or altered after it was written; `rosettar verify` tells how far that goes, and \
                 `rosettar recover` salvages what is whole of it"
            }
            false => {
                "the archive was damaged or altered after it was written; `rosettar verify` tells how far that goes"
            }
        },
        ("envelope.unknown-magic", true) => {
            "if it was an archive whose beginning is damaged, `rosettar recover` may still find what is whole of it"
        }
        ("usage.no-such-entry", _) => "`rosettar list ARCHIVE` shows what there is",
        ("usage.no-such-stream", _) => "`rosettar list --streams ARCHIVE` shows what there is",
        // A message that names options says itself what to do.
        ("usage.target", _) if in_own_words(error.message()).contains("`-") => return None,
        ("usage.target", _) => "name an absent or empty directory with -C",
        _ => return None,
    };
    Some(hint.to_owned())
}

/// A value for a limit that is more than the one that was exceeded: that which the message names, or else that in force.
fn more_than(error: &Error, limit: &str, limits: &Limits) -> Option<String> {
    let named = error.message().split_once(&format!("limit {limit} of ")).and_then(|(_, rest)| {
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        rest[..end].parse().ok()
    });
    let in_force = || match limit {
        "decoded-bytes" => limits.decoded_bytes,
        "entries" => Some(limits.entries),
        "frames" => Some(limits.frames),
        "streams" => Some(limits.streams),
        "schemas" => Some(limits.schemas),
        "path-bytes" => Some(limits.path_bytes),
        "component-bytes" => Some(limits.component_bytes),
        "path-depth" => Some(limits.path_depth),
        "record-bytes" => Some(limits.record_bytes),
        "record-values" => Some(limits.record_values),
        "manifest-bytes" => Some(limits.manifest_bytes),
        "index-bytes" => Some(limits.index_bytes),
        _ => None,
    };
    let more = named.or_else(in_force)?.checked_mul(2)?.max(1).checked_next_power_of_two()?;
    let (shift, unit) = match more.trailing_zeros() {
        40.. => (40, "T"),
        30.. => (30, "G"),
        20.. => (20, "M"),
        10.. => (10, "K"),
        _ => (0, ""),
    };
    Some(format!("{}{unit}", more >> shift))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes() {
        for (code, reads, makes) in [
            (code::IO_READ, 1, 1),
            (code::USAGE_OPTION, 1, 1),
            (code::USAGE_INTERRUPTED, 130, 130),
            (code::FRAME_DIGEST, 2, 2),
            (code::INDEX_FRAMES, 2, 1),
            (code::FEATURE_UNKNOWN, 2, 1),
            (code::LIMIT_ENTRIES, 2, 1),
            (code::POLICY_LINK, 2, 1),
            (code::RECORD_VALUE, 2, 1),
        ] {
            let error = Error::new(code, "x");
            assert_eq!((exit_code(&error, Role::Reads), exit_code(&error, Role::Makes)), (reads, makes), "{code:?}");
        }
    }

    #[test]
    fn text_and_json() {
        let error = Error::new(code::LIMIT_ENTRIES, "too \u{1b}many").with_offset(7).with_entry("a\"b");
        assert_eq!(
            text_error(&error, &Advice::default(), false),
            "error: too \\u{1b}many (entry \"a\\\"b\") (at byte 7) [limit.entries]\n\
             hint: if the input is trustworthy, allow more with --limit entries=VALUE, such as 2M\n"
        );
        assert!(text_error(&error, &Advice::default(), true).starts_with("\u{1b}[1;31merror\u{1b}[0m: "));
        let object: serde_json::Value = serde_json::from_str(&json_error(&error)).unwrap();
        assert_eq!(
            object,
            json!({"code": "limit.entries", "kind": "limit", "message": "too \u{1b}many", "offset": 7, "entry": "a\"b"})
        );
        let bare: serde_json::Value = serde_json::from_str(&json_error(&Error::new(code::USAGE_OPTION, "x"))).unwrap();
        assert_eq!(bare["offset"], serde_json::Value::Null);
    }

    #[test]
    fn options_have_the_spelling_of_the_command_line() {
        for (message, expected) in [
            ("the directory that they are in (`directory`)", "the directory that they are in (`-C`)"),
            ("skip them (`links = skip`) or `links = keep`", "skip them (`--links skip`) or `--links keep`"),
            ("merge (`merge = true`), or leave it out (`exclude`)", "merge (`--merge`), or leave it out (`--exclude`)"),
            (
                "`rosettar recover`, `size = 5`, links = skip, `links",
                "`rosettar recover`, `size = 5`, links = skip, `links",
            ),
        ] {
            assert_eq!(in_own_words(message), expected);
        }
    }

    #[test]
    fn hints_name_only_codes_that_exist() {
        let hinted =
            code::ALL.iter().filter(|code| hint(&Error::new(**code, ""), &Advice::default()).is_some()).count();
        let limits = rosettar::Limits::NAMES.len();
        assert_eq!(hinted, limits + 13);
    }
    #[test]
    fn hints_name_a_value_that_is_more() {
        let mut advice = Advice::default();
        for (code, message, expected) in [
            (
                code::LIMIT_INDEX_BYTES,
                "the archive needs more than the limit index-bytes of 268435456",
                "index-bytes=VALUE, such as 512M",
            ),
            (code::LIMIT_PATH_DEPTH, "65 exceed the limit path-depth of 64; no more", "path-depth=VALUE, such as 128"),
            (code::LIMIT_COMPONENT_BYTES, "it is long", "component-bytes=VALUE, such as 512"),
            (code::LIMIT_STREAMS, "it has many", "streams=VALUE, such as 8K"),
            (code::LIMIT_ENTRIES, "more than the limit entries of 0", "entries=VALUE, such as 1"),
            (code::LIMIT_DECODED_BYTES, "it is large", "decoded-bytes=VALUE"),
            (code::LIMIT_FRAMES, "the limit frames of 18446744073709551615", "frames=VALUE"),
        ] {
            let hint = hint(&Error::new(code, message), &advice).unwrap();
            assert!(hint.ends_with(&format!("--limit {expected}")), "{hint}");
        }
        advice.limits.set("streams", "1M").unwrap();
        assert!(hint(&Error::new(code::LIMIT_STREAMS, ""), &advice).unwrap().ends_with("such as 2M"));
    }

    #[test]
    fn recovery_is_named_only_where_it_may_help() {
        let advice = Advice { recovery: false, ..Advice::default() };
        for code in code::ALL {
            let hint = hint(&Error::new(*code, ""), &advice).unwrap_or_default();
            assert!(!hint.contains("recover"), "{hint}");
        }
    }
}
