//! Names for protobuf out of names that may be any text.

use std::collections::HashSet;

/// The most bytes taken of a name; with what is put before and behind it, an identifier stays within its bounds.
const LONGEST: usize = 120;

/// The names within one message.
#[derive(Default)]
pub(crate) struct Names(HashSet<String>);

impl Names {
    /// A name for the field that stands for `original`: it, where it is an identifier, else something like it.
    pub fn field(&mut self, original: &str) -> String {
        self.unused(&identifier(original, "column"), |name| {
            // Beside the name itself: protoc refuses names that are alike in JSON, an `optional` field has a oneof of
            // its own, and a map a message.
            vec![format!("json:{}", folded(name)), name.to_owned(), format!("_{name}"), map_entry(name)]
        })
    }

    /// A name for a message that the field `name` is of.
    pub fn message(&mut self, name: &str) -> String {
        self.unused(&camel(name), |name| vec![name.to_owned()])
    }

    fn unused(&mut self, wanted: &str, claims: impl Fn(&str) -> Vec<String>) -> String {
        let name = (1_u32..)
            .map(|n| if n == 1 { wanted.to_owned() } else { format!("{wanted}_{n}") })
            .find(|name| claims(name).iter().all(|claim| !self.0.contains(claim)));
        let name = name.unwrap_or_default();
        self.0.extend(claims(&name));
        name
    }
}

/// `original` as an identifier; `otherwise` where nothing is left of it.
pub(crate) fn identifier(original: &str, otherwise: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    let name: String = original.chars().take(LONGEST).map(plain).collect();
    match name.chars().find(|c| *c != '_') {
        None => otherwise.to_owned(),
        Some(_) if name.starts_with(|c: char| c.is_ascii_alphabetic()) => name,
        Some(_) => format!("{otherwise}_{}", name.trim_start_matches('_')),
    }
}

/// What protoc takes to be the same name.
fn folded(name: &str) -> String {
    name.chars().filter(|c| *c != '_').map(|c| c.to_ascii_lowercase()).collect()
}

/// The name as a type's.
pub(crate) fn camel(name: &str) -> String {
    let mut out = String::new();
    for part in name.split('_') {
        let mut chars = part.chars();
        out.extend(chars.next().map(|c| c.to_ascii_uppercase()));
        out.push_str(chars.as_str());
    }
    out
}

/// The name of the entries of the map field `name`, as the protobuf language prescribes it.
pub(crate) fn map_entry(name: &str) -> String {
    format!("{}Entry", camel(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_identifiers_and_unique() {
        let mut names = Names::default();
        assert_eq!(names.field("price"), "price");
        assert_eq!(names.field("price"), "price_2");
        assert_eq!(names.field("Price 2"), "Price_2_2");
        assert_eq!(names.field("2nd"), "column_2nd");
        assert_eq!(names.field(""), "column");
        assert_eq!(names.field("größe"), "gr__e");
        assert_eq!(names.field("a_b"), "a_b");
        assert_eq!(names.field("aB"), "aB_2");
        // The entries of the map `x` would be called so.
        assert_eq!(names.field("x"), "x");
        assert_eq!(names.field("XEntry"), "XEntry_2");
        assert_eq!(names.message("price"), "Price");
        assert_eq!(names.message("price"), "Price_2");
        assert!(names.field(&"long".repeat(100)).len() < 200);
    }
}
