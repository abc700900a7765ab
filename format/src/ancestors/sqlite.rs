//! The database of a C1Z v1 file, opened as what it is: something that a stranger made. It gets bytes and gives records.

use std::ffi::OsString;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::{Mutex, OnceLock};

use rusqlite::config::DbConfig;
use rusqlite::limits::Limit;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags, Statement};

use super::rows::Shape;
use super::{C1z, Store, WHOLE};
use crate::error::{Error, Result, code};
use crate::io::dir::{Dir, with_random_name};
use crate::io::{ReadAt, Spool};
use crate::limits::Limits;
use crate::model::{StreamDeclaration, StreamInfo, VerifyReport};
use crate::path::StreamName;
use crate::proto;
use crate::read::{Archive, Head, Indexed, Listed as _, ReadOptions};
use crate::record;
use crate::write::{RecordType, WriteOptions};
use crate::{Digest, schema};

/// What the names of the tables begin with.
const PREFIX: &str = "v1_";
/// How deep an expression in the schema may be, and how long a statement.
const EXPRESSION_DEPTH: i32 = 100;
const STATEMENT_BYTES: i32 = 1 << 20;
/// What SQLite may hold at a time, beside two values of the greatest size.
const HEAP_BYTES: u64 = 64 << 20;
/// How many bytes the values of a table may have in any case, however small the database is.
const LEAST_VALUES: u64 = 64 << 20;

/// The database of an open file.
pub(super) struct Database {
    connection: Mutex<Connection>,
    /// Why it cannot be read, where it cannot.
    fault: Option<String>,
    /// For each table what was read of it, once it was asked for.
    read: Vec<OnceLock<Archive>>,
    /// How many bytes it has.
    size: u64,
    /// The file that SQLite has open, where it cannot lose its name at once.
    _file: Option<TemporaryFile>,
}

/// Gives `archive`, whose one entry is a database, the tables in it as streams.
///
/// # Errors
/// `io.*`; a database that SQLite does not take is no error here, but a remark.
pub(super) fn with_database(mut archive: C1z) -> Result<C1z> {
    let Store::Plain { source, .. } = &archive.store else { return Ok(archive) };
    let (file, path) = TemporaryFile::copy(source.as_ref())?;
    let limits = archive.options.limits.clone();
    let opened = open(&path, &limits).and_then(|connection| {
        let streams = streams(&connection, &limits)?;
        Ok((connection, streams))
    });
    let (connection, fault) = match opened {
        Ok((connection, streams)) => {
            archive.facts.totals.records = streams.iter().map(|stream| stream.records).sum();
            archive.facts.streams = streams;
            (connection, None)
        }
        Err(error) if error.is(code::C1Z_DATABASE) => {
            let fault = error.message().to_owned();
            let remarks = &mut archive.facts.c1z.as_mut().expect("every C1Z file has these").remarks;
            remarks.push(format!("the database cannot be read: {fault}"));
            let connection = Connection::open_in_memory().map_err(broken)?;
            (connection, Some(fault))
        }
        Err(error) => return Err(error),
    };
    archive.descriptors = proto::C1Z_ROWS_SET.to_vec();
    archive.facts.schemas = 1;
    let read = archive.facts.streams.iter().map(|_| OnceLock::new()).collect();
    // SQLite has read from it, and holds it open: where files work like that, a crash leaves nothing behind.
    let file = (!cfg!(unix)).then_some(file);
    let size = archive.facts.totals.tar_bytes;
    archive.database = Some(Database { connection: Mutex::new(connection), fault, read, size, _file: file });
    Ok(archive)
}

/// Reads every table, and decodes its records where that is asked for.
pub(super) fn verify(archive: &C1z, database: &Database, decode: bool, report: &mut VerifyReport) -> Result<()> {
    if let Some(fault) = &database.fault {
        report.problems.push(Error::new(code::C1Z_DATABASE, fault.clone()));
        return Ok(());
    }
    if !decode {
        report.records = archive.facts.totals.records;
        report.unproven.push("whether each record decodes by its schema: not asked for".to_owned());
        return Ok(());
    }
    for stream in &archive.facts.streams {
        let checked = check_stream(archive, stream, report);
        if let Err(error) = checked {
            if matches!(error.kind(), crate::ErrorKind::Io | crate::ErrorKind::Usage) {
                return Err(error);
            }
            report.problems.push(error.about(format!("stream {}", stream.name())));
        }
    }
    Ok(())
}

fn check_stream(archive: &C1z, stream: &StreamInfo, report: &mut VerifyReport) -> Result<()> {
    let message = schema::message(archive.pool(0)?, stream.type_name())?;
    let number = archive.facts.streams.iter().position(|found| found == stream).expect("one of them");
    let mut records = archive.records(number)?.stream(stream.name())?.records(..)?;
    while let Some(found) = records.next_record()? {
        archive.options.monitor.advance(0)?;
        report.records += 1;
        record::check(&message, found, &archive.options.limits)?;
        report.records_decoded += 1;
    }
    Ok(())
}

impl Database {
    /// Why it cannot be read, where it cannot.
    pub(super) fn fault(&self) -> Option<&str> {
        self.fault.as_deref()
    }

    /// An archive that has the rows of table `number` in a stream of its name.
    ///
    /// # Errors
    /// `c1z.database`, `record.decode`, `limit.*`, `io.*`.
    pub(super) fn records(&self, stream: &StreamInfo, number: usize, options: &ReadOptions) -> Result<Archive> {
        let slot = &self.read[number];
        if let Some(read) = slot.get() {
            return Ok(read.clone());
        }
        let connection =
            self.connection.lock().map_err(|_| Error::new(code::C1Z_DATABASE, "SQLite panicked before"))?;
        // Another thread may have been faster.
        if let Some(read) = slot.get() {
            return Ok(read.clone());
        }
        let limit = options.limits.decoded_bytes_for(self.size);
        let read = transcode(&connection, stream, self.size, limit, options)?;
        Ok(slot.get_or_init(|| read).clone())
    }
}

/// Writes the rows of a table into an archive of their own.
fn transcode(
    connection: &Connection,
    stream: &StreamInfo,
    size: u64,
    limit: u64,
    options: &ReadOptions,
) -> Result<Archive> {
    let (name, shape) = (stream.name(), Shape::of(stream.name()));
    let mut spool = Spool::new(WHOLE as usize);
    let mut writer = WriteOptions::new()
        .level(1)
        .threads(options.threads.get())
        .limits(options.limits.clone())
        .write_to(&mut spool)?;
    let id = writer.declare(name, RecordType::new(shape.type_name, proto::C1Z_ROWS_SET.to_vec()))?;
    let mut statement = select(connection, name, "*")?;
    let columns = columns(connection, name)?;
    if statement.column_count() != columns.len() + 1 {
        let message = format!("the table {name} has other columns than its description");
        return Err(Error::new(code::C1Z_DATABASE, message));
    }
    let mut rows = statement.query([]).map_err(broken)?;
    let (mut record, mut last, mut total, mut count, mut values) = (Vec::new(), None, 0u64, 0u64, 0u64);
    // Each value has its own place, but for a default that rows from before its column share.
    let most_values = size.saturating_mul(4).max(LEAST_VALUES);
    while let Some(row) = rows.next().map_err(broken)? {
        check_rowid(row.get_ref(0).map_err(broken)?, &mut last)?;
        let cells =
            columns.iter().enumerate().map(|(at, column)| Ok((column.as_str(), row.get_ref(at + 1).map_err(broken)?)));
        let cells = cells.inspect(|cell| {
            if let Ok((_, ValueRef::Text(bytes) | ValueRef::Blob(bytes))) = cell {
                values = values.saturating_add(bytes.len() as u64);
            }
        });
        shape.record(cells, &mut record).map_err(|e| e.about(format!("row {count} of {name}")))?;
        if values > most_values {
            let message = format!("the rows of {name} hold more than is in the database: they share pages of it");
            return Err(Error::new(code::C1Z_DATABASE, message));
        }
        total = total.saturating_add(record.len() as u64);
        if total > limit {
            let message = format!("the rows of {name} exceed the limit decoded-bytes of {limit}");
            return Err(Error::new(code::LIMIT_DECODED_BYTES, message));
        }
        options.monitor.advance(0)?;
        writer.append_encoded(id, &record)?;
        count += 1;
    }
    if count != stream.records {
        let message = format!("the table {name} has {count} rows: expected {}, as were counted", stream.records);
        return Err(Error::new(code::C1Z_DATABASE, message));
    }
    writer.finish()?;
    let limits = Limits { decoded_bytes: Some(u64::MAX), ..options.limits.clone() };
    let options = options.clone().limits(limits);
    Indexed::open(Head::read(Box::new(spool.finish()))?, 0, options).map(Archive::new)
}

/// Opens the database at `path` so that nothing in it can do anything but be read.
fn open(path: &std::path::Path, limits: &Limits) -> Result<Connection> {
    // Immutable: a database in the mode WAL, whose log is not there, is read as it is.
    let path: String = path.to_string_lossy().bytes().fold(String::from("file:"), |mut uri, byte| {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'_' | b'.' => uri.push(byte as char),
            _ => uri.push_str(&format!("%{byte:02X}")),
        }
        uri
    });
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let set_up = || -> rusqlite::Result<Connection> {
        let connection = Connection::open_with_flags(format!("{path}?immutable=1&mode=ro"), flags)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false)?;
        let most = i32::try_from(limits.record_bytes).unwrap_or(i32::MAX);
        connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, most)?;
        connection.set_limit(Limit::SQLITE_LIMIT_SQL_LENGTH, STATEMENT_BYTES)?;
        connection.set_limit(Limit::SQLITE_LIMIT_EXPR_DEPTH, EXPRESSION_DEPTH)?;
        connection.set_limit(Limit::SQLITE_LIMIT_ATTACHED, 0)?;
        let heap = HEAP_BYTES.saturating_add(limits.record_bytes.saturating_mul(2)).min(i64::MAX as u64);
        // Of all databases that are open in the process.
        connection.execute_batch(&format!(
            "PRAGMA cell_size_check = ON; PRAGMA query_only = ON; PRAGMA hard_heap_limit = {heap};"
        ))?;
        Ok(connection)
    };
    set_up().map_err(broken)
}

/// The tables as streams, with the number of their rows.
fn streams(connection: &Connection, limits: &Limits) -> Result<Vec<StreamInfo>> {
    let list =
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND rootpage > 0 AND sql NOT LIKE 'CREATE VIRTUAL%'";
    let mut names = Vec::new();
    let mut statement = connection.prepare(list).map_err(broken)?;
    let mut rows = statement.query([]).map_err(broken)?;
    while let Some(row) = rows.next().map_err(broken)? {
        let ValueRef::Text(name) = row.get_ref(0).map_err(broken)? else { continue };
        // Others are no tables of C1Z, or have names that no stream can have.
        let name = std::str::from_utf8(name).ok().filter(|name| name.starts_with(PREFIX));
        if let Some(name) = name.and_then(|name| StreamName::new(name).ok()) {
            names.push(name);
        }
        if names.len() as u64 > limits.streams {
            let message = format!("the database has more tables than the limit streams of {}", limits.streams);
            return Err(Error::new(code::LIMIT_STREAMS, message));
        }
    }
    names.sort_by(|a, b| a.as_str().cmp(b.as_str()));
    names
        .into_iter()
        .map(|name| {
            columns(connection, name.as_str())?;
            let (records, type_name) =
                (count(connection, name.as_str())?, Shape::of(name.as_str()).type_name.to_owned());
            let declaration = StreamDeclaration { name, type_name, schema: 0, schema_version: 0 };
            Ok(StreamInfo { declaration, records, size: 0, digest: Digest::ZERO, batches: 0 })
        })
        .collect()
}

/// The rows of a table, one by one: a tree that leads back into itself would make `count(*)` endless.
fn count(connection: &Connection, table: &str) -> Result<u64> {
    let mut statement = select(connection, table, "1")?;
    let mut rows = statement.query([]).map_err(broken)?;
    let (mut last, mut count) = (None, 0);
    while let Some(row) = rows.next().map_err(broken)? {
        check_rowid(row.get_ref(0).map_err(broken)?, &mut last)?;
        count += 1;
    }
    Ok(count)
}

/// A statement that reads a table in the order of its rows; its first column is their number.
fn select<'c>(connection: &'c Connection, table: &str, what: &str) -> Result<Statement<'c>> {
    // The name of a stream has no quotes. NOT INDEXED: what an index says need not be what the table has.
    connection.prepare(&format!("SELECT rowid, {what} FROM \"{table}\" NOT INDEXED ORDER BY rowid")).map_err(broken)
}

/// The names of a table's columns, as `*` gives them. Asked for as values: a name that is no text, which rusqlite would not
/// stand, is an error.
fn columns(connection: &Connection, table: &str) -> Result<Vec<String>> {
    let sql = "SELECT name, hidden FROM pragma_table_xinfo(?1) WHERE hidden <> 1 ORDER BY cid";
    let mut statement = connection.prepare(sql).map_err(broken)?;
    let mut rows = statement.query([table]).map_err(broken)?;
    let mut names = Vec::new();
    while let Some(row) = rows.next().map_err(broken)? {
        // 2 and 3: an expression of the database's maker, which may take any time and memory, would be computed.
        if row.get_ref(1).map_err(broken)? != ValueRef::Integer(0) {
            let message =
                format!("the table {table} has generated columns, which are not read: expected ordinary ones");
            return Err(Error::new(code::C1Z_DATABASE, message));
        }
        let name = match row.get_ref(0).map_err(broken)? {
            ValueRef::Text(name) => std::str::from_utf8(name).ok(),
            _ => None,
        };
        let name = name.ok_or_else(|| Error::new(code::C1Z_DATABASE, "a column whose name is no text"))?;
        names.push(name.to_owned());
    }
    Ok(names)
}

/// Rows come in ascending order of their numbers, which a tree with a cycle cannot keep to.
fn check_rowid(found: ValueRef<'_>, last: &mut Option<i64>) -> Result<()> {
    let ValueRef::Integer(found) = found else {
        return Err(Error::new(code::C1Z_DATABASE, "a table without numbered rows: expected an ordinary table"));
    };
    if last.replace(found).is_some_and(|last| last >= found) {
        return Err(Error::new(code::C1Z_DATABASE, "the rows of a table are out of order: the database is damaged"));
    }
    Ok(())
}

fn broken(error: rusqlite::Error) -> Error {
    let message = format!("SQLite cannot read the database: {error}");
    Error::new(code::C1Z_DATABASE, message).with_source(error)
}

/// A copy of a database under a name that only its owner can read, for SQLite to open.
struct TemporaryFile {
    directory: Dir,
    name: OsString,
}

impl TemporaryFile {
    fn copy(source: &dyn ReadAt) -> Result<(Self, PathBuf)> {
        let folder = std::env::temp_dir();
        let cannot = |e| Error::io(code::IO_WRITE, format_args!("spooling to {}", folder.display()), e);
        let directory = Dir::open(&folder).map_err(cannot)?;
        let (mut file, name) = with_random_name(|digits| {
            let name = OsString::from(format!(".rosettar-{digits}.sqlite"));
            Ok((directory.create_file(&name, 0o600)?, name))
        })
        .map_err(cannot)?;
        let path = folder.join(&name);
        let temporary = Self { directory, name };
        let size = source.size().map_err(cannot)?;
        let mut piece = vec![0; (256 << 10).min(size) as usize];
        let mut at = 0;
        while at < size {
            let piece = &mut piece[..((256 << 10).min(size - at)) as usize];
            source.read_exact_at(piece, at).map_err(cannot)?;
            file.write_all(piece).map_err(cannot)?;
            at += piece.len() as u64;
        }
        Ok((temporary, path))
    }
}

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        // Nobody waits for it, and nothing could be done.
        let _ = self.directory.remove_file(&self.name);
    }
}
