//! Rows of a C1Z v1 database as records (C1Z.md, "Records of v1").

use rusqlite::types::ValueRef;

use crate::error::{Error, Result, code};
use crate::schema::wire::{put_bytes, put_varint};

/// The type of the annotation that has the plain columns of a row.
const COLUMNS_URL: &str = "type.googleapis.com/rosettar.c1z.v1.Columns";

/// How the rows of a table become records.
pub(super) struct Shape {
    /// The record type.
    pub(super) type_name: &'static str,
    /// For a table whose column `data` is the record: which field of that its annotations are.
    annotations: Option<u32>,
    /// The columns that have fields of their own, with the numbers of these.
    columns: &'static [(&'static str, u32, Kind)],
    /// The field for all others.
    others: u32,
}

/// What a column holds where all is well.
#[derive(Clone, Copy)]
enum Kind {
    Integer,
    Text,
    Blob,
}

const COLUMNS: &[(&str, u32, Kind)] = &[
    ("id", 1, Kind::Integer),
    ("external_id", 2, Kind::Text),
    ("resource_type_id", 3, Kind::Text),
    ("resource_id", 4, Kind::Text),
    ("parent_resource_type_id", 5, Kind::Text),
    ("parent_resource_id", 6, Kind::Text),
    ("entitlement_id", 7, Kind::Text),
    ("principal_resource_type_id", 8, Kind::Text),
    ("principal_resource_id", 9, Kind::Text),
    ("sync_id", 10, Kind::Text),
    ("discovered_at", 11, Kind::Text),
];

const ASSET: &[(&str, u32, Kind)] = &[
    ("id", 1, Kind::Integer),
    ("external_id", 2, Kind::Text),
    ("content_type", 3, Kind::Text),
    ("data", 4, Kind::Blob),
    ("sync_id", 5, Kind::Text),
    ("discovered_at", 6, Kind::Text),
];

const SYNC_RUN: &[(&str, u32, Kind)] = &[
    ("id", 1, Kind::Integer),
    ("sync_id", 2, Kind::Text),
    ("started_at", 3, Kind::Text),
    ("ended_at", 4, Kind::Text),
    ("sync_token", 5, Kind::Text),
    ("sync_type", 6, Kind::Text),
    ("parent_sync_id", 7, Kind::Text),
];

const SESSION: &[(&str, u32, Kind)] =
    &[("id", 1, Kind::Integer), ("sync_id", 2, Kind::Text), ("key", 3, Kind::Text), ("value", 4, Kind::Blob)];

impl Shape {
    /// The shape of the table called `name`.
    pub(super) fn of(name: &str) -> Self {
        let message =
            |type_name, annotations| Self { type_name, annotations: Some(annotations), columns: COLUMNS, others: 100 };
        let plain = |type_name, columns| Self { type_name, annotations: None, columns, others: 100 };
        match name {
            "v1_resource_types" => message("c1.connector.v2.ResourceType", 4),
            "v1_resources" => message("c1.connector.v2.Resource", 4),
            "v1_entitlements" => message("c1.connector.v2.Entitlement", 6),
            "v1_grants" => message("c1.connector.v2.Grant", 4),
            "v1_assets" => plain("rosettar.c1z.v1.Asset", ASSET),
            "v1_sync_runs" => plain("rosettar.c1z.v1.SyncRun", SYNC_RUN),
            "v1_connector_sessions" => plain("rosettar.c1z.v1.Session", SESSION),
            _ => Self { type_name: "rosettar.c1z.v1.Row", annotations: None, columns: &[], others: 1 },
        }
    }

    /// The record that a row becomes, put into `record`. `cells` has the names of the columns and their values.
    pub(super) fn record<'v>(
        &self,
        cells: impl Iterator<Item = Result<(&'v str, ValueRef<'v>)>>,
        record: &mut Vec<u8>,
    ) -> Result<()> {
        record.clear();
        let mut columns = Vec::new();
        for cell in cells {
            let (column, value) = cell?;
            if let (Some(_), "data", ValueRef::Blob(data)) = (self.annotations, column, value) {
                check_message(data)?;
                record.extend_from_slice(data);
                continue;
            }
            let field = self.columns.iter().find(|(name, ..)| *name == column);
            match (field, value) {
                (Some(_), ValueRef::Null) => {}
                (Some((_, number, Kind::Integer)), ValueRef::Integer(value)) => {
                    put_varint(&mut columns, u64::from(*number) << 3);
                    put_varint(&mut columns, value as u64);
                }
                (Some((_, number, Kind::Text)), ValueRef::Text(text)) if std::str::from_utf8(text).is_ok() => {
                    put_bytes(&mut columns, *number, text);
                }
                (Some((_, number, Kind::Blob)), ValueRef::Blob(bytes)) => put_bytes(&mut columns, *number, bytes),
                _ => put_bytes(&mut columns, self.others, &cell_of(column, value)),
            }
        }
        match self.annotations {
            None => record.append(&mut columns),
            Some(number) => {
                let mut any = Vec::new();
                put_bytes(&mut any, 1, COLUMNS_URL.as_bytes());
                put_bytes(&mut any, 2, &columns);
                put_bytes(record, number, &any);
            }
        }
        Ok(())
    }
}

/// A `Cell`.
fn cell_of(column: &str, value: ValueRef<'_>) -> Vec<u8> {
    let mut cell = Vec::new();
    put_bytes(&mut cell, 1, column.as_bytes());
    match value {
        ValueRef::Null => {}
        ValueRef::Integer(value) => {
            put_varint(&mut cell, 2 << 3);
            put_varint(&mut cell, value as u64);
        }
        ValueRef::Real(value) => {
            put_varint(&mut cell, 3 << 3 | 1);
            cell.extend_from_slice(&value.to_le_bytes());
        }
        ValueRef::Text(text) if std::str::from_utf8(text).is_ok() => put_bytes(&mut cell, 4, text),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => put_bytes(&mut cell, 5, bytes),
    }
    cell
}

/// Something is put behind the message, so it must end where it ends.
fn check_message(data: &[u8]) -> Result<()> {
    let fault = crate::schema::wire::fields(data).find_map(std::result::Result::err);
    match fault {
        None => Ok(()),
        Some(fault) => Err(Error::new(code::RECORD_DECODE, format!("the column data is no protobuf message: {fault}"))),
    }
}
