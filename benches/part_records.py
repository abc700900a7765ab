# SPDX-License-Identifier: Apache-2.0
"""Rows about records in Rust: `peers/` has the subjects, each run in a process of its own."""

import os
import shutil

import data
from rows import SIZE, Row
from run import Failed, Group, reported

PART = "records"
SETS = ("flights", "orders", "small")
SUFFIXES = (".rtar", ".best.mcap", ".unindexed.mcap", ".chunk4.mcap", ".avro", ".rust.parquet")
WRITE_AIM, READ_AIM = {1: 1.35, 2: 2.5}, {1: 1.4, 2: 2.5}
# What is run with which threads. Peers that have no threads of their own run with one.
WRITERS = [("rosettar-write", 1), ("rosettar-write", 2), ("mcap-write", 1), ("mcap-write", 2), ("mcap-write-bare", 1)]
READERS = [("rosettar-read", 1), ("rosettar-read", 2), ("rosettar-read-each", 1)]
READERS += [("mcap-read", 1), ("mcap-read-messages", 1), ("mcap-read-split", 2)]
# From and to values of Rust types, and to Arrow tables.
VALUES = [("rosettar-write-values", 1), ("avro-write", 1), ("rosettar-read-values", 1), ("avro-read", 1)]
TABLES = [("rosettar-read-arrow", 1), ("rosettar-read-arrow", 2), ("parquet-read", 1)]
VERBS = (("write", WRITERS), ("read", READERS), ("values", VALUES), ("tables", TABLES))


def subject(bench, name, dataset, threads):
    argv = [bench.peers, name, bench.directory, dataset, data.TYPES[dataset], threads]
    # One thread is one core: nobody gains from a helper thread that is not counted.
    if threads == 1 and shutil.which("taskset"):
        argv = ["taskset", "-c", str(min(os.sched_getaffinity(0))), *argv]
    return lambda: reported(argv, bench.directory)


def make(bench, dataset, makers=("mcap-make", "avro-make", "parquet-make")):
    """Writes the peers' files, and holds them to the same records."""
    for maker in makers:
        try:
            subject(bench, maker, dataset, 2)()
        except Failed as failed:
            raise SystemExit(f"bench: {failed}") from None


def groups(bench):
    for dataset in SETS:
        if not bench.wants(f"records {dataset}", *(f"{verb} {dataset}" for verb, _ in VERBS)):
            continue
        data.make_in_process(bench, dataset)
        make(bench, dataset)
        for verb, subjects in VERBS:
            aimless = verb in ("values", "tables")
            if aimless and bench.quick:
                continue
            if bench.wants(f"records {dataset}", f"{verb} {dataset}"):
                named = {key(verb, dataset, *one): subject(bench, one[0], dataset, one[1]) for one in subjects}
                yield Group(f"{verb} {dataset}", named, rounds=min(3, bench.rounds) if aimless else None)


def key(verb, dataset, name, threads):
    return f"{verb} {dataset}: {name}, {threads}"


def facts(bench):
    for dataset in SETS:
        if not bench.wants(f"records {dataset}", *(f"{verb} {dataset}" for verb, _ in VERBS)):
            continue
        for suffix in SUFFIXES:
            file = bench.directory / f"{dataset}{suffix}"
            if file.exists():
                bench.facts[f"size {dataset}{suffix}"] = file.stat().st_size


def rows(bench):
    for dataset in SETS:
        for threads in (1, 2):
            ours = key("write", dataset, "rosettar-write", threads)
            peers = [key("write", dataset, "mcap-write", count) for count in range(1, threads + 1)]
            what = f"records write, {threads} thread{'s' * (threads > 1)}"
            yield Row(PART, what, dataset, ours, peers, WRITE_AIM[threads])
        bare = key("write", dataset, "mcap-write-bare", 1)
        note = "mcap without index, summary and checksums"
        yield Row(
            PART, "records write, 1 thread", dataset, key("write", dataset, "rosettar-write", 1), [bare], note=note
        )
    for dataset in SETS:
        for threads in (1, 2):
            ours = key("read", dataset, "rosettar-read", threads)
            peers = [key("read", dataset, name, 1) for name in ("mcap-read", "mcap-read-messages")]
            what = f"records read, {threads} thread{'s' * (threads > 1)}"
            yield Row(PART, what, dataset, ours, peers, READ_AIM[threads])
        split, ours = key("read", dataset, "mcap-read-split", 2), key("read", dataset, "rosettar-read", 2)
        note = "mcap's chunks divided among threads by the caller"
        yield Row(PART, "records read, 2 threads", dataset, ours, [split], note=note)
        one, ours = key("read", dataset, "mcap-read-messages", 1), key("read", dataset, "rosettar-read-each", 1)
        note = "both one record after the other, by the plain iterator"
        yield Row(PART, "records read, 1 thread", dataset, ours, [one], note=note)
    for dataset in SETS:
        for verb in ("write", "read"):
            ours, peer = f"rosettar-{verb}-values", f"avro-{verb}"
            what = f"values of Rust types, {verb}, 1 thread"
            yield Row(PART, what, dataset, key("values", dataset, ours, 1), [key("values", dataset, peer, 1)])
        for threads in (1, 2):
            ours, peer = (
                key("tables", dataset, "rosettar-read-arrow", threads),
                key("tables", dataset, "parquet-read", 1),
            )
            what = f"Arrow tables, read, {threads} thread{'s' * (threads > 1)}"
            yield Row(PART, what, dataset, ours, [peer])
    for dataset in SETS:
        for suffix, aim in zip(SUFFIXES[1:], (0.65, 0.82, None, 1.05, None)):
            aim = aim if dataset != "small" else None
            ours, peer = f"size {dataset}.rtar", f"size {dataset}{suffix}"
            yield Row("sizes", "records", dataset, ours, [peer], aim, SIZE, "bytes")
