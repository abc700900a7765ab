//! The runs of the command that are disturbed: to have a verb tested that changes files, add it here.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::{Scenario, Visible, run};
use crate::support::{CSV, PROTO};

pub const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "pack to an absent path",
        prepare: sources,
        args: "pack -q --threads 1 -o @/a.rtar --proto @/rows.proto --records rows:demo.Row=@/rows.csv -C @ t",
        input: "",
        visible: Visible::AtOnce,
    },
    Scenario {
        name: "pack, flushing",
        prepare: sources,
        args: "pack -q --threads 1 --flush-every 10 -o @/a.rtar --proto @/rows.proto --records rows:demo.Row=@/rows.csv -C @ t",
        input: "",
        visible: Visible::AtOnce,
    },
    Scenario {
        name: "pack over an archive",
        prepare: |folder| {
            sources(folder);
            run(folder, "pack -q -o @/a.rtar -C @ rows.csv");
        },
        args: "pack -q --threads 2 -o @/a.rtar -C @ t",
        input: "",
        visible: Visible::AtOnce,
    },
    Scenario {
        name: "extract with records",
        prepare: archive,
        args: "extract -q --threads 1 --records jsonl @/a.rtar -C @/out",
        input: "",
        visible: Visible::AtOnce,
    },
    Scenario {
        name: "extract to an absent directory",
        prepare: archive,
        args: "extract -q --threads 1 @/a.rtar -C @/out",
        input: "",
        visible: Visible::AtOnce,
    },
    Scenario {
        name: "extract to an absent directory, synced",
        prepare: archive,
        args: "extract -q --threads 1 --sync --modes exact @/a.rtar -C @/out",
        input: "",
        visible: Visible::AtOnce,
    },
    Scenario {
        name: "extract on two threads",
        prepare: archive,
        args: "extract -q --threads 2 @/a.rtar -C @/out",
        input: "",
        visible: Visible::AtOnce,
    },
    Scenario {
        name: "extract from a pipe",
        prepare: archive,
        args: "extract -q --threads 1 - -C @/out",
        input: "a.rtar",
        visible: Visible::AtOnce,
    },
    Scenario {
        name: "extract to an empty directory",
        prepare: |folder| {
            archive(folder);
            std::fs::create_dir(folder.join("out")).unwrap();
        },
        args: "extract -q --threads 1 --sync @/a.rtar -C @/out",
        input: "",
        // Entries at the top of the target are moved into it one by one.
        visible: Visible::ByPiece(|path| path.split('/').nth(1).unwrap_or(path)),
    },
    Scenario {
        name: "merge into a directory",
        prepare: |folder| {
            archive(folder);
            std::fs::create_dir_all(folder.join("out/d")).unwrap();
            std::fs::write(folder.join("out/a"), "old").unwrap();
            std::fs::write(folder.join("out/d/mine"), "mine").unwrap();
        },
        args: "extract -q --threads 1 --merge --overwrite always @/a.rtar -C @/out",
        input: "",
        visible: Visible::ByPiece(|path| path),
    },
    Scenario {
        name: "append",
        prepare: |folder| {
            archive(folder);
            std::fs::write(folder.join("more"), "more\n").unwrap();
        },
        args: "append -q --threads 1 @/a.rtar --records rows=@/rows.csv -C @ more",
        input: "",
        visible: Visible::AtOnce,
    },
    Scenario {
        name: "remove",
        prepare: archive,
        args: "remove -q --threads 2 @/a.rtar d",
        input: "",
        visible: Visible::AtOnce,
    },
    Scenario {
        name: "recover",
        prepare: |folder| {
            archive(folder);
            std::fs::rename(folder.join("a.rtar"), folder.join("b.rtar")).unwrap();
        },
        args: "recover -q --threads 1 @/b.rtar -o @/a.rtar",
        input: "",
        visible: Visible::AtOnce,
    },
    Scenario {
        name: "convert to C1Z",
        prepare: |folder| {
            sources(folder);
            run(folder, "pack -q --reproducible -o @/a.rtar -C @ t/a t/d rows.csv");
        },
        args: "convert -q --threads 1 --to c1z3-tar-zstd --engine pebble @/a.rtar -o @/a.c1z",
        input: "",
        visible: Visible::AtOnce,
    },
    Scenario {
        name: "convert from C1Z, over another",
        prepare: |folder| {
            sources(folder);
            run(folder, "pack -q --reproducible -o @/b.rtar -C @ t/d");
            run(folder, "convert -q --to c1z3-tar-zstd --engine pebble @/b.rtar -o @/a.c1z");
            run(folder, "pack -q -o @/b.rtar -C @ rows.csv");
        },
        args: "convert -q --threads 1 --to rtar @/a.c1z -o @/b.rtar",
        input: "",
        visible: Visible::AtOnce,
    },
];

/// A tree `t`, `rows.proto` and `rows.csv`.
fn sources(folder: &Path) {
    std::fs::create_dir_all(folder.join("t/d")).unwrap();
    for (name, content) in [("t/a", "alpha\n"), ("t/d/b", "beta\n"), ("rows.proto", PROTO), ("rows.csv", CSV)] {
        std::fs::write(folder.join(name), content.replace("2,NA,NONE", "2,,NONE")).unwrap();
    }
    std::fs::set_permissions(folder.join("t/a"), std::fs::Permissions::from_mode(0o600)).unwrap();
    // What its owner may not write to takes more steps to move.
    std::fs::set_permissions(folder.join("t/d"), std::fs::Permissions::from_mode(0o555)).unwrap();
    std::os::unix::fs::symlink("a", folder.join("t/l")).unwrap();
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_nanos(1_500_000_000_123_456_789);
    for name in ["t/a", "t/d/b", "t/d", "t"] {
        std::fs::File::open(folder.join(name)).unwrap().set_modified(time).unwrap();
    }
}

/// `a.rtar`, of two files, two directories, a link and records.
fn archive(folder: &Path) {
    sources(folder);
    run(folder, "pack -q -o @/a.rtar --proto @/rows.proto --records rows:demo.Row=@/rows.csv -C @/t .");
    std::fs::remove_dir_all(folder.join("t")).unwrap();
}
