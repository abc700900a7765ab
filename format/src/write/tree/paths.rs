//! Walking what a list of paths names.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Component, Path};
use std::sync::Arc;

use super::{Tree, WalkOptions, Walker, open_root};
use crate::error::{Error, Result, code};

/// Walks what `paths` name, each relative to the directory `base`, and lists what is to be packed. A path is also the
/// path in the archive, without `.` components and a `/` at the end; `.` alone stands for everything below `base`.
///
/// What a path names is itself an item, with all that is below it if it is a directory; what is above it is none. A path
/// at or below another one is taken once. What an exclude pattern matches is left out even where a path names it.
///
/// ```
/// # let dir = tempfile::tempdir().unwrap();
/// # std::fs::create_dir(dir.path().join("docs")).unwrap();
/// # std::fs::write(dir.path().join("docs/a.txt"), "alpha").unwrap();
/// use rosettar::write::tree::{WalkOptions, walk_paths};
///
/// let tree = walk_paths(dir.path(), &["docs"], &WalkOptions::new())?;
/// let paths: Vec<_> = tree.items.iter().map(|item| item.path.as_str()).collect();
/// assert_eq!(paths, ["docs", "docs/a.txt"]);
/// # Ok::<(), rosettar::Error>(())
/// ```
///
/// # Errors
/// As [`walk`](super::walk); `usage.input` for a path that is absolute, has a `..`, or leads through a symbolic link;
/// `io.file` for one that names nothing.
pub fn walk_paths(base: impl AsRef<Path>, paths: &[impl AsRef<Path>], options: &WalkOptions) -> Result<Tree> {
    let base = base.as_ref();
    let mut wanted = BTreeSet::new();
    for path in paths {
        wanted.insert(components(path.as_ref())?);
    }
    let mut walker = Walker::new(options)?;
    if wanted.contains(&[][..]) {
        walker.visit(open_root(base)?, base)?;
        return walker.finish();
    }
    let root = Arc::new(open_root(base)?);
    for path in &wanted {
        let below_another = (0..path.len()).any(|end| wanted.contains(&path[..end]));
        if below_another {
            continue;
        }
        let Some((name, above)) = path.split_last() else { continue };
        let mut dir = Arc::clone(&root);
        let (mut source, mut shown) = (base.to_owned(), String::new());
        let mut excluded = false;
        let mut matched = false;
        let mut step = |walker: &Walker, name: &OsStr, shown: &mut String| {
            shown.push_str(&name.to_string_lossy());
            let (is_excluded, is_included) = walker.matches(shown);
            (excluded, matched) = (excluded | is_excluded, matched | is_included);
        };
        for name in above {
            source.push(name);
            step(&walker, name, &mut shown);
            shown.push('/');
            dir = Arc::new(dir.child(name).map_err(|error| unreachable_path(&source, error))?);
        }
        source.push(name);
        dir.stat(name).map_err(|error| unreachable_path(&source, error))?;
        step(&walker, name, &mut shown);
        if !excluded {
            walker.take(&dir, name, shown, source, matched)?;
        }
    }
    walker.finish()
}

/// The components of a path that may be packed, without `.`.
fn components(path: &Path) -> Result<Vec<&OsStr>> {
    let refuse = |why: &str| {
        let message = format!(
            "cannot pack {}: {why}; paths are those in the archive, so name them relative to the directory that they are in (`directory`)",
            path.display()
        );
        Err(Error::new(code::USAGE_INPUT, message))
    };
    let mut names = Vec::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => names.push(name),
            Component::CurDir => {}
            Component::ParentDir => return refuse("it has a `..`"),
            Component::Prefix(_) | Component::RootDir => return refuse("it is absolute"),
        }
    }
    if path.as_os_str().is_empty() {
        return refuse("it is empty");
    }
    Ok(names)
}

fn unreachable_path(source: &Path, error: std::io::Error) -> Error {
    let is_link = source.symlink_metadata().is_ok_and(|metadata| metadata.is_symlink());
    if is_link {
        let message = format!("cannot pack what is below {}: it is a symbolic link", source.display());
        return Error::new(code::USAGE_INPUT, message);
    }
    Error::io(code::IO_FILE, format!("cannot pack {}", source.display()), error)
}
