//! A count of what a message holds, made on the wire before the message is decoded, so that memory is bounded by what
//! the format allows and never by what the bytes announce (FORMAT.md, "Limits").

/// The deepest nesting that protobuf libraries, prost among them, take.
const MAX_NESTING: u32 = 100;

/// Which fields of a message hold what; the others are only counted.
pub(super) struct Shape {
    /// The highest number of a field that this version knows; none below it is free.
    pub last: u32,
    /// Repeated numbers, packed.
    pub packed: &'static [u32],
    /// Messages to look into.
    pub nested: &'static [(u32, &'static Shape)],
}

/// What a message holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) struct Tally {
    /// Fields with a length: strings, bytes, messages, packed numbers.
    pub fields: u64,
    /// Numbers, packed ones each.
    pub numbers: u64,
    /// Fields that this version does not know, which decoding drops.
    pub unknown: u64,
}

/// Counts what `bytes` hold; `None` where they are no protobuf message.
pub(super) fn tally(bytes: &[u8], shape: &Shape) -> Option<Tally> {
    let mut tally = Tally::default();
    add(bytes, shape, &mut tally)?;
    Some(tally)
}

fn add(mut bytes: &[u8], shape: &Shape, tally: &mut Tally) -> Option<()> {
    // Groups occur in no message of rosettar.v1; unknown ones are passed over, as deep as protobuf libraries go.
    let mut groups = 0;
    while !bytes.is_empty() {
        let key = varint(&mut bytes)?;
        let field = u32::try_from(key >> 3).ok()?;
        tally.unknown += u64::from(field > shape.last && groups == 0);
        match key & 7 {
            3 => {
                groups += 1;
                if groups > MAX_NESTING {
                    return None;
                }
            }
            4 if groups > 0 => groups -= 1,
            0 => {
                varint(&mut bytes)?;
                tally.numbers += 1;
            }
            1 => {
                bytes = bytes.get(8..)?;
                tally.numbers += 1;
            }
            5 => {
                bytes = bytes.get(4..)?;
                tally.numbers += 1;
            }
            2 => {
                let len = usize::try_from(varint(&mut bytes)?).ok()?;
                let content = bytes.get(..len)?;
                bytes = &bytes[len..];
                tally.fields += 1;
                if groups > 0 {
                    continue;
                }
                if shape.packed.contains(&field) {
                    tally.numbers += content.iter().filter(|byte| **byte < 0x80).count() as u64;
                } else if let Some((_, nested)) = shape.nested.iter().find(|(number, _)| *number == field) {
                    add(content, nested, tally)?;
                }
            }
            _ => return None,
        }
    }
    (groups == 0).then_some(())
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7F) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const INNER: Shape = Shape { last: 1, packed: &[1], nested: &[] };
    const OUTER: Shape = Shape { last: 3, packed: &[], nested: &[(2, &INNER)] };

    #[test]
    fn counts_without_decoding() {
        let inner = [0x0A, 3, 1, 0x80, 1];
        let mut bytes = vec![0x08, 5, 0x12, inner.len() as u8];
        bytes.extend(inner);
        bytes.extend([0x1A, 1, 0]);
        assert_eq!(tally(&bytes, &OUTER), Some(Tally { fields: 3, numbers: 3, unknown: 0 }));
        for len in [1, 3, 5, bytes.len() - 1] {
            assert_eq!(tally(&bytes[..len], &OUTER), None, "{len}");
        }
        assert_eq!(tally(&[0x0B], &OUTER), None, "a group without its end");
        assert_eq!(tally(&[0x0B, 0x08, 1, 0x0C], &OUTER), Some(Tally { fields: 0, numbers: 1, unknown: 0 }));
        let deep = [[0x0B].repeat(50_000), [0x0C].repeat(50_000)].concat();
        assert_eq!(tally(&deep, &OUTER), None);
    }

    /// The shapes that the messages of rosettar.v1 are counted by are those of their descriptors.
    #[test]
    fn shapes_are_those_of_the_descriptors() {
        let pool = crate::schema::build_pool(crate::proto::DESCRIPTOR_SET).unwrap();
        for (name, shape) in super::super::shapes() {
            agrees(&pool.get_message_by_name(name).unwrap(), shape);
        }
    }

    fn agrees(message: &prost_reflect::MessageDescriptor, shape: &Shape) {
        let known: Vec<u32> = message.fields().map(|field| field.number()).collect();
        let last = known.iter().copied().max().unwrap_or_default();
        // A shape may stand for several messages; what it lets pass as known they must not lack.
        assert_eq!(shape.last, last, "{}", message.full_name());
        assert_eq!(known.len(), last as usize, "{}", message.full_name());
        for field in message.fields() {
            let numeric = field.is_list() && field.is_packed();
            assert_eq!(shape.packed.contains(&field.number()), numeric, "{}", field.full_name());
            let nested = shape.nested.iter().find(|(number, _)| *number == field.number());
            match (field.kind(), nested) {
                (prost_reflect::Kind::Message(inner), Some((_, shape))) => agrees(&inner, shape),
                (prost_reflect::Kind::Message(_), None) => assert!(!field.is_list(), "{}", field.full_name()),
                (_, nested) => assert!(nested.is_none(), "{}", field.full_name()),
            }
        }
    }
}
