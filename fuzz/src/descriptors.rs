//! Random descriptor sets: in the shape of what compilers make, with things that no compiler would.

use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{
    DescriptorProto, EnumDescriptorProto, EnumOptions, EnumValueDescriptorProto, FieldDescriptorProto, FieldOptions,
    FileDescriptorProto, FileDescriptorSet, MessageOptions, MethodDescriptorProto, OneofDescriptorProto,
    ServiceDescriptorProto, descriptor_proto, enum_descriptor_proto,
};

use prost::Message as _;

/// Names that meet each other, and some that are none.
const NAMES: &[&str] = &["A", "B", "a", "b", "AEntry", "key", "value", "x.y", ".A", "", "9", "é", "google", "reserved"];
const PATHS: &[&str] = &["a.proto", "b.proto", "c.proto", "d/e.proto", "google/protobuf/any.proto", "", "../a.proto"];
const PACKAGES: &[&str] = &["", "p", "p.q", "google.protobuf", "p..q", ".p", "A"];
const NUMBERS: &[i32] = &[1, 2, 3, 15, 16, 0, -1, 18_999, 19_000, 19_999, 536_870_911, 536_870_912, i32::MAX, i32::MIN];
const DEFAULTS: &[&str] =
    &["", "0", "-1", "nan", "inf", "1e999", "true", "\\", "\\xff", "A", "99999999999999999999", "'"];
const SYNTAXES: &[&str] = &["", "proto2", "proto3", "editions", "proto4"];

/// Numbers that one seed determines.
#[derive(Debug)]
pub struct Random {
    state: u64,
    /// One choice in so many is odd.
    odd: usize,
    /// How many names were made.
    named: usize,
    /// Full names of messages and enums, for fields to refer to.
    messages: Vec<String>,
    enums: Vec<String>,
}

impl Random {
    /// The numbers of `seed`.
    pub fn new(seed: u64) -> Self {
        let state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        let odd = [4, 40, 400, 4000][(seed % 4) as usize];
        Self { state, odd, named: 0, messages: Vec::new(), enums: Vec::new() }
    }

    fn next(&mut self) -> u64 {
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        self.state.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 16
    }

    /// Less than `bound`.
    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    fn one_in(&mut self, bound: usize) -> bool {
        self.below(bound) == 0
    }

    fn is_odd(&mut self) -> bool {
        let odd = self.odd;
        self.one_in(odd)
    }

    /// One of the first `usual`, and now and then of them all.
    fn pick<T: Copy>(&mut self, from: &[T], usual: usize) -> T {
        let bound = if self.is_odd() { from.len() } else { usual };
        from[self.below(bound)]
    }

    /// A name that is not taken, and now and then any.
    fn name(&mut self) -> String {
        self.named += 1;
        match self.is_odd() {
            true => NAMES[self.below(NAMES.len())].to_owned(),
            false => format!("n{}", self.named),
        }
    }

    /// What happens only now and then.
    fn odd<T>(&mut self, make: impl FnOnce(&mut Self) -> T) -> Option<T> {
        self.is_odd().then(|| make(self))
    }

    fn some<T>(&mut self, most: usize, mut make: impl FnMut(&mut Self) -> T) -> Vec<T> {
        (0..self.below(most + 1)).map(|_| make(self)).collect()
    }

    fn maybe<T>(&mut self, bound: usize, make: impl FnOnce(&mut Self) -> T) -> Option<T> {
        self.one_in(bound).then(|| make(self))
    }
}

/// A serialized `FileDescriptorSet`; of one in eight, bytes were changed afterwards.
pub fn set(seed: u64) -> Vec<u8> {
    let mut random = Random::new(seed);
    let mut files = Vec::new();
    for number in 0..=random.below(4) {
        files.push(file(&mut random, number));
    }
    let mut bytes = FileDescriptorSet { file: files }.encode_to_vec();
    if random.one_in(8) && !bytes.is_empty() {
        for _ in 0..=random.below(4) {
            let at = random.below(bytes.len());
            match random.below(3) {
                0 => bytes[at] = random.next() as u8,
                1 => bytes.insert(at, random.next() as u8),
                _ => drop(bytes.remove(at)),
            }
            if bytes.is_empty() {
                break;
            }
        }
    }
    bytes
}

fn file(random: &mut Random, number: usize) -> FileDescriptorProto {
    let package = random.pick(PACKAGES, 3).to_owned();
    let syntax = random.pick(SYNTAXES, 3);
    let proto3 = syntax == "proto3";
    let scope = if package.is_empty() { String::new() } else { format!(".{package}") };
    let dependency: Vec<String> = match random.odd(|random| random.pick(PATHS, PATHS.len()).to_owned()) {
        Some(any) => vec![any],
        None => (0..number).map(|before| PATHS[before].to_owned()).collect(),
    };
    let mut public_dependency: Vec<i32> = (0..dependency.len() as i32).filter(|_| random.one_in(3)).collect();
    public_dependency.extend(random.odd(|random| random.below(5) as i32));
    FileDescriptorProto {
        name: Some(random.odd(|random| random.pick(PATHS, PATHS.len())).unwrap_or(PATHS[number]).to_owned()),
        package: (!package.is_empty()).then_some(package),
        public_dependency,
        weak_dependency: random.odd(|_| 0).into_iter().collect(),
        dependency,
        enum_type: random.some(2, |random| enumeration(random, &scope, proto3)),
        message_type: random.some(3, |random| message(random, &scope, proto3, 0)),
        service: random.maybe(6, service).into_iter().collect(),
        extension: random.odd(|random| random.some(2, |random| field(random, 1, proto3))).unwrap_or_default(),
        syntax: (!syntax.is_empty()).then(|| syntax.to_owned()),
        ..FileDescriptorProto::default()
    }
}

fn message(random: &mut Random, scope: &str, proto3: bool, depth: usize) -> DescriptorProto {
    let name = random.name();
    let own = format!("{scope}.{name}");
    let most = if depth < 6 { 2 } else { 0 };
    random.messages.push(own.clone());
    let enum_type =
        random.maybe(3, |random| random.some(2, |random| enumeration(random, &own, proto3))).unwrap_or_default();
    let nested_type = random
        .maybe(2, |random| random.some(most, |random| message(random, &own, proto3, depth + 1)))
        .unwrap_or_default();
    let mut field: Vec<_> = (1..=random.below(7) as i32).map(|number| field(random, number, proto3)).collect();
    let mut oneof_decl = Vec::new();
    if random.one_in(3)
        && let Some(field) = field.iter_mut().find(|field| field.label == Some(Label::Optional as i32))
    {
        field.oneof_index = Some(random.odd(|random| random.below(4) as i32 - 1).unwrap_or(0));
        oneof_decl.push(OneofDescriptorProto { name: Some(random.name()), options: None });
    }
    let range = |random: &mut Random| (Some(random.pick(&[1000, 2000], 2)), Some(random.pick(&[2000, 3000, 5, -1], 2)));
    DescriptorProto {
        name: Some(name),
        field,
        extension: random.odd(|random| random.some(2, |random| self::field(random, 1, proto3))).unwrap_or_default(),
        nested_type,
        enum_type,
        extension_range: random
            .odd(range)
            .map(|(start, end)| descriptor_proto::ExtensionRange { start, end, options: None })
            .into_iter()
            .collect(),
        oneof_decl,
        options: random.odd(|random| MessageOptions {
            map_entry: random.maybe(2, |_| true),
            message_set_wire_format: random.maybe(4, |_| true),
            ..MessageOptions::default()
        }),
        reserved_range: random
            .odd(range)
            .map(|(start, end)| descriptor_proto::ReservedRange { start, end })
            .into_iter()
            .collect(),
        reserved_name: random.odd(Random::name).into_iter().collect(),
    }
}

fn field(random: &mut Random, number: i32, proto3: bool) -> FieldDescriptorProto {
    let mut kind = 1 + random.below(18) as i32;
    if kind == Type::Group as i32 {
        kind = random.odd(|_| kind).unwrap_or(Type::Message as i32);
    }
    let names = if kind == Type::Enum as i32 { &random.enums } else { &random.messages };
    let named = [Type::Message, Type::Group, Type::Enum].iter().any(|named| *named as i32 == kind);
    let mut named_type = named.then(|| names.last().cloned());
    if named && (named_type == Some(None) || random.is_odd()) {
        (kind, named_type) =
            (random.odd(|_| kind).unwrap_or(Type::String as i32), random.odd(|random| Some(type_name(random))));
    }
    let label = match random.below(8) {
        0 if !proto3 || random.is_odd() => Label::Required,
        1..4 => Label::Repeated,
        _ => Label::Optional,
    };
    FieldDescriptorProto {
        name: Some(random.name()),
        number: Some(random.odd(|random| random.pick(NUMBERS, NUMBERS.len())).unwrap_or(number)),
        label: Some(label as i32),
        r#type: Some(random.odd(|random| random.below(100) as i32).unwrap_or(kind)),
        type_name: named_type.flatten(),
        extendee: random.odd(type_name),
        default_value: random.odd(|random| DEFAULTS[random.below(DEFAULTS.len())].to_owned()),
        oneof_index: random.odd(|random| random.below(3) as i32),
        json_name: random.odd(Random::name),
        options: random.odd(|random| FieldOptions { packed: random.maybe(2, |_| true), ..FieldOptions::default() }),
        proto3_optional: random.odd(|_| true),
    }
}

fn type_name(random: &mut Random) -> String {
    let package = random.pick(&["", ".p", ".p.q", "p"], 4);
    let name = random.pick(NAMES, NAMES.len());
    match random.below(4) {
        0 => name.to_owned(),
        1 => format!("{package}.{name}.{}", random.pick(NAMES, NAMES.len())),
        2 => random.messages.first().cloned().unwrap_or_default(),
        _ => format!("{package}.{name}"),
    }
}

fn enumeration(random: &mut Random, scope: &str, proto3: bool) -> EnumDescriptorProto {
    let name = random.name();
    random.enums.push(format!("{scope}.{name}"));
    let first = if proto3 || random.one_in(2) { 0 } else { -5 };
    let value = (first..=first + random.below(4) as i32).map(|number| EnumValueDescriptorProto {
        name: Some(random.name()),
        number: Some(random.odd(|random| random.pick(&[0, 1, -1, i32::MAX, i32::MIN], 5)).unwrap_or(number)),
        options: None,
    });
    EnumDescriptorProto {
        name: Some(name),
        value: value.collect(),
        options: random.odd(|random| EnumOptions { allow_alias: random.maybe(2, |_| true), ..EnumOptions::default() }),
        reserved_range: random
            .odd(|random| enum_descriptor_proto::EnumReservedRange {
                start: Some(random.pick(NUMBERS, NUMBERS.len())),
                end: Some(random.pick(NUMBERS, NUMBERS.len())),
            })
            .into_iter()
            .collect(),
        ..EnumDescriptorProto::default()
    }
}

fn service(random: &mut Random) -> ServiceDescriptorProto {
    let known = |random: &mut Random| match random.messages.last().cloned() {
        Some(name) if !random.is_odd() => name,
        _ => type_name(random),
    };
    ServiceDescriptorProto {
        name: Some(random.name()),
        method: random.some(2, |random| MethodDescriptorProto {
            name: Some(random.name()),
            input_type: Some(known(random)),
            output_type: Some(known(random)),
            ..MethodDescriptorProto::default()
        }),
        options: None,
    }
}
