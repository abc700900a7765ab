//! What `info` says of a C1Z file.

use std::collections::BTreeMap;

use rosettar::model::{C1zFacts, C1zManifest, C1zSyncRun, C1zSyncStats, Facts};
use rosettar::{Archive, Result, record};
use serde_json::{Value, json};

use super::info::exact;
use super::json::time;
use crate::output::human;
use crate::output::table::{Align, Table, printable};

/// The table of version 1 that has the sync runs, and how many of them are shown.
const SYNC_RUNS: &str = "v1_sync_runs";
const MOST_RUNS: u64 = 100;

/// The object `c1z` of `info --json`.
pub(super) fn object(c1z: &C1zFacts) -> Value {
    json!({
        "version": c1z.version,
        "payload_size": c1z.payload_size,
        "remarks": c1z.remarks,
        "manifest": c1z.manifest.as_ref().map(manifest),
    })
}

fn manifest(manifest: &C1zManifest) -> Value {
    let types = manifest.record_types.iter().map(|found| {
        json!({
            "type": found.full_name,
            "schema_version": found.schema_version,
            "estimated_count": found.estimated_count,
        })
    });
    let digest = manifest.grant_digest_root.as_ref().map(|root| {
        let hex: String = root.xor_digest.iter().map(|byte| format!("{byte:02x}")).collect();
        json!({"xor_digest": hex, "count": root.count, "abi_version": root.abi_version})
    });
    json!({
        "engine": manifest.engine,
        "engine_schema_version": manifest.engine_schema_version,
        "engine_config": manifest.engine_config.as_ref().map(|config| config.type_url.clone()),
        "encoding": manifest.encoding.as_str(),
        "record_types": types.collect::<Vec<_>>(),
        "sync_runs": manifest.sync_runs.iter().map(sync_run).collect::<Vec<_>>(),
        "fold_dead_bytes": manifest.fold_dead_bytes,
        "pebble_id_index_format": manifest.pebble_id_index_format,
        "grant_digest_root": digest,
        "unknown_fields": manifest.unknown_fields,
    })
}

fn sync_run(run: &C1zSyncRun) -> Value {
    json!({
        "sync_id": run.sync_id,
        "type": run.kind_name(),
        "started_at": run.started_at.map(time),
        "ended_at": run.ended_at.map(time),
        "parent_sync_id": run.parent_sync_id,
        "stats": run.stats.as_ref().map(stats),
    })
}

fn stats(stats: &C1zSyncStats) -> Value {
    json!({
        "resource_types": stats.resource_types,
        "resources": stats.resources,
        "entitlements": stats.entitlements,
        "grants": stats.grants,
        "assets": stats.assets,
        "resources_by_resource_type": stats.resources_by_resource_type,
        "grants_by_entitlement_resource_type": stats.grants_by_entitlement_resource_type,
        "entitlements_by_resource_type": stats.entitlements_by_resource_type,
        "step_durations_ms": stats.step_durations_ms,
        "written_at": stats.written_at.map(time),
    })
}

/// The text of `info`. Where only the header was read, totals are not known.
pub(super) fn text(facts: &Facts, c1z: &C1zFacts, header: bool) -> String {
    let totals = &facts.totals;
    let mut table = Table::new([Align::Left, Align::Left]);
    let mut row = |name: &str, value: String| table.row([name, &value]);
    row("format", facts.format.clone());
    let damage = match (header, c1z.remarks.is_empty()) {
        (true, _) => "only the header was read".to_owned(),
        (false, _) => "none that opening finds; `rosettar verify` checks the rest".to_owned(),
    };
    row("damage", damage);
    if let Some(manifest) = &c1z.manifest {
        row("engine", format!("{}, schema version {}", manifest.engine, manifest.engine_schema_version));
        row("encoding", manifest.encoding.to_string());
        if let Some(config) = &manifest.engine_config {
            row("engine config", format!("{} ({})", config.type_name(), human::bytes(config.value.len() as u64)));
        }
        if let Some(root) = &manifest.grant_digest_root {
            let hex: String = root.xor_digest.iter().map(|byte| format!("{byte:02x}")).collect();
            row("grant digest", format!("{hex}, of {} grants", root.count));
        }
        if manifest.fold_dead_bytes != 0 {
            row("dead bytes", manifest.fold_dead_bytes.to_string());
        }
    }
    row("size", exact(facts.size));
    row("payload", exact(c1z.payload_size));
    if !header {
        let percent = 100.0 * super::info::ratio(c1z.payload_size, totals.tar_bytes);
        row("decoded", format!("{}, stored in {percent:.1} % of that", exact(totals.tar_bytes)));
        row("files", format!("{}, {}", human::count(totals.files), exact(totals.file_bytes)));
        row("directories", human::count(totals.directories));
        if c1z.version == 1 {
            let streams = super::counted(facts.streams.len() as u64, "table", "tables");
            row("records", format!("{} in {streams}", human::count(totals.records)));
        }
    }
    let mut text = table.to_string();
    if let Some(manifest) = &c1z.manifest {
        text.push_str(&sync_runs(&manifest.sync_runs));
        if !manifest.record_types.is_empty() {
            text.push_str("\nrecord types\n");
            let mut table = Table::new([Align::Left, Align::Right, Align::Right]);
            for found in &manifest.record_types {
                let version = format!("version {}", found.schema_version);
                table.row([&found.full_name, &version, &format!("about {}", found.estimated_count)]);
            }
            text.push_str(&indented(&table.to_string()));
        }
    }
    for remark in &c1z.remarks {
        text.push_str(&format!("\nnote: {}", printable(remark)));
    }
    if !c1z.remarks.is_empty() {
        text.push('\n');
    }
    text
}

fn sync_runs(runs: &[C1zSyncRun]) -> String {
    if runs.is_empty() {
        return "\nno sync runs\n".to_owned();
    }
    let mut table = Table::new([
        Align::Left,
        Align::Left,
        Align::Left,
        Align::Left,
        Align::Right,
        Align::Right,
        Align::Right,
        Align::Right,
    ]);
    table.row(["sync run", "type", "started", "ended", "types", "resources", "entitlements", "grants"]);
    for run in runs {
        let at = |time: Option<rosettar::Mtime>, none: &str| {
            time.map_or_else(|| none.to_owned(), |time| human::utc(time.seconds))
        };
        let count = |count: fn(&C1zSyncStats) -> i64| {
            run.stats.as_ref().map_or_else(|| "-".to_owned(), |stats| count(stats).to_string())
        };
        table.row([
            &run.sync_id,
            &run.kind_name(),
            &at(run.started_at, "-"),
            &at(run.ended_at, "not ended"),
            &count(|stats| stats.resource_types),
            &count(|stats| stats.resources),
            &count(|stats| stats.entitlements),
            &count(|stats| stats.grants),
        ]);
    }
    let mut text = format!("\nsync runs\n{}", indented(&table.to_string()));
    for (what, counts) in runs.iter().filter_map(|run| run.stats.as_ref()).flat_map(|stats| {
        [("resources", &stats.resources_by_resource_type), ("grants", &stats.grants_by_entitlement_resource_type)]
    }) {
        if !counts.is_empty() {
            text.push_str(&format!("  {what}: {}\n", printable(&listed(counts))));
        }
    }
    text
}

/// The sync runs of a C1Z v1 file, which are rows of its database: the first hundred.
pub(super) fn sync_runs_of_v1(archive: &Archive) -> Result<String> {
    if !archive.streams().iter().any(|stream| stream.name() == SYNC_RUNS) {
        return Ok(String::new());
    }
    let stream = archive.stream(SYNC_RUNS)?;
    let mut table = Table::new([Align::Left, Align::Left, Align::Left, Align::Left]);
    table.row(["sync run", "type", "started", "ended"]);
    for message in stream.messages(..stream.len().min(MOST_RUNS))? {
        let row: Value =
            serde_json::from_str(&record::to_json(&message?, &record::JsonOptions::new())?).unwrap_or_default();
        let text = |key: &str, none: &'static str| row[key].as_str().unwrap_or(none).to_owned();
        table.row([text("syncId", "-"), text("syncType", "-"), text("startedAt", "-"), text("endedAt", "not ended")]);
    }
    let more = match stream.len().saturating_sub(MOST_RUNS) {
        0 => String::new(),
        more => format!("  and {} more\n", human::count(more)),
    };
    Ok(format!("\nsync runs\n{}{more}", indented(&table.to_string())))
}

fn listed(counts: &BTreeMap<String, i64>) -> String {
    counts.iter().map(|(name, count)| format!("{count} {name}")).collect::<Vec<_>>().join(", ")
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}\n")).collect()
}
