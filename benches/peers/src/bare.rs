//! Bare loops: what must be done at least, by the libraries that do it in ours, and nothing else. No format, no checks, no
//! order; threads divide the work among themselves without waiting for each other.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use zstd::bulk::{Compressor, Decompressor};

use crate::timing::measure;
use crate::{Result, Task};

const LEVEL: i32 = 3;
const BATCH: usize = 1 << 20;
const CHUNK: u64 = 4 << 20;

/// Does `work` with each of `items`, on `threads` threads, each with what `begin` makes for it.
fn shared<I: Sync, S>(
    items: &[I],
    threads: usize,
    begin: impl Fn() -> Result<S> + Sync,
    work: impl Fn(&mut S, &I) -> Result<()> + Sync,
) -> Result<()> {
    let next = AtomicUsize::new(0);
    let run = || -> std::result::Result<(), String> {
        let mut state = begin().map_err(|error| error.to_string())?;
        while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
            work(&mut state, item).map_err(|error| error.to_string())?;
        }
        Ok(())
    };
    if threads == 1 {
        return Ok(run()?);
    }
    std::thread::scope(|scope| {
        let started: Vec<_> = (0..threads).map(|_| scope.spawn(run)).collect();
        for thread in started {
            thread.join().map_err(|_| "a thread panicked")??;
        }
        Ok(())
    })
}

/// Compresses and digests, into a buffer that is used again.
struct Packer {
    compressor: Compressor<'static>,
    content: Vec<u8>,
    frame: Vec<u8>,
}

impl Packer {
    fn new() -> Result<Self> {
        Ok(Self { compressor: Compressor::new(LEVEL)?, content: Vec::new(), frame: Vec::new() })
    }

    /// The frame of `content`; its digest is found, and forgotten.
    fn pack(&mut self, content: &[u8]) -> Result<&[u8]> {
        self.frame.resize(zstd::zstd_safe::compress_bound(content.len()), 0);
        let size = self.compressor.compress_to_buffer(content, &mut self.frame[..])?;
        std::hint::black_box(Sha256::digest(&self.frame[..size]));
        Ok(&self.frame[..size])
    }
}

/// Decompresses and digests.
struct Unpacker {
    decompressor: Decompressor<'static>,
    content: Vec<u8>,
}

impl Unpacker {
    fn new() -> Result<Self> {
        Ok(Self { decompressor: Decompressor::new()?, content: Vec::new() })
    }

    fn unpack(&mut self, frame: &[u8], size: usize) -> Result<&[u8]> {
        std::hint::black_box(Sha256::digest(frame));
        self.content.resize(size, 0);
        self.decompressor.decompress_to_buffer(frame, &mut self.content[..])?;
        Ok(&self.content)
    }
}

/// Serialised records, with the lengths before them, in pieces of the size of a batch: compressed and digested.
pub fn write(task: &Task) -> Result<Value> {
    let bytes = fs::read(task.file(".binpb"))?;
    let pieces: Vec<&[u8]> = bytes.chunks(BATCH).collect();
    let (seconds, ()) = measure(|| {
        shared(&pieces, task.threads, Packer::new, |packer, piece| {
            std::hint::black_box(Sha256::digest(piece));
            packer.pack(piece).map(drop)
        })
    })?;
    Ok(json!({"seconds": seconds, "work": {"bytes": bytes.len()}}))
}

/// The same, decompressed and digested. The frames are in memory.
pub fn read(task: &Task) -> Result<Value> {
    let bytes = fs::read(task.file(".binpb"))?;
    let mut packer = Packer::new()?;
    let frames: Vec<(Vec<u8>, usize)> =
        bytes.chunks(BATCH).map(|piece| Ok((packer.pack(piece)?.to_vec(), piece.len()))).collect::<Result<_>>()?;
    let (seconds, ()) = measure(|| {
        shared(&frames, task.threads, Unpacker::new, |unpacker, (frame, size)| {
            std::hint::black_box(Sha256::digest(unpacker.unpack(frame, *size)?));
            Ok(())
        })
    })?;
    Ok(json!({"seconds": seconds, "work": {"bytes": bytes.len()}}))
}

/// Files that make a chunk together, each with its size.
type Group = Vec<(PathBuf, u64)>;

/// The files below `directory`, in order, in groups.
fn groups(directory: &Path) -> Result<Vec<Group>> {
    fn walk(directory: &Path, found: &mut Group) -> Result<()> {
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() {
                walk(&entry.path(), found)?;
            } else if kind.is_file() {
                found.push((entry.path(), entry.metadata()?.len()));
            }
        }
        Ok(())
    }
    let mut files = Group::new();
    walk(directory, &mut files)?;
    files.sort();
    let (mut groups, mut bytes) = (vec![Group::new()], 0);
    for file in files {
        if bytes >= CHUNK {
            groups.push(Group::new());
            bytes = 0;
        }
        bytes += file.1;
        groups.last_mut().expect("there is one from the beginning").push(file);
    }
    Ok(groups)
}

/// Reads the files of a group one after the other into `content`, and digests each.
fn gather(group: &Group, content: &mut Vec<u8>) -> Result<()> {
    content.clear();
    for (path, size) in group {
        let start = content.len();
        File::open(path)?.take(*size).read_to_end(content)?;
        std::hint::black_box(Sha256::digest(&content[start..]));
    }
    Ok(())
}

/// The files of a tree, read, digested and compressed. Which there are is known before.
pub fn pack(task: &Task) -> Result<Value> {
    let groups = groups(&task.file(""))?;
    let (seconds, ()) = measure(|| {
        shared(&groups, task.threads, Packer::new, |packer, group| {
            let mut content = std::mem::take(&mut packer.content);
            gather(group, &mut content)?;
            packer.pack(&content)?;
            packer.content = content;
            Ok(())
        })
    })?;
    Ok(json!({"seconds": seconds}))
}

/// The same files made anew: decompressed, digested and written. The frames are in memory, the directories are there.
pub fn extract(task: &Task) -> Result<Value> {
    let (from, to) = (task.file(""), task.directory.join("extracted-bare"));
    let (mut packer, mut content, mut frames) = (Packer::new()?, Vec::new(), Vec::new());
    for group in groups(&from)? {
        gather(&group, &mut content)?;
        let group: Group = group
            .into_iter()
            .map(|(path, size)| Ok((to.join(path.strip_prefix(&from)?), size)))
            .collect::<Result<_>>()?;
        frames.push((packer.pack(&content)?.to_vec(), content.len(), group));
    }
    let mut times = Vec::new();
    for _ in 0..3 {
        if to.exists() {
            fs::remove_dir_all(&to)?;
        }
        for (path, _) in frames.iter().flat_map(|(_, _, group)| group) {
            fs::create_dir_all(path.parent().ok_or("a file is in a directory")?)?;
        }
        let start = std::time::Instant::now();
        shared(&frames, task.threads, Unpacker::new, |unpacker, (frame, size, group)| {
            let mut content = unpacker.unpack(frame, *size)?;
            for (path, size) in group {
                let (file, rest) = content.split_at(*size as usize);
                std::hint::black_box(Sha256::digest(file));
                fs::write(path, file)?;
                content = rest;
            }
            Ok(())
        })?;
        times.push(start.elapsed().as_secs_f64());
    }
    fs::remove_dir_all(&to)?;
    times.sort_by(f64::total_cmp);
    Ok(json!({"seconds": times[1]}))
}
