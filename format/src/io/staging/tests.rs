use super::*;
use crate::path::EntryPath;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

fn begin(target: &Path) -> Result<Staging> {
    Staging::new(target, StagingOptions::new())
}

fn fill(staging: &Staging, files: &[(&str, &str)]) {
    let sandbox = staging.sandbox().unwrap();
    for (path, content) in files {
        let mut file = sandbox.create_file(&EntryPath::new(*path).unwrap()).unwrap();
        file.write_all(content.as_bytes()).unwrap();
        file.finish(0o644, (1, 0)).unwrap();
    }
}

fn names(path: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// What a run killed after its first `moved` moves leaves in `target`.
fn crash(target: &Path, files: &[(&str, &str)], moved: usize) -> PathBuf {
    let mut staging = begin(target).unwrap();
    fill(&staging, files);
    let shown = staging.shown.clone();
    staging.live = false;
    let dir = staging.directory().unwrap();
    let Place::Inside { target, remains, .. } = &staging.place else { panic!("the target exists") };
    let moves = Moves::prepare(target, &dir, remains, true).unwrap();
    for name in &moves.names[..moved] {
        moves.publish(name).unwrap();
    }
    shown
}

#[test]
fn an_absent_target_appears_at_once_with_its_parents() {
    let temp = tempfile::tempdir().unwrap();
    let target = temp.path().join("new/deeper/out");
    let staging = Staging::new(&target, StagingOptions::new().sync(true)).unwrap();
    fill(&staging, &[("a/b", "content")]);
    let name = names(&temp.path().join("new/deeper")).remove(0);
    assert!(name.starts_with(".out.rosettar-extract-"), "{name}");
    assert_eq!(fs::metadata(staging.path()).unwrap().mode() & 0o777, 0o700);
    staging.publish().unwrap();
    assert_eq!(names(&temp.path().join("new/deeper")), ["out"]);
    assert_eq!(fs::read(target.join("a/b")).unwrap(), b"content");
    fs::create_dir(temp.path().join("plain")).unwrap();
    assert_eq!(fs::metadata(&target).unwrap().mode(), fs::metadata(temp.path().join("plain")).unwrap().mode());
}

#[test]
fn dropped_or_discarded_it_leaves_nothing() {
    let temp = tempfile::tempdir().unwrap();
    fs::create_dir(temp.path().join("empty")).unwrap();
    fs::create_dir(temp.path().join("outside")).unwrap();
    fs::write(temp.path().join("outside/kept"), "").unwrap();
    for target in ["new/deeper/out", "out", "empty"] {
        for discard in [true, false] {
            let staging = begin(&temp.path().join(target)).unwrap();
            fill(&staging, &[("a/b", "content"), ("c", "")]);
            let sandbox = staging.sandbox().unwrap();
            let path = |path| EntryPath::new(path).unwrap();
            sandbox.create_symlink(&path("link"), temp.path().join("outside").to_str().unwrap(), (0, 0)).unwrap();
            sandbox.finish_dir(&path("a"), 0, (0, 0)).unwrap();
            if discard {
                staging.discard().unwrap()
            } else {
                drop(staging)
            }
            assert_eq!(names(temp.path()), ["empty", "outside"], "{target}");
            assert!(names(&temp.path().join("empty")).is_empty());
            assert_eq!(names(&temp.path().join("outside")), ["kept"]);
        }
    }
}

#[test]
fn a_target_of_255_bytes_works() {
    let temp = tempfile::tempdir().unwrap();
    let target = temp.path().join("é".repeat(127) + "x");
    begin(&target).unwrap().publish().unwrap();
    assert!(target.is_dir());
    let error = begin(&temp.path().join("d/").join("x".repeat(256))).unwrap_err();
    assert_eq!(error.code(), "io.file");
}

#[test]
fn a_target_that_appears_meanwhile_is_not_touched() {
    let temp = tempfile::tempdir().unwrap();
    let target = temp.path().join("out");
    let staging = begin(&target).unwrap();
    fs::create_dir(&target).unwrap();
    assert_eq!(staging.publish().unwrap_err().code(), "usage.target");
    assert_eq!(names(temp.path()), ["out"]);
    assert!(names(&target).is_empty());
}

#[test]
fn what_is_no_empty_directory_is_refused() {
    let temp = tempfile::tempdir().unwrap();
    fs::create_dir(temp.path().join("full")).unwrap();
    fs::write(temp.path().join("full/file"), "").unwrap();
    symlink("nowhere", temp.path().join("dangling")).unwrap();
    for (target, why) in [("full", "\"file\""), ("full/file", "no directory"), ("dangling", "leads nowhere")] {
        let error = begin(&temp.path().join(target)).unwrap_err();
        assert_eq!(error.code(), "usage.target", "{target}");
        assert!(error.message().contains(why), "{error}");
    }
    assert_eq!(begin(Path::new("")).unwrap_err().code(), "usage.target");
    assert_eq!(names(&temp.path().join("full")), ["file"]);
}

#[test]
fn an_empty_target_keeps_its_inode_and_mode() {
    let temp = tempfile::tempdir().unwrap();
    let target = temp.path().join("out");
    fs::create_dir(&target).unwrap();
    fs::set_permissions(&target, fs::Permissions::from_mode(0o750)).unwrap();
    let inode = fs::metadata(&target).unwrap().ino();
    symlink("out", temp.path().join("link")).unwrap();
    let staging = Staging::new(temp.path().join("link"), StagingOptions::new().sync(true)).unwrap();
    fill(&staging, &[("a/b", "1"), ("c", "2"), (".d", "3")]);
    assert!(names(&target)[0].starts_with(PREFIX));
    assert_eq!(begin(&target).unwrap_err().code(), "usage.target", "two runs at once");
    staging.publish().unwrap();
    assert_eq!(names(&target), [".d", "a", "c"]);
    let metadata = fs::metadata(&target).unwrap();
    assert_eq!((metadata.ino(), metadata.mode() & 0o777), (inode, 0o750));
}

#[test]
fn read_only_directories_are_moved_and_keep_mode_and_time() {
    let temp = tempfile::tempdir().unwrap();
    let target = temp.path().join("out");
    fs::create_dir(&target).unwrap();
    let staging = begin(&target).unwrap();
    fill(&staging, &[("a/b", "1")]);
    staging.sandbox().unwrap().finish_dir(&EntryPath::new("a").unwrap(), 0o555, (77, 5)).unwrap();
    staging.publish().unwrap();
    let metadata = fs::metadata(target.join("a")).unwrap();
    let mode = 0o555 & !Dir::open(temp.path()).unwrap().umask().unwrap();
    assert_eq!((metadata.mode() & 0o777, metadata.mtime(), metadata.mtime_nsec()), (mode, 77, 5));
    fs::set_permissions(target.join("a"), fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn running_again_after_a_crash_completes() {
    const FIRST: &[(&str, &str)] = &[("a/x", "old"), ("b", "old"), ("gone", "old"), ("z", "old")];
    const SECOND: &[(&str, &str)] = &[("a/y", "new"), ("b", "new"), ("c", "new"), ("z", "new")];
    for moved in 0..=FIRST.len() {
        let temp = tempfile::tempdir().unwrap();
        let target = temp.path().join("out");
        fs::create_dir(&target).unwrap();
        let left = crash(&target, FIRST, moved);
        assert_eq!(names(&target).len(), moved + 1);
        // A second run that is dropped changes nothing that was published.
        let second = begin(&target).unwrap();
        fill(&second, SECOND);
        assert_eq!(left.exists(), moved > 0, "remains are kept while they are needed");
        drop(second);
        assert_eq!(names(&target).len(), if moved > 0 { moved + 1 } else { 0 });
        // Nor is anything lost if the second crashes in turn.
        let both = crash(&target, SECOND, 2);
        assert!(both.exists());
        let third = begin(&target).unwrap();
        fill(&third, SECOND);
        third.publish().unwrap();
        assert_eq!(names(&target), ["a", "b", "c", "z"], "after {moved} moves");
        assert_eq!(names(&target.join("a")), ["y"]);
        for name in ["a/y", "b", "c", "z"] {
            assert_eq!(fs::read(target.join(name)).unwrap(), b"new", "{name}");
        }
    }
}

#[test]
fn remains_beside_anything_else_are_refused_and_named() {
    let temp = tempfile::tempdir().unwrap();
    let target = temp.path().join("out");
    fs::create_dir(&target).unwrap();
    let left = crash(&target, &[("a", "old"), ("b", "old")], 1);
    // Replaced since by the user: under the same name, but another file.
    fs::write(target.join("mine"), "mine").unwrap();
    fs::rename(target.join("mine"), target.join("a")).unwrap();
    let error = begin(&target).unwrap_err();
    assert_eq!(error.code(), "usage.target");
    assert!(error.message().contains("\"a\"") && error.message().contains(left.to_str().unwrap()), "{error}");
    assert_eq!(fs::read(target.join("a")).unwrap(), b"mine");
    assert!(left.join("tree/b").exists());
}

#[test]
fn a_list_of_moves_that_an_archive_brought_opens_nothing() {
    let temp = tempfile::tempdir().unwrap();
    let target = temp.path().join("out");
    let fake = target.join(".rosettar-extract-00000000");
    fs::create_dir_all(fake.join(TREE)).unwrap();
    fs::write(target.join("precious"), "").unwrap();
    fs::write(fake.join(MOVES), "1 precious\n precious\nx precious\nprecious\n\n\u{ff} \n").unwrap();
    assert_eq!(begin(&target).unwrap_err().code(), "usage.target");
    assert_eq!(names(&target), [".rosettar-extract-00000000", "precious"]);
}

#[test]
fn a_move_that_fails_half_way_says_where_the_rest_is() {
    let temp = tempfile::tempdir().unwrap();
    let target = temp.path().join("out");
    fs::create_dir(&target).unwrap();
    let staging = begin(&target).unwrap();
    fill(&staging, &[("a", "new"), ("b", "new")]);
    let shown = staging.path().to_owned();
    fs::write(target.join("b"), "mine").unwrap();
    let error = staging.publish().unwrap_err();
    assert_eq!((error.code(), error.entry()), ("io.file", Some("b")));
    assert!(error.message().contains(shown.to_str().unwrap()), "{error}");
    assert_eq!(fs::read(target.join("b")).unwrap(), b"mine");
    fs::remove_file(target.join("b")).unwrap();
    let again = begin(&target).unwrap();
    fill(&again, &[("a", "new"), ("b", "new")]);
    again.publish().unwrap();
    assert_eq!(names(&target), ["a", "b"]);
    // Where not even the first could be moved, nothing is left behind.
    let empty = temp.path().join("empty");
    fs::create_dir(&empty).unwrap();
    let staging = begin(&empty).unwrap();
    fill(&staging, &[("a", "new")]);
    fs::write(empty.join("a"), "mine").unwrap();
    assert_eq!(staging.publish().unwrap_err().code(), "io.file");
    assert_eq!(names(&empty), ["a"]);
}

#[test]
fn a_failed_removal_is_reported_beside_its_cause() {
    let temp = tempfile::tempdir().unwrap();
    let staging = begin(&temp.path().join("out")).unwrap();
    let shown = staging.path().to_owned();
    fs::remove_dir(&shown).unwrap();
    let cause = Error::new(code::ENTRY_DIGEST, "expected another digest").with_entry("e");
    let error = staging.discard_after(cause);
    assert_eq!((error.code(), error.entry()), ("entry.digest", Some("e")));
    assert!(error.message().contains("expected another digest"), "{error}");
    assert!(error.message().contains(shown.to_str().unwrap()), "{error}");
}
