//! Names as they are found from where they are used.

use std::collections::HashSet;

use super::super::descriptor::{Enum, File, MessageType};

/// Every name that a set defines, in full.
pub(super) struct Symbols(HashSet<String>);

/// Words that would be read as something else where a type may stand.
const WORDS: [&str; 47] = [
    "double",
    "float",
    "int32",
    "int64",
    "uint32",
    "uint64",
    "sint32",
    "sint64",
    "fixed32",
    "fixed64",
    "sfixed32",
    "sfixed64",
    "bool",
    "string",
    "bytes",
    "map",
    "group",
    "stream",
    "optional",
    "required",
    "repeated",
    "oneof",
    "option",
    "reserved",
    "extensions",
    "extend",
    "message",
    "enum",
    "service",
    "rpc",
    "returns",
    "syntax",
    "edition",
    "import",
    "package",
    "public",
    "weak",
    "to",
    "max",
    "inf",
    "nan",
    "true",
    "false",
    "default",
    "json_name",
    "export",
    "local",
];

pub(super) fn join(scope: &str, name: &str) -> String {
    if scope.is_empty() { name.to_owned() } else { format!("{scope}.{name}") }
}

pub(super) fn last_part(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

impl Symbols {
    pub fn of(files: &[File]) -> Self {
        let mut symbols = Self(HashSet::new());
        for file in files {
            let package = file.package();
            for (end, _) in package.match_indices('.') {
                symbols.0.insert(package[..end].to_owned());
            }
            symbols.0.insert(package.to_owned());
            file.messages.iter().for_each(|message| symbols.message(message, package));
            file.enums.iter().for_each(|item| symbols.enumeration(item, package));
            file.extensions.iter().for_each(|extension| symbols.add(package, extension.name()));
            for service in &file.services {
                symbols.add(package, service.name());
                let full = join(package, service.name());
                service.methods.iter().for_each(|method| symbols.add(&full, method.name()));
            }
        }
        symbols
    }

    /// The shortest way to refer to `name` from inside `scope` that cannot be taken for anything else in the set: relative
    /// to a scope that both share, else in full, else with a leading dot. A relative name stays as it is.
    pub fn shortest(&self, name: &str, scope: &str) -> String {
        let Some(full) = name.strip_prefix('.') else { return name.to_owned() };
        let shared = scopes(scope).find_map(|outer| full.strip_prefix(outer)?.strip_prefix('.'));
        shared
            .into_iter()
            .chain([full])
            .find(|candidate| self.resolves(candidate, full, scope))
            .map_or_else(|| name.to_owned(), str::to_owned)
    }

    /// Whether `candidate`, looked up from inside `scope`, is found as `full`. A compiler decides by the first part, from
    /// the innermost scope out; it passes over what is no scope or not imported, but here any name counts.
    fn resolves(&self, candidate: &str, full: &str, scope: &str) -> bool {
        let first = candidate.split('.').next().unwrap_or(candidate);
        if WORDS.contains(&first) {
            return false;
        }
        let expected = &full[..full.len() - candidate.len() + first.len()];
        scopes(scope)
            .map(|outer| join(outer, first))
            .find(|name| self.0.contains(name))
            .is_some_and(|found| found == expected)
    }

    fn message(&mut self, message: &MessageType, scope: &str) {
        self.add(scope, message.name());
        let full = join(scope, message.name());
        message.fields.iter().chain(&message.extensions).for_each(|field| self.add(&full, field.name()));
        message.oneofs.iter().for_each(|oneof| self.add(&full, oneof.name()));
        message.enums.iter().for_each(|item| self.enumeration(item, &full));
        message.messages.iter().for_each(|inner| self.message(inner, &full));
    }

    fn enumeration(&mut self, item: &Enum, scope: &str) {
        self.add(scope, item.name());
        item.values.iter().for_each(|value| self.add(scope, value.name()));
    }

    fn add(&mut self, scope: &str, name: &str) {
        self.0.insert(join(scope, name));
    }
}

/// `scope` and all scopes around it, the outermost, which has no name, last.
fn scopes(scope: &str) -> impl Iterator<Item = &str> {
    let inner = (!scope.is_empty()).then_some(scope);
    inner.into_iter().chain(scope.rmatch_indices('.').map(move |(end, _)| &scope[..end])).chain([""])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shortest_names_are_found_as_meant() {
        let names = ["a", "a.b", "a.b.M", "a.b.M.N", "a.b.M.a", "a.b.M.f", "M", "M.N", "a.b.string", "c", "c.M"];
        let symbols = Symbols(names.iter().map(|name| (*name).to_owned()).collect());
        for (name, scope, expected) in [
            (".a.b.M", "a.b", "M"),
            (".a.b.M.N", "a.b.M", "N"),
            (".M.N", "a.b", ".M.N"),
            (".c.M", "a.b", "c.M"),
            (".a.b.string", "a.b", "a.b.string"),
            (".a.b.string", "a.b.M", ".a.b.string"),
            (".M", "", "M"),
            ("M", "a.b", "M"),
        ] {
            assert_eq!(symbols.shortest(name, scope), expected, "{name} from {scope}");
        }
    }
}
