# SPDX-License-Identifier: Apache-2.0
"""make lint: everything that is checked without running the tests. All checks run; a summary ends the output."""

import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

from audit import dependencies
from steps import Steps

WINDOWS = ("x86_64-pc-windows-gnu", "x86_64-pc-windows-msvc")


def rust(steps):
    steps.run("rustfmt", ["cargo", "fmt", "--all", "--check"])
    clippy = ["cargo", "clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"]
    steps.run("clippy", clippy)
    doc = ["cargo", "doc", "--workspace", "--no-deps", "--locked"]
    steps.run("rustdoc", doc, env=os.environ | {"RUSTDOCFLAGS": "-D warnings"})


def minimum_rust(steps):
    """No dependency needs a newer Rust than the workspace says it does."""
    name = "minimum Rust version of the dependencies"
    stated = tomllib.loads(Path("Cargo.toml").read_text())["workspace"]["package"]["rust-version"]
    command = ["cargo", "metadata", "--format-version", "1", "--locked"]
    packages = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)["packages"]

    def version(text):
        return tuple(int(part) for part in text.split(".")[:2])

    newer = [p for p in packages if p["rust_version"] and version(p["rust_version"]) > version(stated)]
    if newer:
        steps.fail(name, "\n".join(f"{p['name']} {p['version']} needs Rust {p['rust_version']}" for p in newer))
    else:
        steps.note(name, f"ok: none of {len(packages)} packages needs more than Rust {stated}")


def windows(steps):
    """Type-checks for Windows where the target is installed; says so where it is not."""
    sysroot = subprocess.run(["rustc", "--print", "sysroot"], check=True, stdout=subprocess.PIPE, text=True).stdout
    for target in WINDOWS:
        if not (Path(sysroot.strip()) / "lib/rustlib" / target).is_dir():
            continue
        if target.endswith("gnu") and not shutil.which("x86_64-w64-mingw32-gcc"):
            continue  # the build script of zstd needs a C compiler for the target
        check = ["cargo", "check", "--workspace", "--locked", "--target", target]
        steps.run(f"cargo check for {target}", check)
        return
    steps.note("cargo check for Windows", "not done: no such target and C compiler are installed")


def python(steps):
    steps.run("ruff check", ["ruff", "check", "."])
    steps.run("ruff format", ["ruff", "format", "--check", "."])
    # The stub stands for the native part, so this needs no build.
    steps.run("mypy", [sys.executable, "-m", "mypy"])


def shell(steps):
    if not shutil.which("shellcheck"):
        steps.skip("shellcheck: not installed")
        return
    steps.run("shellcheck", ["shellcheck", ".ci/run", *map(str, sorted(Path("examples").rglob("*.sh")))])


def main():
    steps = Steps()
    python(steps)
    shell(steps)
    rust(steps)
    minimum_rust(steps)
    windows(steps)
    dependencies(steps)
    steps.finish()


if __name__ == "__main__":
    sys.exit(main())
