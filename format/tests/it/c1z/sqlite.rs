//! The records of C1Z v1.

use std::path::Path;

use rosettar::convert::{ConvertOptions, Target, convert_database};
use rosettar::{Archive, VerifyOptions, record};
use rusqlite::Connection;

use super::samples;
use crate::support;

/// A database with a row in each kind of table.
fn database(path: &Path) {
    let connection = Connection::open(path).unwrap();
    connection
        .execute_batch(
            "PRAGMA journal_mode = WAL;
             CREATE TABLE v1_grants (id INTEGER PRIMARY KEY, external_id TEXT, data BLOB, sync_id TEXT, discovered_at DATETIME, extra REAL);
             CREATE TABLE v1_assets (id INTEGER PRIMARY KEY, external_id TEXT, content_type TEXT, data BLOB, sync_id TEXT);
             CREATE TABLE v1_sync_runs (id INTEGER PRIMARY KEY, sync_id TEXT, started_at DATETIME, ended_at DATETIME, sync_token TEXT);
             CREATE TABLE v1_other (a, b);
             CREATE TABLE unrelated (a);
             CREATE VIEW v1_view AS SELECT * FROM v1_grants;
             INSERT INTO v1_assets VALUES (1, 'x', 'text/plain', x'0102', 's');
             INSERT INTO v1_sync_runs VALUES (1, 's', '2024-01-01', NULL, '');
             INSERT INTO v1_other VALUES (1.5, 'text'), (NULL, x'ff');",
        )
        .unwrap();
    // A grant with id \"g1\", and a field that nobody knows.
    let data = b"\x1a\x02g1\xfa\x3f\x03new";
    for id in [3, 7] {
        let sql = "INSERT INTO v1_grants VALUES (?1, 'e', ?2, 's', '2024-01-02', 0.5)";
        connection.execute(sql, (id, &data[..])).unwrap();
    }
    connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE);").unwrap();
}

fn json(archive: &Archive, stream: &str) -> Vec<serde_json::Value> {
    let messages = archive.stream(stream).unwrap().messages(..).unwrap();
    messages
        .map(|message| {
            let text = record::to_json(&message.unwrap(), &record::JsonOptions::new()).unwrap();
            serde_json::from_str(&text).unwrap()
        })
        .collect()
}

fn convert(database: &Path, folder: &Path) -> Vec<u8> {
    let path = folder.join("out.c1z");
    convert_database(database, &path, &ConvertOptions::new(Target::C1z1)).unwrap();
    std::fs::read(path).unwrap()
}

#[test]
fn rows_become_records() {
    let folder = tempfile::tempdir().unwrap();
    database(&folder.path().join("db"));
    let bytes = convert(&folder.path().join("db"), folder.path());
    let archive = super::open(&bytes).unwrap();
    let names: Vec<&str> = archive.streams().iter().map(|stream| stream.name()).collect();
    assert_eq!(names, ["v1_assets", "v1_grants", "v1_other", "v1_sync_runs"]);
    assert_eq!(archive.facts().totals.records, 6);
    let report = archive.verify(&VerifyOptions::new().records(true)).unwrap();
    assert!(report.is_sound() && report.records_decoded == 6, "{report:?}");

    let grants = json(&archive, "v1_grants");
    assert_eq!((grants.len(), &grants[0]["id"]), (2, &"g1".into()));
    let columns = &grants[1]["annotations"][0];
    assert_eq!(columns["@type"], "type.googleapis.com/rosettar.c1z.v1.Columns");
    assert_eq!((&columns["id"], &columns["syncId"]), (&"7".into(), &"s".into()));
    assert_eq!(columns["others"][0], serde_json::json!({"column": "extra", "real": 0.5}));
    let raw = archive.stream("v1_grants").unwrap().record(0).unwrap();
    assert!(raw.starts_with(b"\x1a\x02g1\xfa\x3f\x03new"), "the message as it is, unknown fields included");
    assert_eq!(json(&archive, "v1_assets")[0]["data"], "AQI=");
    let run = &json(&archive, "v1_sync_runs")[0];
    assert!(run.get("endedAt").is_none() && run["syncToken"] == "", "NULL and empty are told apart: {run}");
    assert_eq!(
        json(&archive, "v1_other")[1]["cells"],
        serde_json::json!([{"column": "a"}, {"column": "b", "blob": "/w=="}])
    );

    // To native streams, and back to the same database.
    let rtar = folder.path().join("a.rtar");
    let report = archive.convert(&rtar, &ConvertOptions::new(Target::Rosettar)).unwrap();
    assert_eq!(report.records, 6);
    let native = support::prove(&std::fs::read(&rtar).unwrap());
    assert_eq!(json(&native, "v1_grants"), grants);
    let back = folder.path().join("back.c1z");
    let error = native.convert(&back, &ConvertOptions::new(Target::C1z1)).unwrap_err();
    assert_eq!(error.code(), "policy.lossy", "the streams are in the database, but an archive cannot know that");
    native.convert(&back, &ConvertOptions::new(Target::C1z1).lossy(true)).unwrap();
    assert!(std::fs::read(&back).unwrap() == bytes);
}

#[test]
fn the_real_files_have_the_rows_that_sqlite_counts() {
    let test = "the_real_files_have_the_rows_that_sqlite_counts";
    let Some(folder) = samples(test) else { return };
    let temp = tempfile::tempdir().unwrap();
    for (name, grants) in [("grants-2909.v1.c1z", Some(2909)), ("sync-in-progress.v1.c1z", None)] {
        let archive = rosettar::open_path(folder.join("real").join(name)).unwrap();
        let path = temp.path().join(name);
        std::fs::write(&path, archive.read("database.sqlite").unwrap()).unwrap();
        let connection = Connection::open(&path).unwrap();
        assert!(!archive.streams().is_empty());
        for stream in archive.streams() {
            let sql = format!("SELECT count(*) FROM {}", stream.name());
            let rows: i64 = connection.query_row(&sql, [], |row| row.get(0)).unwrap();
            let rows = rows as u64;
            assert_eq!(stream.records, rows, "{name}: {}", stream.name());
            assert_eq!(archive.stream(stream.name()).unwrap().len(), rows);
        }
        if let Some(grants) = grants {
            assert_eq!(archive.stream("v1_grants").unwrap().len(), grants);
            let first = archive.stream("v1_grants").unwrap().message(0).unwrap();
            assert!(!record::to_json(&first, &record::JsonOptions::new()).unwrap().is_empty());
        }
        let report = archive.verify(&VerifyOptions::new().records(true)).unwrap();
        assert!(report.is_sound(), "{name}: {:?}", report.problems);
    }
}

#[test]
fn a_hostile_database_is_an_error_and_no_crash() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db");
    database(&path);
    let sound = std::fs::read(&path).unwrap();
    let page = usize::from(u16::from_be_bytes(sound[16..18].try_into().unwrap()));
    let mut noise = support::Noise::new(7);
    let mut refused = 0;
    // Bytes all over the place, most of all where pages and cells have their headers.
    for round in 0..600 {
        let mut damaged = sound.clone();
        for _ in 0..1 + round % 5 {
            let number = noise.next() as usize % (damaged.len() / page);
            let within = noise.next() as usize % if round % 2 == 0 { 40 } else { page };
            damaged[number * page + within] = noise.next() as u8;
        }
        if !damaged.starts_with(b"SQLite format 3\0") {
            continue;
        }
        std::fs::write(&path, &damaged).unwrap();
        let bytes = convert(&path, folder.path());
        let archive = super::open(&bytes).unwrap();
        assert_eq!(archive.read("database.sqlite").unwrap(), damaged, "its bytes are to be had whatever they are");
        let report = archive.verify(&VerifyOptions::new().records(true)).unwrap();
        refused += u32::from(!report.is_sound());
    }
    assert!(refused > 100, "only {refused} were found to be broken");

    // A tree that leads back into itself: rows without an end.
    let connection = {
        std::fs::remove_file(&path).unwrap();
        Connection::open(&path).unwrap()
    };
    connection
        .execute_batch("PRAGMA page_size = 512; CREATE TABLE v1_grants (id INTEGER PRIMARY KEY, data BLOB);")
        .unwrap();
    for id in 0..2000 {
        connection.execute("INSERT INTO v1_grants VALUES (?1, x'1a0161')", [id]).unwrap();
    }
    drop(connection);
    let mut looped = std::fs::read(&path).unwrap();
    let root = 512;
    assert_eq!(looped[root], 5, "the root is an interior page");
    let cells = usize::from(u16::from_be_bytes(looped[root + 3..root + 5].try_into().unwrap()));
    for cell in 0..cells {
        let at = root + 12 + 2 * cell;
        let at = root + usize::from(u16::from_be_bytes(looped[at..at + 2].try_into().unwrap()));
        looped[at..at + 4].copy_from_slice(&2u32.to_be_bytes());
    }
    std::fs::write(&path, &looped).unwrap();
    let archive = super::open(&convert(&path, folder.path())).unwrap();
    assert!(archive.streams().is_empty());
    let report = archive.verify(&VerifyOptions::new()).unwrap();
    assert_eq!(report.problems[0].code(), "c1z.database");
}

fn of(statements: &str) -> Archive {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db");
    Connection::open(&path).unwrap().execute_batch(statements).unwrap();
    super::open(&convert(&path, folder.path())).unwrap()
}

/// Their values are computed when they are read, by what a stranger wrote.
#[test]
fn generated_columns_are_not_computed() {
    let heavy = "CREATE TABLE v1_x (a, b AS (printf('%.*c', 1000, 'x') || printf('%.*c', 1000, 'y')));
         INSERT INTO v1_x (a) VALUES (1), (2);";
    let archive = of(heavy);
    assert!(archive.streams().is_empty());
    let remarks = &archive.facts().c1z.as_deref().unwrap().remarks;
    assert!(remarks.iter().any(|remark| remark.contains("generated columns")), "{remarks:?}");
    let report = archive.verify(&VerifyOptions::new().records(true)).unwrap();
    assert_eq!(report.problems[0].code(), "c1z.database");
    // What cannot be read is not left out in silence.
    let folder = tempfile::tempdir().unwrap();
    let options = ConvertOptions::new(Target::Rosettar);
    let error = archive.convert(folder.path().join("a"), &options).unwrap_err();
    assert!(error.code() == "policy.lossy" && error.message().contains("database"), "{error}");
    let report = archive.convert(folder.path().join("a"), &options.lossy(true)).unwrap();
    assert_eq!(report.losses.len(), 1);
}

/// A few hundred kilobytes whose rows have hundreds of megabytes.
#[test]
fn rows_that_share_what_they_hold_are_bounded() {
    let statements = format!(
        "CREATE TABLE v1_x (a);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000) INSERT INTO v1_x SELECT i FROM n;
         ALTER TABLE v1_x ADD COLUMN b DEFAULT x'{}';",
        "00".repeat(200_000)
    );
    let archive = of(&statements);
    assert_eq!(archive.facts().totals.records, 1000);
    let error = archive.stream("v1_x").and_then(|stream| stream.records(..).map(drop)).unwrap_err();
    assert!(error.code() == "c1z.database" && error.message().contains("share"), "{error}");
}
