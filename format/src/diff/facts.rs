//! What archives say of themselves as a whole.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use super::{AnnotationDifference, AttributeDifference, DiffOptions, Difference, Sides};
use crate::model::{Annotation, Facts};

pub(super) fn compare(old: &Facts, new: &Facts, options: &DiffOptions, difference: &mut Difference) {
    fn changed<T: Clone + PartialEq>(old: &T, new: &T) -> Option<Sides<T>> {
        (old != new).then(|| Sides::both(old.clone(), new.clone()))
    }
    difference.format = changed(&old.format, &new.format);
    let (old, new) = (&old.manifest, &new.manifest);
    difference.producer = changed(&old.producer, &new.producer);
    if options.times && old.created != new.created {
        difference.created = Some(Sides { old: old.created, new: new.created });
    }
    // Which of them stand in the index instead of the manifest, and so later in the list, is no difference.
    let features = |features: &[String]| features.iter().cloned().collect::<BTreeSet<_>>().into_iter().collect();
    difference.required_features =
        changed::<Vec<_>>(&features(&old.required_features), &features(&new.required_features));
    difference.attributes = attributes(&old.attributes, &new.attributes);
    difference.annotations = annotations(&old.annotations, &new.annotations);
    difference.annotations_reordered = difference.annotations.is_empty() && old.annotations != new.annotations;
}

/// What an archive has and a directory cannot have, a sentence each.
pub(super) fn without_counterpart(facts: &Facts) -> Vec<String> {
    let count = |number: usize, one: &str, more: &str| match number {
        0 => None,
        1 => Some(format!("1 {one} of the archive: a directory has none")),
        number => Some(format!("{number} {more} of the archive: a directory has none")),
    };
    let manifest = &facts.manifest;
    [
        count(facts.streams.len(), "stream", "streams"),
        count(manifest.attributes.len(), "attribute", "attributes"),
        count(manifest.annotations.len(), "annotation", "annotations"),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn attributes(old: &BTreeMap<String, String>, new: &BTreeMap<String, String>) -> Vec<AttributeDifference> {
    let keys: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    keys.into_iter()
        .filter(|key| old.get(*key) != new.get(*key))
        .map(|key| {
            let sides = Sides { old: old.get(key).cloned(), new: new.get(key).cloned() };
            AttributeDifference { key: key.clone(), sides }
        })
        .collect()
}

/// Those that only one side has, as often as it has them more; of one type, old and new ones are paired in their order.
fn annotations(old: &[Annotation], new: &[Annotation]) -> Vec<AnnotationDifference> {
    let mut surplus: HashMap<(&str, &[u8]), usize> = HashMap::new();
    for annotation in new {
        *surplus.entry((&annotation.type_url, &annotation.value)).or_default() += 1;
    }
    let mut removed: BTreeMap<&str, VecDeque<&[u8]>> = BTreeMap::new();
    for annotation in old {
        match surplus.get_mut(&(annotation.type_url.as_str(), annotation.value.as_slice())) {
            Some(count @ 1..) => *count -= 1,
            _ => removed.entry(&annotation.type_url).or_default().push_back(&annotation.value),
        }
    }
    let mut found = Vec::new();
    let mut push = |type_url: &str, old: Option<&[u8]>, new: Option<&[u8]>| {
        let sides = Sides { old: old.map(<[u8]>::to_vec), new: new.map(<[u8]>::to_vec) };
        found.push(AnnotationDifference { type_url: type_url.to_owned(), sides });
    };
    for annotation in new {
        let (url, value) = (annotation.type_url.as_str(), annotation.value.as_slice());
        if let Some(count @ 1..) = surplus.get_mut(&(url, value)) {
            *count -= 1;
            push(url, removed.get_mut(url).and_then(VecDeque::pop_front), Some(value));
        }
    }
    for (url, values) in removed {
        values.into_iter().for_each(|value| push(url, Some(value), None));
    }
    found.sort_by(|a, b| a.type_url.cmp(&b.type_url));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(annotations: &[(&str, &[u8])]) -> Vec<Annotation> {
        let one = |(url, value): &(&str, &[u8])| Annotation { type_url: (*url).to_owned(), value: value.to_vec() };
        annotations.iter().map(one).collect()
    }

    #[test]
    fn annotations_are_paired_by_type() {
        let old = list(&[("a", b"1"), ("a", b"1"), ("b", b"2"), ("c", b"3")]);
        let new = list(&[("b", b"22"), ("a", b"1"), ("d", b"4"), ("c", b"3")]);
        let text = |value: &Option<Vec<u8>>| {
            value.as_ref().map_or("-", |value| std::str::from_utf8(value).unwrap()).to_owned()
        };
        let found: Vec<_> = annotations(&old, &new)
            .iter()
            .map(|found| format!("{} {} {}", found.type_url, text(&found.sides.old), text(&found.sides.new)))
            .collect();
        assert_eq!(found, ["a 1 -", "b 2 22", "d - 4"]);
        assert!(annotations(&old, &list(&[("c", b"3"), ("b", b"2"), ("a", b"1"), ("a", b"1")])).is_empty());
    }
}
