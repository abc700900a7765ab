//! Descriptor sets: judged in bounded time and memory; what is accepted can be used in every way.

use rosettar::record::{self, JsonOptions};
use rosettar::schema;

use super::{MEMORY, limits};
use crate::memory;

/// Runs the target.
pub fn run(data: &[u8]) {
    // The last byte says how much of the end is a record.
    let Some((len, data)) = data.split_last() else { return };
    let (set, message) = data.split_at(data.len() - usize::from(*len).min(data.len()));
    memory::within(MEMORY, || judge(set, message));
}

fn judge(set: &[u8], bytes: &[u8]) {
    let accepted = schema::check(set).is_ok();
    let ordered = schema::order(set);
    let Ok(pool) = schema::build_pool(set) else { return };
    assert!(accepted, "a pool was built of what the guard refuses");
    schema::print_files(set).expect("what is accepted is printed");
    if let Ok(ordered) = ordered {
        assert!(schema::check_order(&ordered).is_ok(), "what was put in order is in order");
    }
    for descriptor in pool.all_messages().take(16) {
        let name = descriptor.full_name().to_owned();
        let closure = schema::closure_of(set, &[&name]).expect("the type is defined");
        assert!(schema::same_type(set, &closure, &name).expect("both are acceptable"), "{name}");
        if let Ok(message) = record::decode(&descriptor, bytes, &limits()) {
            let again = record::decode(&descriptor, &record::encode(&message), &limits());
            assert!(again.is_ok(), "{name}: what was decoded is decoded again");
            let _ = record::to_json(&message, &JsonOptions::new());
        }
    }
}
