# SPDX-License-Identifier: Apache-2.0
"""Rows about trees of files: pack, extract, verify, one file, sizes; beside tar with zstd, and zip."""

import shutil
import zlib

import inputs
from rows import SIZE, Row
from run import Failed, Group, command, timed

PART = "files"
PACK_AIM = {"d256": 1.25, "s20k": 1.4, "source": 1.25}
EXTRACT_AIM = {"d256": 1.5, "s20k": 1.2, "source": 1.2}
PROGRAMS = {"tar": "tar", "zstd": "zstd", "zip": "zip", "unzip": "unzip"}
# Bytes an entry that a tar.zst is not charged for: its digest, and where it is.
ENTRY = 48
BIG = "d600"
# In the middle: a reader that has to go through what lies before it goes through half.
ONE = "d600/009/000150.dat"


def _pack(bench, name, argv, output):
    def run():
        output.unlink(missing_ok=True)
        result = timed(argv, bench.directory)
        size = output.stat().st_size
        # All runs of one subject make the same; that it is the whole tree is seen when it is extracted.
        if bench.facts.setdefault(f"size {output.name}", size) != size:
            raise Failed(f"{output.name} has {size} bytes, and had {bench.facts[f'size {output.name}']} before")
        return result

    return run


def _extract(bench, name, argv, target):
    def run():
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir()
        try:
            result = timed(argv, bench.directory)
            result.work = inputs.census(target)
        finally:
            shutil.rmtree(target)
        return result

    return run


def _tree(bench, name):
    ours, peer = bench.directory / f"{name}.rtar", bench.directory / f"{name}.tar.zst"
    out = bench.directory / "extracted"
    pack = {
        f"pack {name}: rosettar": _pack(bench, name, [bench.rosettar, "pack", "-q", "-o", ours.name, name], ours),
        f"pack {name}: tar | zstd": _pack(bench, name, f"tar -cf - {name} | zstd -q -3 -T2 -o {peer.name}", peer),
    }
    quiet = [bench.rosettar, "extract", "-q", ours.name, "-C", out.name]
    extract = {
        f"extract {name}: rosettar": _extract(bench, name, quiet, out),
        f"extract {name}: tar --zstd": _extract(bench, name, ["tar", "--zstd", "-xf", peer.name, "-C", out.name], out),
    }
    verify = {
        f"verify {name}: rosettar": lambda: timed([bench.rosettar, "verify", "-q", ours.name], bench.directory),
        f"verify {name}: zstd -t": lambda: timed(["zstd", "-q", "-t", peer.name], bench.directory),
    }
    # The others need what this makes, so that it is warmed up at least.
    yield Group(f"pack {name}", pack, rounds=None if bench.wants(f"pack {name}") else 0)
    for verb, subjects in (("extract", extract), ("verify", verify)):
        if bench.wants(f"{verb} {name}"):
            yield Group(f"{verb} {name}", subjects)


def _one_file(bench):
    wanted = (bench.directory / ONE).read_bytes()
    work = {"bytes": len(wanted), "crc": zlib.crc32(wanted)}

    def cat(argv, times):
        def run():
            output = bench.directory / "one"
            result = timed(argv, bench.directory, output, times)
            content = output.read_bytes()
            result.work = {"bytes": len(content), "crc": zlib.crc32(content)}
            if result.work != work:
                raise Failed(f"{ONE} has other bytes")
            return result

        return run

    rosettar = [bench.rosettar, "cat", "-q", f"{BIG}.rtar", ONE]
    return Group(
        "one file",
        {
            "one file: rosettar": cat(rosettar, 9),
            "one file: tar --zstd": cat(["tar", "--zstd", "-xOf", f"{BIG}.tar.zst", ONE], 1),
            "one file: unzip": cat(["unzip", "-p", f"{BIG}.zip", ONE], 9),
        },
    )


def _big(bench):
    inputs.make(bench.directory, BIG)
    commands = {
        f"{BIG}.rtar": [bench.rosettar, "pack", "-q", "-o", f"{BIG}.rtar", BIG],
        f"{BIG}.tar.zst": f"tar -cf - {BIG} | zstd -q -f -3 -T2 -o {BIG}.tar.zst",
        # How well it is deflated matters little to how fast it is inflated, and -6 takes half a minute.
        f"{BIG}.zip": ["zip", "-q", "-r", "-1", f"{BIG}.zip", BIG],
    }
    for output, argv in commands.items():
        if output.endswith(".rtar") or not (bench.directory / output).exists():
            if command(argv, bench.directory)[2]:
                raise SystemExit(f"bench: cannot make {output}")


def groups(bench):
    for name in PACK_AIM:
        if bench.wants(f"pack {name}", f"extract {name}", f"verify {name}"):
            inputs.make(bench.directory, name)
            bench.facts[f"entries {name}"] = inputs.entries(bench.directory / name)
            bench.describe(name, inputs.census(bench.directory / name))
            yield from _tree(bench, name)
    if bench.wants("one file"):
        _big(bench)
        yield _one_file(bench)


def facts(bench):
    """What is known when everything was measured."""
    for name in PACK_AIM:
        ours = bench.facts.get(f"size {name}.rtar")
        if ours is not None:
            bench.facts[f"size {name}.rtar, less {ENTRY} B an entry"] = ours - ENTRY * bench.facts[f"entries {name}"]


def rows(bench):
    for name, aim in PACK_AIM.items():
        yield Row(PART, "pack", name, f"pack {name}: rosettar", [f"pack {name}: tar | zstd"], aim)
    for name, aim in EXTRACT_AIM.items():
        yield Row(PART, "extract", name, f"extract {name}: rosettar", [f"extract {name}: tar --zstd"], aim)
    for name in PACK_AIM:
        aim = 1.6 if name == "d256" else None
        yield Row(PART, "verify", name, f"verify {name}: rosettar", [f"verify {name}: zstd -t"], aim)
    yield Row(PART, "one file of 600 MiB", BIG, "one file: rosettar", ["one file: tar --zstd"], 200)
    yield Row(PART, "one file of 600 MiB", BIG, "one file: rosettar", ["one file: unzip"], 1.0)
    for name in PACK_AIM:
        ours = f"size {name}.rtar, less {ENTRY} B an entry"
        yield Row("sizes", "archive", name, ours, [f"size {name}.tar.zst"], 1.02, SIZE, "bytes")
