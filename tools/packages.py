# SPDX-License-Identifier: Apache-2.0
"""Packages as their users get them: built from a clean directory that has nothing else of the project.

    python tools/packages.py crates | crates-used | wheel

The crates are packed as `cargo publish` packs them; `crates` checks the core from its package, `crates-used` builds all
of them and a crate that uses them. Of the Python package a source distribution is made, and of that a wheel, which is
what the tests of the package run with.
"""

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build" / "packages"
CRATES = {"rosettar": "format", "rosettar-arrow": "bindings/arrow", "rosettar-cli": "cli"}

USER = """//! Writes an archive and reads it, with what is on the registry.
use rosettar::{NewEntry, VerifyOptions, WriteOptions};

fn main() -> rosettar::Result<()> {
    let path = std::env::args_os().nth(1).expect("usage: user FILE");
    let mut writer = WriteOptions::new().create(&path)?;
    writer.add_bytes(NewEntry::new("hello.txt")?, b"hello")?;
    writer.finish()?;
    let archive = rosettar::open_path(&path)?;
    assert_eq!(archive.read("hello.txt")?, b"hello");
    assert!(archive.verify(&VerifyOptions::new())?.is_sound());
    let _ = rosettar_arrow::ArrowOptions::new();
    Ok(())
}
"""


def target():
    """Where cargo has built the dependencies already."""
    return Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target").absolute()


def empty(folder):
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def unpack(packed, folder):
    """Unpacks an archive, so that `folder` has what is in it and nothing else.

    Files in packages are years old. Cargo takes a file for changed when it is newer than what was built of it, so what
    is the same as before stays, and what is not is new.
    """
    with tempfile.TemporaryDirectory() as place:
        with tarfile.open(packed) as archive:
            archive.extractall(place, filter="data")
        found = {path.relative_to(place): path for path in Path(place).rglob("*") if path.is_file()}
        for path in [path for path in folder.rglob("*") if path.is_file() and path.relative_to(folder) not in found]:
            path.unlink()
        for name, path in found.items():
            kept = folder / name
            if not kept.is_file() or kept.read_bytes() != path.read_bytes():
                kept.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, kept)


def crates(used):
    """Packs the crates and unpacks them in an empty directory.

    Then the core is checked there, or, `used`, all of them are built, and a crate that uses them runs.
    """
    version = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["package"]["version"]
    selected = [part for name in CRATES for part in ("-p", name)]
    # What is not committed yet is packed too.
    run(["cargo", "package", "--quiet", "--locked", "--no-verify", "--allow-dirty", *selected], cwd=ROOT)
    folder = BUILD / "crates"
    for name in CRATES:
        packed = target() / "package" / f"{name}-{version}.crate"
        unpack(packed, folder / name)
        for needed in ("LICENSE", "README.md", "Cargo.toml"):
            assert (folder / name / f"{name}-{version}" / needed).is_file(), f"{packed} has no {needed}"
        print(f"{packed.name}: {packed.stat().st_size} bytes")
    # The profiles and the lock of the project, so that dependencies need not be built again.
    profiles = (ROOT / "Cargo.toml").read_text()
    profiles = profiles[profiles.index("[profile.dev]") : profiles.index("[profile.release]")]
    patches = "".join(f'{name} = {{ path = "{name}/{name}-{version}" }}\n' for name in CRATES)
    members = ", ".join(f'"{name}/{name}-{version}"' for name in CRATES)
    (folder / "Cargo.toml").write_text(
        f'[workspace]\nresolver = "3"\nmembers = ["user", {members}]\n\n[patch.crates-io]\n{patches}\n{profiles}'
    )
    (folder / "user" / "src").mkdir(parents=True, exist_ok=True)
    (folder / "user/src/main.rs").write_text(USER)
    (folder / "user/Cargo.toml").write_text(
        f'[package]\nname = "user"\nversion = "1.0.0"\nedition = "2024"\n\n[dependencies]\n'
        f'rosettar = "{version}"\nrosettar-arrow = "{version}"\n'
    )
    shutil.copy(ROOT / "Cargo.lock", folder)
    env = os.environ | {"CARGO_TARGET_DIR": str(target())}
    if not used:
        run(["cargo", "check", "--quiet", "-p", "rosettar", "--no-default-features"], cwd=folder, env=env)
        print("1 passed, 0 failed")
        return
    archive = folder / "hello.rtar"
    archive.unlink(missing_ok=True)
    run(["cargo", "run", "--quiet", "-p", "user", "--", archive], cwd=folder, env=env)
    # Not where the tests look for the command of the workspace.
    env["CARGO_TARGET_DIR"] = str(BUILD / "target")
    run(["cargo", "run", "--quiet", "-p", "rosettar-cli", "--", "verify", archive], cwd=folder, env=env)
    run(["cargo", "build", "--quiet", "-p", "rosettar", "--example", "conformance_driver"], cwd=folder, env=env)
    print("3 passed, 0 failed")


def wheel():
    """Makes a source distribution, unpacks it in an empty directory, builds a wheel there, and installs that."""
    folder, unpacked = empty(BUILD / "python"), BUILD / "python-source"
    env = os.environ | {"MATURIN_PEP517_ARGS": "--profile dev", "CARGO_TARGET_DIR": str(target())}
    run(["maturin", "sdist", "--out", folder], cwd=ROOT, env=env)
    (source,) = folder.glob("*.tar.gz")
    unpack(source, unpacked)
    (unpacked,) = unpacked.iterdir()
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    run([*pip, "wheel", "--no-deps", "--wheel-dir", folder, unpacked], cwd=folder, env=env)
    (made,) = folder.glob("*.whl")
    print(f"{source.name}: {source.stat().st_size} bytes\n{made.name}: {made.stat().st_size} bytes")
    run([*pip, "install", "--no-deps", "--force-reinstall", made], cwd=folder)


def run(command, **options):
    print("$", *command, flush=True)
    done = subprocess.run(list(map(str, command)), **options)
    if done.returncode:
        sys.exit(done.returncode)


if __name__ == "__main__":
    {"crates": lambda: crates(False), "crates-used": lambda: crates(True), "wheel": wheel}[sys.argv[1]]()
