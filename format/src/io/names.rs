//! Names that Windows cannot hold.

/// Which names of entries are accepted, when packing and when extracting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Names {
    /// All that this system can hold.
    #[default]
    Any,
    /// Only those that Windows, macOS and Linux can hold side by side: none that is [`unportable`], and of those in one
    /// directory no two that are equal once case is folded and characters are composed (Unicode's canonical caseless
    /// matching, which is what NFC and full case folding come to).
    Portable,
}

/// Why Windows cannot hold a file called `name`, one component of a path; `None` where it can.
///
/// The reason completes a sentence such as "the name `aux.txt` …". Elsewhere such names are plain ones: packing warns
/// about them, and extraction refuses them on Windows.
pub fn unportable(name: &str) -> Option<&'static str> {
    if name.contains('\\') {
        return Some("has a backslash, which Windows takes for a separator");
    }
    if name.contains(':') {
        return Some("has a colon, which Windows takes for a drive or stream");
    }
    if name.contains(['<', '>', '"', '|', '?', '*']) {
        return Some("has one of the characters < > \" | ? *, which Windows does not allow");
    }
    if name.ends_with(['.', ' ']) {
        return Some("ends in a dot or space, which Windows drops");
    }
    // Windows looks at what is before the first dot, without the spaces at its end.
    let stem = name.split('.').next().unwrap_or(name).trim_end_matches(' ').to_ascii_uppercase();
    let device = match stem.as_str() {
        "CON" | "PRN" | "AUX" | "NUL" | "CONIN$" | "CONOUT$" => true,
        _ => stem.strip_prefix("COM").or_else(|| stem.strip_prefix("LPT")).is_some_and(|digit| {
            let mut digits = digit.chars();
            matches!((digits.next(), digits.next()), (Some('0'..='9' | '¹' | '²' | '³'), None))
        }),
    };
    device.then_some("is that of a device on Windows")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_windows_cannot_hold() {
        for name in [
            "a\\b",
            "c:",
            "a:b",
            "what?",
            "a*",
            "a<b",
            "a|b",
            "\"",
            "a.",
            "a ",
            "con",
            "CON",
            "Aux.txt",
            "nul.tar.gz",
            "com1",
            "LPT9.x",
            "com¹",
            "COM².txt",
            "lpt³",
            "con .txt",
            "conin$",
            "CONOUT$",
        ] {
            assert!(unportable(name).is_some(), "{name:?}");
        }
    }

    #[test]
    fn names_that_it_can() {
        for name in ["a", "console", "com", "com10", "com1x", "comx", "lpt", "a.con", ".a", " a", "été", "xcon", "a.b"]
        {
            assert_eq!(unportable(name), None, "{name:?}");
        }
    }
}
