# SPDX-License-Identifier: Apache-2.0
"""Measures Rosettar beside its peers, in one run: see README.md here."""

import argparse
import fnmatch
import importlib.util
import os
import shutil
import sys
import time
from pathlib import Path

import data
import part_bare
import part_c1z
import part_files
import part_limits
import part_python
import part_records
import report
from run import interleave

# The parts of the report, in order. A new one is a module with `groups`, `facts` and `rows`; see README.md.
PARTS = [part_files, part_records, part_python, part_c1z, part_bare, part_limits]
PROGRAMS = {"tar": "tar", "zstd": "zstd", "zip": "zip", "unzip": "unzip", "strip": "binutils"}


class Bench:
    """What all parts need: where things are, what is wanted, and what was found."""

    def __init__(self, options):
        self.directory = options.dir
        self.rosettar = options.rosettar.resolve()
        self.peers = options.peers.resolve()
        self.wheel = options.wheel
        self.orders = options.orders
        self.only = options.only
        self.quick = options.quick
        self.rounds = options.rounds
        self.facts = {}  # name -> number: sizes and the like, which are not measured again and again
        self.inputs = {}  # name -> how many files or records, and their bytes
        self.found = {}  # key -> Results

    def wants(self, *names):
        """Whether any of these groups was asked for."""
        return not self.only or any(fnmatch.fnmatch(name, f"*{one}*") for name in names for one in self.only)

    def describe(self, name, facts):
        self.inputs[name] = facts


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    target = data.ROOT / "target/release/rosettar"
    peers = data.ROOT / "benches/peers/target/release/peers"
    parser.add_argument("only", nargs="*", metavar="GROUP", help="measure only these, such as 'pack' or 'read flights'")
    parser.add_argument("--dir", type=Path, default=Path("/dev/shm/rosettar-bench"), help="where inputs and outputs go")
    parser.add_argument("--rounds", type=int, help="rounds after the warm-up [default: 7; 2 with --quick]")
    quick = "two rounds, no rows without aim, no peer that takes seconds, and memory at 1 GiB"
    parser.add_argument("--quick", action="store_true", help=quick)
    parser.add_argument("--orders", type=int, default=120_000, help="orders of the nested set")
    parser.add_argument("--rosettar", type=Path, default=target, help="the command, a release build")
    parser.add_argument("--peers", type=Path, default=peers, help="the program of benches/peers, a release build")
    parser.add_argument("--wheel", type=Path, help="the wheel, for its size")
    parser.add_argument("--report", type=Path, default=data.ROOT / "build/bench", help="where the reports go")
    parser.add_argument("--clean", action="store_true", help="make all inputs anew, and leave none")
    options = parser.parse_args()
    options.rounds = options.rounds or (2 if options.quick else 7)
    return options


def check(options):
    """Says what is missing before minutes were spent."""
    absent = [program for program in PROGRAMS if not shutil.which(program)]
    missing = [f"{program} (Debian package {PROGRAMS[program]})" for program in absent]
    # For some rows only, it may do without the others.
    for program in (options.rosettar,) if options.only else (options.rosettar, options.peers):
        if not program.is_file():
            missing.append(f"{program} (make bench builds it)")
    if importlib.util.find_spec("rosettar") is None and not options.only:
        missing.append("the Python package rosettar (make bench builds it)")
    if missing:
        raise SystemExit("bench: needs " + ", ".join(missing))


def main():
    options = arguments()
    check(options)
    begin = time.time()
    if options.clean:
        shutil.rmtree(options.dir, ignore_errors=True)
    options.dir.mkdir(parents=True, exist_ok=True)
    bench = Bench(options)
    took = {}
    for part in PARTS:
        start = time.time()
        bench.found |= interleave(part.groups(bench), options.rounds)
        part.facts(bench)
        took[part.PART] = time.time() - start
    rows = [row for part in PARTS for row in part.rows(bench)]
    report.write(bench, options, rows, took | {"all": time.time() - begin})
    if options.clean:
        shutil.rmtree(options.dir)


if __name__ == "__main__":
    # What children are given to read and write is not what is measured.
    os.umask(0o022)
    sys.exit(main())
