//! Archives made to do harm, with every digest right: conformance/writer.py forges them.
#![cfg(unix)]

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::{Dir, have};

/// Each annotation was looked for among all types of each Schema, which took hours.
#[test]
fn annotations_of_unknown_types_cost_info_little() {
    if !have("python3", "annotations_of_unknown_types_cost_info_little") {
        return;
    }
    let script = r#"
import sys
from writer import *
messages = [(f"M{n}", [("a", 1, 9)]) for n in range(5000)]
annotations = [(f"x/n.N{n}", b"") for n in range(20000)] + [("x/m.M7", greeting("x")), ("x/m.M7", b"\xff")]
a = Archive(annotations=annotations).schema(b"").schema(descriptor_set(file_descriptor("m.proto", "m", messages)))
sys.stdout.buffer.write(a.build())
"#;
    let writer = Path::new(env!("CARGO_MANIFEST_DIR")).join("../conformance");
    let forged = Command::new("python3").args(["-B", "-c", script]).env("PYTHONPATH", writer).output().unwrap();
    assert!(forged.status.success(), "{}", String::from_utf8_lossy(&forged.stderr));
    let dir = Dir::new();
    dir.write("a.rtar", forged.stdout);
    let start = Instant::now();
    let json = dir.run(&["info", "--json", "a.rtar"]).ok().json();
    assert!(start.elapsed() < Duration::from_secs(15), "{:?}", start.elapsed());
    let annotations = json["annotations"].as_array().unwrap();
    assert_eq!(annotations.len(), 20_002);
    assert_eq!(annotations[20_000]["value"], serde_json::json!({"a": "x"}));
    assert!(annotations[0]["value"].is_null() && annotations[20_001]["value"].is_null());
}
