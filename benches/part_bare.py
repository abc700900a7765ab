# SPDX-License-Identifier: Apache-2.0
"""Rows beside bare loops: what must be done at least, by the same libraries, and nothing else (`peers/src/bare.rs`).

A loop digests each content and each frame, and compresses or decompresses; for trees it also reads or makes the files.
It has no format, no checks and no order to keep, and what it needs to know it knows before.
"""

import shutil

import data
import inputs
import part_records
from rows import Row
from run import Failed, Group, reported, timed

PART = "bare"
TREES = ("d256", "s20k", "source")
SETS = part_records.SETS


def _loop(bench, name, dataset, threads):
    argv = [bench.peers, name, bench.directory, dataset, data.TYPES.get(dataset, "-"), threads]
    return lambda: reported(argv, bench.directory)


def _tree(bench, name):
    ours, out = bench.directory / f"{name}.rtar", bench.directory / "extracted"

    def pack():
        ours.unlink(missing_ok=True)
        return timed([bench.rosettar, "pack", "-q", "-o", ours.name, name], bench.directory)

    def extract():
        shutil.rmtree(out, ignore_errors=True)
        try:
            return timed([bench.rosettar, "extract", "-q", ours.name, "-C", out.name], bench.directory)
        finally:
            shutil.rmtree(out, ignore_errors=True)

    for verb, run in (("pack", pack), ("extract", extract)):
        subjects = {f"bare {verb} {name}: rosettar": run}
        subjects[f"bare {verb} {name}: bare loop"] = _loop(bench, f"bare-{verb}", name, 2)
        yield Group(f"bare {verb} {name}", subjects, rounds=min(5, bench.rounds))


def groups(bench):
    if bench.quick:
        return
    for name in TREES:
        if bench.wants(f"bare {name}"):
            inputs.make(bench.directory, name)
            yield from _tree(bench, name)
    for dataset in SETS:
        if not bench.wants(f"bare {dataset}"):
            continue
        data.make_in_process(bench, dataset)
        for verb in ("write", "read"):
            subjects = {}
            for threads in (1, 2):
                ours = part_records.subject(bench, f"rosettar-{verb}", dataset, threads)
                subjects[f"bare {verb} {dataset}: rosettar, {threads}"] = _without_work(ours)
                loop = part_records.subject(bench, f"bare-{verb}", dataset, threads)
                subjects[f"bare {verb} {dataset}: bare loop, {threads}"] = _without_work(loop)
            yield Group(f"bare {verb} {dataset}", subjects, rounds=min(5, bench.rounds))


def _without_work(subject):
    """What a loop has done is not what we have done: it does not look at the records."""

    def run():
        result = subject()
        if not result.work:
            raise Failed("it did nothing")
        result.work = None
        return result

    return run


def facts(bench):
    """Nothing more than what was measured."""


def rows(bench):
    for name in TREES:
        for verb in ("pack", "extract"):
            yield Row(PART, verb, name, f"bare {verb} {name}: rosettar", [f"bare {verb} {name}: bare loop"])
    for dataset in SETS:
        for verb in ("write", "read"):
            for threads in (1, 2):
                key = f"bare {verb} {dataset}"
                what = f"records {verb}, {threads} thread{'s' * (threads > 1)}"
                yield Row(PART, what, dataset, f"{key}: rosettar, {threads}", [f"{key}: bare loop, {threads}"])
