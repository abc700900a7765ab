//! One subject of the benchmark, in a process of its own: `peers SUBJECT DIR DATASET TYPE THREADS`.
//!
//! Prints JSON: the seconds, and what was done, so that the harness can hold all subjects to the same work.

mod archives;
mod bare;
mod ours;
mod peer_avro;
mod peer_mcap;
mod peer_parquet;
mod records;
mod timing;
mod types;

use std::error::Error;
use std::path::PathBuf;

pub type Result<T, E = Box<dyn Error>> = std::result::Result<T, E>;

/// What a subject is given: `DIR/DATASET.binpb` has the records, `DIR/DATASET.binpb-schema` their descriptor set. Subjects
/// that make something take its size in the place of the type.
#[derive(Clone)]
pub struct Task {
    pub directory: PathBuf,
    pub dataset: String,
    pub message_type: String,
    pub threads: usize,
}

impl Task {
    /// The file of the data set in some form.
    pub fn file(&self, suffix: &str) -> PathBuf {
        self.directory.join(format!("{}{suffix}", self.dataset))
    }
}

type Subject = fn(&Task) -> Result<serde_json::Value>;

/// Every subject. One that ends in `-make` writes the file that others read, and measures nothing.
const SUBJECTS: &[(&str, Subject)] = &[
    ("rosettar-write", ours::write),
    ("rosettar-read", ours::read),
    ("rosettar-read-each", ours::read_each),
    ("bare-write", bare::write),
    ("bare-read", bare::read),
    ("bare-pack", bare::pack),
    ("bare-extract", bare::extract),
    ("mcap-write", peer_mcap::write),
    ("mcap-write-bare", peer_mcap::write_bare),
    ("mcap-read", peer_mcap::read),
    ("mcap-read-messages", peer_mcap::read_messages),
    ("mcap-read-split", peer_mcap::read_split),
    ("mcap-make", peer_mcap::make),
    ("avro-write", peer_avro::write),
    ("avro-read", peer_avro::read),
    ("avro-make", peer_avro::make),
    ("rosettar-write-values", peer_avro::ours_write),
    ("rosettar-read-values", peer_avro::ours_read),
    ("parquet-write", peer_parquet::write),
    ("parquet-read", peer_parquet::read),
    ("parquet-make", peer_parquet::make),
    ("rosettar-read-arrow", peer_parquet::ours_read),
    ("entries-make", archives::make_entries),
    ("open", archives::open),
    ("list", archives::list),
    ("find", archives::find),
    ("c1z-header", archives::c1z_header),
    ("scan-make", archives::make_scan),
    ("records-make", archives::make_records),
    ("scan", archives::scan),
];

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [subject, directory, dataset, message_type, threads] = &arguments[..] else {
        let names: Vec<&str> = SUBJECTS.iter().map(|(name, _)| *name).collect();
        return Err(
            format!("usage: peers SUBJECT DIR DATASET TYPE THREADS, with a subject of {}", names.join(", ")).into()
        );
    };
    let Some((_, run)) = SUBJECTS.iter().find(|(name, _)| name == subject) else {
        return Err(format!("no subject is called {subject}").into());
    };
    let task = Task {
        directory: directory.into(),
        dataset: dataset.clone(),
        message_type: message_type.clone(),
        threads: threads.parse()?,
    };
    println!("{}", run(&task)?);
    Ok(())
}
