//! The specification and the conformance kit that belong to this version, which the command brings along.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use rosettar::Digest;

/// What `build.rs` made.
const COMPRESSED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/kit.zst"));

/// The version of this crate.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The file with the digests of all others.
pub(crate) const SUMS: &str = "SHA256SUMS";
/// When all files of the kit were last modified: the beginning of 1980. Some programs take the beginning of 1970 for a mistake.
pub(crate) const MTIME: i64 = 315_532_800;

/// The kit.
pub(crate) struct Kit {
    /// The version of the format that it is for.
    pub(crate) spec_version: String,
    /// The files by their paths, `VERSION` and `SHA256SUMS` among them.
    pub(crate) files: BTreeMap<String, Vec<u8>>,
}

impl Kit {
    /// Takes the kit out of the command.
    pub(crate) fn new() -> Self {
        let kit = zstd::decode_all(COMPRESSED).expect("what the build compressed");
        let mut files = BTreeMap::new();
        let mut rest = &kit[..];
        while !rest.is_empty() {
            let path = String::from_utf8(part(&mut rest).to_vec()).expect("what the build wrote");
            files.insert(path, part(&mut rest).to_vec());
        }
        let spec_version = spec_version(&files["spec/FORMAT.md"]);
        files.insert("VERSION".to_owned(), format!("rosettar {VERSION}\nformat {spec_version}\n").into_bytes());
        let mut sums = String::new();
        for (path, content) in &files {
            writeln!(sums, "{}  {path}", Digest::of(content)).expect("a string takes all");
        }
        files.insert(SUMS.to_owned(), sums.into_bytes());
        Self { spec_version, files }
    }

    /// The digest of the file with the digests of all others: it commits to every file, in whatever form the kit comes.
    pub(crate) fn seal(&self) -> Digest {
        Digest::of(&self.files[SUMS])
    }

    /// Bytes of all files.
    pub(crate) fn bytes(&self) -> u64 {
        self.files.values().map(|content| content.len() as u64).sum()
    }

    /// A tar of all files: the same bytes for the same kit.
    pub(crate) fn tar(&self) -> Vec<u8> {
        let mut tar = Vec::new();
        for (path, content) in &self.files {
            tar.extend_from_slice(&header(path, mode(path, content), content.len()));
            tar.extend_from_slice(content);
            tar.resize(tar.len().next_multiple_of(BLOCK), 0);
        }
        tar.resize(tar.len() + 2 * BLOCK, 0);
        tar
    }
}

/// The permissions of a file: a program that is called as it is says so itself. (What has a suffix is given to another.)
pub(crate) fn mode(path: &str, content: &[u8]) -> u32 {
    let has_suffix = path.rsplit('/').next().is_some_and(|name| name.contains('.'));
    if content.starts_with(b"#!") && !has_suffix { 0o755 } else { 0o644 }
}

/// What follows a length.
fn part<'a>(rest: &mut &'a [u8]) -> &'a [u8] {
    let (len, after) = rest.split_first_chunk().expect("what the build wrote");
    let (part, after) = after.split_at(u32::from_le_bytes(*len) as usize);
    *rest = after;
    part
}

/// The version that the title of FORMAT.md states.
fn spec_version(format: &[u8]) -> String {
    let title = String::from_utf8_lossy(format.split(|byte| *byte == b'\n').next().unwrap_or_default()).into_owned();
    title.rsplit_once("version ").map_or(title.as_str(), |(_, version)| version).trim().to_owned()
}

const BLOCK: usize = 512;

/// A header of ustar. No path of the kit is as long as its field; a test sees to it.
fn header(path: &str, mode: u32, size: usize) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    let mut put = |at: usize, text: &str| block[at..at + text.len()].copy_from_slice(text.as_bytes());
    put(0, path);
    put(100, &format!("{mode:07o}"));
    put(108, "0000000");
    put(116, "0000000");
    put(124, &format!("{size:011o}"));
    put(136, &format!("{MTIME:011o}"));
    put(148, "        ");
    put(156, "0");
    put(257, "ustar\x0000");
    put(329, "0000000");
    put(337, "0000000");
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    block
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kit_is_complete_and_its_paths_fit_a_tar() {
        let kit = Kit::new();
        assert_eq!(kit.spec_version, "1.0-rc");
        for path in
            ["spec/FORMAT.md", "spec/rosettar/v1/index.proto", "conformance/run", "conformance/vectors/magic.rtar"]
        {
            assert!(kit.files.contains_key(path), "{path}");
        }
        for (path, content) in &kit.files {
            assert!(path.len() <= 99 && path.is_ascii(), "{path}");
            assert_eq!(mode(path, content) == 0o755, path == "conformance/run", "{path}");
        }
    }
}
