//! Broken archives made to cost much, or to come back as something else.
#![cfg(target_os = "linux")]

use rosettar::{Limits, RecoverOptions, WriteOptions};

use super::{entry, recover};
use crate::hostile::forge;
use crate::support;

/// Each damaged page makes the recovery parse the tar from the page's beginning on. A member that claims what the pages
/// after it have would be salvaged besides those, and cost as much for each page.
#[test]
fn a_member_reaches_into_no_other_page() {
    let script = r#"
a = Archive(page_entries=1).file("a", b"").file("b", b"content").file("c", b"")
def parts(parts):
    claims = Member(FILE, "a", bytes(1024), 0o644, 1_700_000_000).header()
    parts[1].data[:512] = claims
def file(data):
    at = 0
    while (at := data.find(b"ENTR\0\0\0\0", at + 1)) > 0:
        data[at + 8] ^= 1
a.on("parts", parts).on("file", file)
"#;
    let Some(bytes) = forge("a_member_reaches_into_no_other_page", script) else { return };
    let (archive, report) = recover(&bytes).unwrap();
    assert!(report.losses.by_index, "{report:?}");
    let paths: Vec<String> = archive.entries().map(|entry| entry.unwrap().path.to_string()).collect();
    assert_eq!(paths, ["b", "c"]);
}

/// A chain may hold as many late Schemas as an archive may, however small they are: the work on them is not linear.
#[test]
fn schemas_without_number_are_a_limit() {
    let script = r#"
a = Archive().file("a", b"x")
def file(data):
    at = data.rindex(b"ENTR\0\0\0\0") - 8
    return data[:at] + section("SCHM", b"") * 5000
a.on("file", file)
"#;
    let Some(bytes) = forge("schemas_without_number_are_a_limit", script) else { return };
    assert_eq!(recover(&bytes).unwrap_err().code(), "limit.schemas");
}

/// Without an index nothing else bounds how many members there are.
#[test]
fn members_without_number_are_a_limit() {
    let mut bytes = Vec::new();
    let mut writer = WriteOptions::new().threads(1).chunk_size(4096).write_to(&mut bytes).unwrap();
    for number in 0..50 {
        writer.add_bytes(entry(&format!("f{number}")), b"").unwrap();
    }
    writer.finish().unwrap();
    let recover = |entries: &str, bytes: &[u8]| {
        let mut limits = Limits::default();
        limits.set("entries", entries).unwrap();
        let mut salvaged = Vec::new();
        let writer = WriteOptions::new().threads(1).write_to(&mut salvaged).unwrap();
        let report = RecoverOptions::new().limits(limits).recover(bytes.to_vec(), writer)?;
        support::prove(&salvaged);
        Ok::<_, rosettar::Error>(report.losses.entries)
    };
    // The index and the entry table are gone.
    let page = bytes.windows(8).rposition(|window| window == b"ENTR\0\0\0\0").unwrap() - 8;
    assert_eq!(recover("51", &bytes[..page]).unwrap(), 50);
    assert_eq!(recover("50", &bytes[..page]).unwrap_err().code(), "limit.entries");
}
