//! Which columns were asked for.

use std::collections::HashMap;

use rosettar::error::{Error, code};

/// A choice among the fields of a message.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Selected {
    /// Whether all fields are wanted.
    pub(super) all: bool,
    /// Otherwise those that are, with the choice among their own fields, in the order in which they were asked for.
    pub(super) fields: Vec<(String, Selected)>,
}

impl Selected {
    pub(super) fn everything() -> Self {
        Self { all: true, fields: Vec::new() }
    }

    /// The choice that dotted paths make; all fields where there are none. A path that is in `names` stands for the field
    /// that is there.
    ///
    /// # Errors
    /// `usage.option` for a path that is none.
    pub(super) fn parse(paths: &[String], names: &HashMap<String, String>) -> Result<Self, Error> {
        if paths.is_empty() {
            return Ok(Self::everything());
        }
        let mut root = Self::default();
        for path in paths {
            let mut at = &mut root;
            let path = match names.get(path) {
                Some(name) => vec![name.clone()],
                None => parts(path)?,
            };
            for part in path {
                let known = at.fields.iter().position(|(name, _)| *name == part);
                let place = known.unwrap_or_else(|| {
                    at.fields.push((part, Self::default()));
                    at.fields.len() - 1
                });
                at = &mut at.fields[place].1;
            }
            at.all = true;
        }
        Ok(root)
    }
}

/// The names that `path` joins with dots; the name of an extension is in brackets, with dots of its own.
fn parts(path: &str) -> Result<Vec<String>, Error> {
    let bad = || {
        let message = format!("{path:?} names no column: expected a name, or names with dots between, as a or b.c");
        Error::new(code::USAGE_OPTION, message)
    };
    let (mut parts, mut rest) = (Vec::new(), path);
    loop {
        let end = match rest.strip_prefix('[') {
            Some(inner) => inner.find(']').ok_or_else(bad)? + 2,
            None => rest.find('.').unwrap_or(rest.len()),
        };
        let (part, after) = rest.split_at(end);
        if part.is_empty() {
            return Err(bad());
        }
        parts.push(part.to_owned());
        match after.strip_prefix('.') {
            Some(after) => rest = after,
            None if after.is_empty() => return Ok(parts),
            None => return Err(bad()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        assert_eq!(parts("a.b.c").unwrap(), ["a", "b", "c"]);
        assert_eq!(parts("a.[x.y].c").unwrap(), ["a", "[x.y]", "c"]);
        for bad in ["", ".", "a.", ".a", "a..b", "[x", "[x]y"] {
            assert!(parts(bad).is_err(), "{bad}");
        }
        let both = Selected::parse(&["a.b".into(), "c".into(), "a".into()], &HashMap::new()).unwrap();
        assert_eq!(both.fields[0].0, "a");
        assert!(both.fields[0].1.all && both.fields[1].1.all);
    }
}
