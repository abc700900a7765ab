# SPDX-License-Identifier: Apache-2.0
"""make audit: what the project is built of, and where it could break the rules of memory.

Known faults of dependencies, their licences and sources; each `unsafe` in the project; the leaf modules under Miri.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from steps import Steps

# Modules that need no file, thread or C code, which Miri has little of.
LEAVES = ("path", "wire", "select", "limits", "schema::wire")
# Without a bound on cases and sizes a test that takes a second takes an hour under Miri.
MIRI = {"MIRIFLAGS": "-Zmiri-disable-isolation", "PROPTEST_CASES": "4"}
# Native code of Python modules, and C functions that are called in tests.
MAY_BE_UNSAFE = ("bindings/python/src", "cli/tests", "format/tests")


def dependencies(steps):
    if subprocess.run(["cargo", "deny", "--version"], capture_output=True).returncode:
        steps.skip("cargo-deny: not installed (cargo install cargo-deny --locked)")
        return
    deny = ["cargo", "deny", "--locked"]
    steps.run("licences, bans, sources", [*deny, "check", "licenses", "bans", "sources"])
    # Advisories come from a git repository. Where that cannot be reached, the rest has been checked all the same.
    fetched = subprocess.run([*deny, "fetch", "db"], capture_output=True, text=True)
    if fetched.returncode:
        steps.skip("cargo deny check advisories: advisory-db cannot be fetched")
    else:
        steps.run("advisories", [*deny, "check", "--disable-fetch", "advisories"])


def packages(steps):
    """What the registries of JavaScript and Python packages know of those that tests use."""
    if not shutil.which("npm"):
        steps.skip("npm audit: npm not found")
        return
    for lock in sorted(Path("conformance").glob("*/package-lock.json")):
        name = f"npm audit, {lock.parent}"
        audit = subprocess.run(["npm", "--prefix", lock.parent, "audit"], capture_output=True, text=True)
        if "vulnerabilities" in audit.stdout:
            steps.run(name, ["npm", "--prefix", str(lock.parent), "audit"])
        else:
            steps.skip(f"{name}: advisory-db cannot be fetched")


def unsafe(steps):
    """Lists each `unsafe` block and function; they are in the bindings and in tests only, each with its reason."""
    found, wrong = [], []
    for path in subprocess.run(["git", "ls-files", "*.rs"], capture_output=True, text=True, check=True).stdout.split():
        lines = Path(path).read_text().splitlines()
        for number, line in enumerate(lines):
            if not re.search(r"\bunsafe\b\s*(\{|fn|impl|extern)", line.split("//")[0]):
                continue
            found.append(f"{path}:{number + 1}: {line.strip()}")
            if not path.startswith(MAY_BE_UNSAFE):
                wrong.append(f"{found[-1]}: unsafe code belongs to the bindings")
            elif not any("SAFETY" in above for above in lines[max(0, number - 6) : number + 1]):
                wrong.append(f"{found[-1]}: expected a comment SAFETY above it")
    print("\n".join(found))
    if wrong:
        steps.fail("unsafe code", "\n".join(wrong))
    else:
        steps.note("unsafe code", f"ok: {len(found)} blocks and functions, each with its reason")


def miri(steps):
    """Runs the tests of the leaf modules in an interpreter that sees undefined behaviour."""
    if subprocess.run(["cargo", "+nightly", "miri", "--version"], capture_output=True).returncode:
        steps.skip("Miri: not installed (rustup toolchain install nightly --component miri)")
        return
    command = ["cargo", "+nightly", "miri", "test", "-p", "rosettar", "--locked", "--no-default-features", "--lib"]
    steps.run("Miri", [*command, "--", *(f"{leaf}::" for leaf in LEAVES)], env=os.environ | MIRI)


def main():
    steps = Steps()
    dependencies(steps)
    packages(steps)
    unsafe(steps)
    miri(steps)
    steps.finish()


if __name__ == "__main__":
    sys.exit(main())
