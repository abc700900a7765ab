//! Identifiers, JSON names and escaped literals of the protobuf language.

/// Whether `name` is one identifier: a letter or underscore, then letters, digits and underscores, all ASCII.
pub(super) fn is_identifier(name: &str) -> bool {
    let bytes = name.as_bytes();
    bytes.first().is_some_and(|b| b.is_ascii_alphabetic() || *b == b'_')
        && bytes.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'_')
}

/// The JSON name that a field gets where none is stated: underscores go, and the letter after each becomes upper case.
pub(super) fn json_name(name: &str) -> String {
    camel_case(name, false)
}

/// The name of the entry message of the map field `field`.
pub(super) fn map_entry_name(field: &str) -> String {
    camel_case(field, true) + "Entry"
}

fn camel_case(name: &str, mut upper: bool) -> String {
    let mut out = String::with_capacity(name.len());
    for c in name.chars() {
        if c == '_' {
            upper = true;
        } else if upper {
            out.push(c.to_ascii_uppercase());
            upper = false;
        } else {
            out.push(c);
        }
    }
    out
}

/// The bytes that a C-escaped literal stands for, or `None` where it is none.
///
/// Stricter than prost-reflect's, which slices inside a character after `\x`, and overflows at `\777`.
pub(super) fn unescape(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        if *first != b'\\' {
            out.push(*first);
            continue;
        }
        let (escape, tail) = rest.split_first()?;
        rest = tail;
        out.push(match escape {
            b'a' => 0x07,
            b'b' => 0x08,
            b'f' => 0x0c,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'v' => 0x0b,
            b'\\' | b'?' | b'\'' | b'"' => *escape,
            b'0'..=b'7' => {
                let mut value = u32::from(escape - b'0');
                for _ in 0..2 {
                    match rest {
                        [digit @ b'0'..=b'7', tail @ ..] => {
                            value = value * 8 + u32::from(digit - b'0');
                            rest = tail;
                        }
                        _ => break,
                    }
                }
                u8::try_from(value).ok()?
            }
            b'x' | b'X' => {
                let (digits, tail) = rest.split_at_checked(2)?;
                let digit = |b: u8| char::from(b).to_digit(16);
                rest = tail;
                (digit(digits[0])? * 16 + digit(digits[1])?) as u8
            }
            _ => return None,
        });
    }
    Some(out)
}

/// A quoted literal for text; what is not printable ASCII or a whole character of UTF-8 is escaped.
pub(super) fn quote_text(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if c.is_control() => {
                let mut buffer = [0; 4];
                for byte in c.encode_utf8(&mut buffer).bytes() {
                    out.push_str(&format!("\\{byte:03o}"));
                }
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// A quoted literal for bytes.
pub(super) fn quote_bytes(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() + 2);
    out.push('"');
    for &byte in bytes {
        match byte {
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            0x20..=0x7e => out.push(char::from(byte)),
            _ => out.push_str(&format!("\\{byte:03o}")),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers() {
        for good in ["a", "_", "A9_"] {
            assert!(is_identifier(good), "{good}");
        }
        for bad in ["", "9", "a.b", "a b", "é", "a-b", "a\n"] {
            assert!(!is_identifier(bad), "{bad}");
        }
        assert_eq!(json_name("foo_bar__baz_"), "fooBarBaz");
        assert_eq!(map_entry_name("foo_bar"), "FooBarEntry");
    }

    #[test]
    fn escapes() {
        assert_eq!(unescape(r#"a\001\xfF\n\"\?\377é"#).unwrap(), b"a\x01\xff\n\"?\xff\xc3\xa9");
        for bad in ["\\", "\\x1", "\\xé", "\\x€", "\\777", "\\400", "\\w"] {
            assert_eq!(unescape(bad), None, "{bad}");
        }
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(unescape(quote_bytes(&all).trim_matches('"').replace("\\\"", "\"").as_str()).unwrap(), all);
    }
}
