use super::*;
use crate::path::EntryPath;
use std::io::Write as _;
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
    let mut moves = Moves::prepare(target, &dir, remains, true).unwrap();
    let names = moves.names.clone();
    for name in &names[..moved] {
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
fn what_interrupted_runs_left_beside_the_target_is_told() {
    let temp = tempfile::tempdir().unwrap();
    for name in
        [".out.rosettar-extract-0123abcd", ".out.rosettar-extract-0123abcdef", ".other.rosettar-extract-0123abcd"]
    {
        fs::create_dir(temp.path().join(name)).unwrap();
    }
    let published = begin(&temp.path().join("out")).unwrap().publish().unwrap();
    assert_eq!(published.left_behind, [temp.path().join(".out.rosettar-extract-0123abcd")]);
    assert_eq!(names(temp.path()).len(), 4);
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
    // An inode number can be found by listing all of them, so the right one is among these.
    let ino = fs::metadata(target.join("precious")).unwrap().ino();
    fs::write(fake.join(MOVES), format!("1 precious\n precious\nx precious\nprecious\n\n\u{ff} \n{ino} precious\n"))
        .unwrap();
    for mode in [0o755, 0o700, 0o2777] {
        fs::set_permissions(&fake, fs::Permissions::from_mode(mode)).unwrap();
        assert_eq!(begin(&target).unwrap_err().code(), "usage.target");
        merge(&target, Overwrite::Always, &[]).unwrap();
        assert_eq!(names(&target), [".rosettar-extract-00000000", "precious"]);
        assert_eq!(names(&fake), [MOVES, TREE]);
    }
    // Even with the mark, that of another user opens nothing.
    fs::set_permissions(&fake, fs::Permissions::from_mode(0o1777)).unwrap();
    if std::os::unix::fs::chown(&fake, Some(12345), None).is_ok() {
        assert_eq!(begin(&target).unwrap_err().code(), "usage.target");
        merge(&target, Overwrite::Always, &[]).unwrap();
        assert_eq!(names(&fake), [MOVES, TREE]);
    }
    assert_eq!(names(&target), [".rosettar-extract-00000000", "precious"]);
}

/// The mark can be copied, by `tar xp` as root for one. A list that no run wrote holds nobody up.
#[test]
fn a_forged_list_of_moves_costs_nothing_and_blocks_nothing() {
    let temp = tempfile::tempdir().unwrap();
    let target = temp.path().join("out");
    let fake = target.join(".rosettar-extract-00000000");
    fs::create_dir_all(&fake).unwrap();
    fs::set_permissions(&fake, fs::Permissions::from_mode(0o1700)).unwrap();
    fs::write(target.join("precious"), "").unwrap();
    let list = fake.join(MOVES);
    for (number, forge) in [
        (|path: &Path| fs::create_dir(path).unwrap()) as fn(&Path),
        |path| std::os::unix::fs::symlink("/etc/passwd", path).unwrap(),
        // A line of gigabytes, and none of which a run could have written.
        |path| fs::File::create(path).unwrap().set_len(4 << 30).unwrap(),
    ]
    .iter()
    .enumerate()
    {
        fs::create_dir_all(&fake).unwrap();
        fs::set_permissions(&fake, fs::Permissions::from_mode(0o1700)).unwrap();
        forge(&list);
        let start = std::time::Instant::now();
        merge(&target, Overwrite::Refuse, &[(&format!("new{number}"), "new")]).unwrap();
        assert!(start.elapsed() < std::time::Duration::from_secs(2), "{:?}", start.elapsed());
        assert!(target.join("precious").exists() && target.join(format!("new{number}")).exists());
        let _ = fs::remove_dir_all(&fake);
    }
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

fn begin_merge(target: &Path, overwrite: Overwrite) -> Result<Staging> {
    Staging::new(target, StagingOptions::new().merge(overwrite))
}

fn merge(target: &Path, overwrite: Overwrite, files: &[(&str, &str)]) -> Result<Published> {
    let staging = begin_merge(target, overwrite).unwrap();
    fill(&staging, files);
    staging.publish()
}

/// What a merge killed after its first `moved` moves leaves in `target`.
fn crash_merge(target: &Path, files: &[(&str, &str)], moved: usize) {
    let mut staging = begin_merge(target, Overwrite::Always).unwrap();
    fill(&staging, files);
    let finished = staging.sandbox().unwrap().finish_dir(&EntryPath::new("new").unwrap(), 0o555, (7, 0));
    assert!(finished.is_ok() || !files.iter().any(|(path, _)| path.starts_with("new/")));
    staging.live = false;
    let dir = staging.directory().unwrap();
    let Place::Inside { target: into, remains, .. } = &staging.place else { panic!("the target exists") };
    let tree = dir.child(OsStr::new(TREE)).unwrap();
    let mut merge = Merge::plan(target, &tree, into, Overwrite::Always, &remains.moved).unwrap();
    merge.write_down(&dir, into, true).unwrap();
    merge.cut(moved);
    assert!(merge.run(&tree, into).is_ok());
}

/// A target with `d/both` (old, of time 0), `d/mine` and `top`.
fn full(temp: &tempfile::TempDir) -> PathBuf {
    let target = temp.path().join("out");
    fs::create_dir_all(target.join("d")).unwrap();
    for name in ["d/both", "d/mine", "top"] {
        fs::write(target.join(name), "old").unwrap();
    }
    target
}

fn set_time(path: &Path, seconds: i64) {
    let time = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(seconds as u64);
    fs::File::open(path).unwrap().set_modified(time).unwrap();
}

#[test]
fn a_merge_adds_and_leaves_what_is_there() {
    let temp = tempfile::tempdir().unwrap();
    let target = full(&temp);
    fs::set_permissions(target.join("d"), fs::Permissions::from_mode(0o750)).unwrap();
    let published = merge(&target, Overwrite::Refuse, &[("d/new", "new"), ("e/f/g", "new")]).unwrap();
    assert_eq!(published, Published::default());
    assert_eq!(names(&target), ["d", "e", "top"]);
    assert_eq!(names(&target.join("d")), ["both", "mine", "new"]);
    assert_eq!(fs::metadata(target.join("d")).unwrap().mode() & 0o777, 0o750);
    // Once more, with what is there already, and something new beside it.
    let again = [("d/new", "new"), ("e/f/g", "new"), ("e/f/h", "new")];
    assert_eq!(merge(&target, Overwrite::Refuse, &again).unwrap(), Published::default());
    assert_eq!(names(&target.join("e/f")), ["g", "h"]);
}

#[test]
fn what_is_in_the_way_of_a_merge_is_refused_kept_or_replaced() {
    let files = [("d/both", "new"), ("d/new", "new"), ("top", "new")];
    let outcome = |overwrite, prepare: &dyn Fn(&Path)| {
        let temp = tempfile::tempdir().unwrap();
        let target = full(&temp);
        prepare(&target);
        let published = merge(&target, overwrite, &files);
        let content = ["d/both", "d/mine", "top"].map(|name| fs::read_to_string(target.join(name)).unwrap());
        assert_eq!(names(&target), ["d", "top"]);
        assert_eq!(target.join("d/new").exists(), published.is_ok());
        (published, content.concat())
    };
    let (error, content) = outcome(Overwrite::Refuse, &|_| {});
    let error = error.unwrap_err();
    assert_eq!((error.code(), error.entry()), ("usage.target", Some("d/both")));
    assert!(error.message().contains("and 1 more") && error.message().contains("overwrite = newer"), "{error}");
    assert_eq!(content, "oldoldold");
    let (published, content) = outcome(Overwrite::Never, &|_| {});
    assert_eq!((published.unwrap().kept, content), (vec!["d/both".into(), "top".into()], "oldoldold".into()));
    let (published, content) = outcome(Overwrite::Always, &|_| {});
    assert_eq!((published.unwrap().replaced, content), (2, "newoldnew".into()));
    // What is merged has the time 1.
    let (published, content) = outcome(Overwrite::Newer, &|target| set_time(&target.join("top"), 0));
    let published = published.unwrap();
    assert_eq!((published.kept, published.replaced), (vec!["d/both".into()], 1));
    assert_eq!(content, "oldoldnew");
    // Of the same time: not older.
    let (published, _) = outcome(Overwrite::Newer, &|target| set_time(&target.join("top"), 1));
    assert_eq!(published.unwrap().kept.len(), 2);
}

#[test]
fn a_merge_follows_no_link_and_changes_no_kind() {
    for overwrite in [Overwrite::Refuse, Overwrite::Never, Overwrite::Newer, Overwrite::Always] {
        let temp = tempfile::tempdir().unwrap();
        let target = full(&temp);
        let outside = temp.path().join("outside");
        fs::create_dir(&outside).unwrap();
        symlink(&outside, target.join("away")).unwrap();
        symlink("d", target.join("within")).unwrap();
        rustix::fs::mknodat(
            rustix::fs::CWD,
            target.join("fifo"),
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::from_raw_mode(0o600),
            0,
        )
        .unwrap();
        let before = names(&target);
        for (path, what) in [
            ("away/x", "a symbolic link stands"),
            ("within/x", "a symbolic link stands"),
            ("top/x", "a file stands"),
            ("d", "a directory stands"),
            ("fifo", "a FIFO stands"),
        ] {
            let error = merge(&target, overwrite, &[("a/first", "new"), (path, "new")]).unwrap_err();
            assert_eq!(error.code(), "usage.target", "{path}: {error}");
            assert!(error.message().contains(what), "{path}: {error}");
            assert_eq!(names(&target), before, "{path}");
        }
        assert!(names(&outside).is_empty());
        assert_eq!(names(&target.join("d")), ["both", "mine"]);
        // A link in the place of a file is replaced itself.
        fs::write(outside.join("file"), "kept").unwrap();
        symlink(outside.join("file"), target.join("leaf")).unwrap();
        set_time(&outside.join("file"), 0);
        let merged = merge(&target, overwrite, &[("leaf", "new")]);
        assert_eq!(fs::read(outside.join("file")).unwrap(), b"kept");
        assert_eq!(merged.is_err(), overwrite == Overwrite::Refuse);
        let replaced = fs::symlink_metadata(target.join("leaf")).unwrap().is_file();
        assert_eq!(replaced, overwrite == Overwrite::Always, "the link was made just now");
    }
}

#[test]
fn a_merge_does_not_begin_what_it_cannot_end() {
    let temp = tempfile::tempdir().unwrap();
    let target = full(&temp);
    fs::create_dir(target.join("zone")).unwrap();
    let mount = std::process::Command::new("mount").args(["-t", "tmpfs", "none"]).arg(target.join("zone")).output();
    if !mount.is_ok_and(|output| output.status.success()) {
        let told = "skipped: a_merge_does_not_begin_what_it_cannot_end: no right to mount a file system\n";
        io::stderr().write_all(told.as_bytes()).unwrap();
        return;
    }
    let merged = merge(&target, Overwrite::Always, &[("a", "new"), ("zone/x", "new")]);
    assert!(std::process::Command::new("umount").arg(target.join("zone")).status().unwrap().success());
    let error = merged.unwrap_err();
    assert_eq!((error.code(), error.entry()), ("usage.target", Some("zone/x")));
    assert_eq!(names(&target), ["d", "top", "zone"]);
}

#[test]
fn a_merge_again_after_a_crash_completes() {
    let files = [("d/both", "new"), ("d/n", "new"), ("new/deep/f", "new"), ("top", "new"), ("z", "new")];
    for moved in 0..=files.len() {
        let temp = tempfile::tempdir().unwrap();
        let target = full(&temp);
        crash_merge(&target, &files, moved);
        let left: Vec<_> = names(&target).into_iter().filter(|name| name.starts_with(PREFIX)).collect();
        assert_eq!(left.len(), 1);
        for (path, _) in &files {
            let content = fs::read_to_string(target.join(path)).unwrap_or_default();
            assert!(["", "old", "new"].contains(&content.as_str()), "{path} is {content:?}");
        }
        if moved == 3 {
            // The process ended between the move of a read-only directory and giving it its mode.
            fs::set_permissions(target.join("new"), fs::Permissions::from_mode(0o755)).unwrap();
        }
        // Without merging, it is refused, with the way on.
        let error = begin(&target).unwrap_err();
        assert_eq!(error.code(), "usage.target");
        assert!(error.message().contains(&left[0]) && error.message().contains("`merge = true`"), "{error}");
        // Another crash does not make it worse.
        crash_merge(&target, &files, 1.min(files.len() - moved));
        let staging = begin_merge(&target, Overwrite::Always).unwrap();
        fill(&staging, &files);
        staging.sandbox().unwrap().finish_dir(&EntryPath::new("new").unwrap(), 0o555, (7, 0)).unwrap();
        staging.publish().unwrap();
        assert_eq!(names(&target), ["d", "new", "top", "z"], "after {moved} moves");
        for (path, content) in files {
            assert_eq!(fs::read_to_string(target.join(path)).unwrap(), content, "{path}");
        }
        assert_eq!(fs::read(target.join("d/mine")).unwrap(), b"old");
        let metadata = fs::metadata(target.join("new")).unwrap();
        let mode = 0o555 & !Dir::open(temp.path()).unwrap().umask().unwrap();
        assert_eq!((metadata.mode() & 0o777, metadata.mtime()), (mode, 7), "after {moved} moves");
        fs::set_permissions(target.join("new"), fs::Permissions::from_mode(0o755)).unwrap();
    }
}

#[test]
fn a_merge_touches_no_directory_that_is_only_called_like_remains() {
    let temp = tempfile::tempdir().unwrap();
    let target = full(&temp);
    let mine = target.join(".rosettar-extract-0123abcd");
    fs::create_dir(&mine).unwrap();
    fs::write(mine.join("mine"), "old").unwrap();
    merge(&target, Overwrite::Refuse, &[("new", "new")]).unwrap();
    assert_eq!(names(&mine), ["mine"]);
    let error = merge(&target, Overwrite::Always, &[(".rosettar-extract-0123abce/tree", "x")]).unwrap_err();
    assert_eq!(error.code(), "policy.name");
    assert_eq!(names(&target), [".rosettar-extract-0123abcd", "d", "new", "top"]);
    // One at a time.
    let running = begin_merge(&target, Overwrite::Always).unwrap();
    assert_eq!(begin_merge(&target, Overwrite::Always).unwrap_err().code(), "usage.target");
    drop(running);
}

#[test]
fn a_merge_completes_what_an_extraction_to_an_empty_directory_began() {
    const FILES: &[(&str, &str)] = &[("a/x", "new"), ("b", "new"), ("z", "new")];
    for moved in 0..=FILES.len() {
        let temp = tempfile::tempdir().unwrap();
        let target = temp.path().join("out");
        fs::create_dir(&target).unwrap();
        crash(&target, FILES, moved);
        fs::write(target.join("own"), "mine").unwrap();
        merge(&target, Overwrite::Refuse, FILES).unwrap();
        assert_eq!(names(&target), ["a", "b", "own", "z"]);
        assert_eq!(fs::read(target.join("a/x")).unwrap(), b"new");
    }
}

/// What stands at a path; times are 1 or 2.
#[derive(Clone, Debug, PartialEq)]
enum Node {
    Directory,
    File { content: u64, time: i64 },
    Link { target: u64, time: i64 },
}

type Nodes = std::collections::BTreeMap<String, Node>;

/// A random tree with names of three letters, so that two of them meet often.
fn random_tree(next: &mut impl FnMut(u64) -> u64) -> Nodes {
    let mut tree = Nodes::new();
    for _ in 0..next(8) {
        let names: Vec<&str> = (0..=next(3)).map(|_| ["a", "b", "c"][next(3) as usize]).collect();
        let above: Vec<String> = (1..names.len()).map(|end| names[..end].join("/")).collect();
        let path = names.join("/");
        if tree.contains_key(&path)
            || above.iter().any(|path| tree.get(path).is_some_and(|node| *node != Node::Directory))
        {
            continue;
        }
        tree.extend(above.into_iter().map(|path| (path, Node::Directory)));
        let time = 1 + next(2) as i64;
        let node = match next(4) {
            0 => Node::Directory,
            1 => Node::Link { target: next(2), time },
            _ => Node::File { content: next(2), time },
        };
        tree.insert(path, node);
    }
    tree
}

fn make(sandbox: &Sandbox, tree: &Nodes) {
    for (path, node) in tree {
        let path = EntryPath::new(path.as_str()).unwrap();
        match node {
            Node::Directory => sandbox.create_dir(&path).unwrap(),
            Node::Link { target, time } => sandbox.create_symlink(&path, &target.to_string(), (*time, 0)).unwrap(),
            Node::File { content, time } => {
                let mut file = sandbox.create_file(&path).unwrap();
                file.write_all(content.to_string().as_bytes()).unwrap();
                file.finish(0o644, (*time, 0)).unwrap();
            }
        }
    }
}

fn found(root: &Path, prefix: &str, tree: &mut Nodes) {
    for name in names(&root.join(prefix)) {
        let path = format!("{prefix}{name}");
        let metadata = fs::symlink_metadata(root.join(&path)).unwrap();
        let (time, whole) = (metadata.mtime(), root.join(&path));
        let node = if metadata.is_dir() {
            found(root, &format!("{path}/"), tree);
            Node::Directory
        } else if metadata.is_symlink() {
            Node::Link { target: fs::read_link(whole).unwrap().to_str().unwrap().parse().unwrap(), time }
        } else {
            Node::File { content: fs::read_to_string(whole).unwrap().parse().unwrap(), time }
        };
        tree.insert(path, node);
    }
}

/// What a merge is to give: the target then, and what is kept and how much replaced; nothing where it is refused.
fn expected(staged: &Nodes, target: &Nodes, overwrite: Overwrite) -> Option<(Nodes, Vec<String>, u64)> {
    let (mut result, mut kept, mut replaced) = (target.clone(), Vec::new(), 0);
    let time_of = |node: &Node| match node {
        Node::Directory => 0,
        Node::File { time, .. } | Node::Link { time, .. } => *time,
    };
    for (path, new) in staged {
        let Some(old) = target.get(path) else {
            result.insert(path.clone(), new.clone());
            continue;
        };
        match (new, old) {
            (Node::Directory, Node::Directory) => continue,
            (Node::Directory, _) | (_, Node::Directory) => return None,
            (Node::Link { target: one, .. }, Node::Link { target: other, .. }) if one == other => continue,
            _ if new == old => continue,
            _ => {}
        }
        let replaces = match overwrite {
            Overwrite::Refuse => return None,
            Overwrite::Never => false,
            Overwrite::Newer => time_of(new) > time_of(old),
            Overwrite::Always => true,
        };
        if replaces {
            result.insert(path.clone(), new.clone());
            replaced += 1;
        } else {
            kept.push(path.clone());
        }
    }
    Some((result, kept, replaced))
}

#[test]
fn merges_of_random_trees_give_what_a_simple_model_does() {
    let mut state = 7_u64;
    let mut next = |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33) % below
    };
    let (mut merged, mut refused) = (0, 0);
    for round in 0..400 {
        let overwrite = [Overwrite::Refuse, Overwrite::Never, Overwrite::Newer, Overwrite::Always][next(4) as usize];
        let (staged, before) = (random_tree(&mut next), random_tree(&mut next));
        let temp = tempfile::tempdir().unwrap();
        make(&Sandbox::open(temp.path(), Modes::Umask).unwrap(), &before);
        let staging = begin_merge(temp.path(), overwrite).unwrap();
        make(&staging.sandbox().unwrap(), &staged);
        let published = staging.publish();
        let mut after = Nodes::new();
        found(temp.path(), "", &mut after);
        let told = format!("round {round}, {overwrite:?}: {staged:?} into {before:?}");
        match expected(&staged, &before, overwrite) {
            Some((tree, mut kept, replaced)) => {
                let mut published = published.unwrap_or_else(|error| panic!("{told}: {error}"));
                kept.sort();
                published.kept.sort();
                assert_eq!((after, published.kept, published.replaced), (tree, kept, replaced), "{told}");
                merged += 1;
            }
            None => {
                assert_eq!(published.unwrap_err().code(), "usage.target", "{told}");
                assert_eq!(after, before, "{told}");
                refused += 1;
            }
        }
    }
    assert!(merged > 100 && refused > 50, "{merged} merged, {refused} refused");
}
