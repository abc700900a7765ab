//! Verifying an archive as it arrives, in one pass and without keeping it.

use std::io::Read;

use super::{VerifyOptions, check_schema, proven, unproven};
use crate::error::{Error, Result};
use crate::model::VerifyReport;
use crate::read::{ArchiveStream, Confirmed, Provisional};
use crate::record;
use crate::wire::seek_table;

impl<R: Read> ArchiveStream<R> {
    /// Reads to the end, and checks every rule of FORMAT.md and every digest on the way. Other than
    /// [`Archive::verify`](crate::Archive::verify), which has the whole archive at hand, it stops at the first thing that
    /// is wrong.
    ///
    /// ```
    /// # let mut file = Vec::new();
    /// # rosettar::WriteOptions::new().write_to(&mut file)?.finish()?;
    /// let stream = rosettar::ReadOptions::new().stream(&file[..])?;
    /// let (confirmed, report) = stream.verify(&rosettar::VerifyOptions::new())?;
    /// assert!(report.is_sound());
    /// println!("{}", confirmed.facts().root_digest.expect("a Rosettar archive has one"));
    /// # Ok::<(), rosettar::Error>(())
    /// ```
    ///
    /// # Errors
    /// What is wrong with the archive; `io.read`, `usage.interrupted`.
    pub fn verify(mut self, options: &VerifyOptions) -> Result<(Confirmed, VerifyReport)> {
        let mut report = VerifyReport::default();
        if options.records {
            report.records_decoded = self.decode_records()?;
        }
        let confirmed = self.confirm()?;
        (0..).zip(confirmed.schemas()).try_for_each(|(number, body)| check_schema(number, body))?;
        let facts = confirmed.facts();
        report.stored_bytes = facts.size - seek_table::stored_len(facts.frames);
        report.decoded_bytes = facts.totals.tar_bytes;
        report.entries = facts.totals.entries();
        report.records = facts.totals.records;
        report.proven = proven(facts, &report, options);
        report.unproven = unproven(&report, options);
        Ok((confirmed, report))
    }

    /// Goes through all members, and decodes every record by its schema. How many there were.
    fn decode_records(&mut self) -> Result<u64> {
        let limits = self.limits().clone();
        let mut decoded = 0;
        while let Some(item) = self.next_item()? {
            let Provisional::Batch(mut batch) = item else { continue };
            let record_type = batch.descriptor()?;
            let path = batch.path().to_string();
            let mut number = 0;
            while let Some(record) = batch.next_record()? {
                record::check(&record_type, record, &limits).map_err(|e| {
                    let message = format!("record {number} of a batch: {}", e.message());
                    Error::new(e.kept_code(), message).with_source(e).with_entry(&path)
                })?;
                number += 1;
            }
            decoded += number;
        }
        Ok(decoded)
    }
}
