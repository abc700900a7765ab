# SPDX-License-Identifier: Apache-2.0
"""Rows without a peer: what a user waits for, how much memory it takes, how large it is to install."""

import os
import shutil
import subprocess

import data
import inputs
from rows import LIMIT, Row
from run import Failed, Group, command, lean, reported, timed

PART = "limits"
MIB, GIB = 1 << 20, 1 << 30
MILLION = 1_000_000
# 64 MiB, and 24 for each of the threads.
MEMORY_AIM = 64 + 2 * 24
VERBS = ("pack", "extract", "verify", "scan")


def _made(bench, name, *argv):
    """Makes an archive with a subject of benches/peers."""
    argv = [bench.peers, *argv]
    print(f"making {name} in {bench.directory}")
    try:
        return reported(argv, bench.directory)
    except Failed as failed:
        raise SystemExit(f"bench: {failed}") from None


def _start(bench):
    few = bench.directory / "few.rtar"
    (bench.directory / "few").mkdir(exist_ok=True)
    for name in "abc":
        (bench.directory / "few" / f"{name}.txt").write_text(f"{name}\n" * 100)
    if command([bench.rosettar, "pack", "-q", "-o", few.name, "few"], bench.directory)[2]:
        raise SystemExit("bench: cannot pack three files")
    times = 30
    return Group(
        "start",
        {
            "start: true": lambda: timed(["/bin/true"], times=times),
            "start: --version": lambda: timed([bench.rosettar, "--version"], times=times),
            "start: info": lambda: timed([bench.rosettar, "info", few], times=times),
        },
    )


def _entries(bench):
    inputs.make(bench.directory, "s20k")
    if command([bench.rosettar, "pack", "-q", "-o", "s20k.rtar", "s20k"], bench.directory)[2]:
        raise SystemExit("bench: cannot pack s20k")
    _made(bench, "an archive of a million entries", "entries-make", bench.directory, "entries", MILLION, 2)

    def one(name, dataset):
        return lambda: reported([bench.peers, name, bench.directory, dataset, "-", 1], bench.directory)

    yield Group("list", {"list s20k": one("list", "s20k")})
    yield Group("find", {"open million": one("open", "entries"), "find million": one("find", "entries")})
    yield Group("list million", {"list million": one("list", "entries")}, rounds=3)


def large(bench):
    """How much is packed, extracted, verified and scanned to see the peak memory."""
    return GIB if bench.quick else 4 * GIB


def _linked(bench):
    """A tree of some GiB that takes the room of d256: its files again and again, by hard links."""
    inputs.make(bench.directory, "d256")
    top, source = bench.directory / "large", bench.directory / "d256"
    shutil.rmtree(top, ignore_errors=True)
    for number in range(large(bench) // (256 * MIB)):
        shutil.copytree(source, top / f"{number:02}", copy_function=os.link)
    return inputs.census(top)


def _memory(bench):
    """Peak memory with 4 GiB, or 1 in a quick run: each once, since it hardly differs from run to run."""
    free = shutil.disk_usage(bench.directory).free
    needed = 2 * large(bench) + GIB
    if free < needed:
        room = f"{free // MIB} of {needed // MIB} MiB"
        print(f"bench: skipped the rows on memory: {bench.directory} has {room}")
        return
    expected = _linked(bench)
    packed, out = bench.directory / "large.rtar", bench.directory / "extracted"

    def pack():
        packed.unlink(missing_ok=True)
        return timed(lean([bench.rosettar, "pack", "-q", "-o", packed.name, "large"]), bench.directory)

    def extract():
        shutil.rmtree(out, ignore_errors=True)
        try:
            result = timed(lean([bench.rosettar, "extract", "-q", packed.name, "-C", out.name]), bench.directory)
            if inputs.census(out) != expected:
                raise Failed("what was extracted is not what was packed")
        finally:
            shutil.rmtree(out, ignore_errors=True)
        return result

    def scan():
        return reported(lean([bench.peers, "scan", bench.directory, "scan", "-", 2]), bench.directory)

    # In this order: each needs what the one before has made.
    for verb, run in (("pack", pack), ("extract", extract), ("verify", None)):
        run = run or (lambda: timed(lean([bench.rosettar, "verify", "-q", packed.name]), bench.directory))
        yield Group(f"memory {verb}", {f"memory: {verb}": run}, rounds=1, warm_up=0)
    packed.unlink()
    shutil.rmtree(bench.directory / "large")
    data.make_in_process(bench, "small")
    _made(bench, "gibibytes of records", "scan-make", bench.directory, "scan", large(bench), 2)
    yield Group("memory scan", {"memory: scan": scan}, rounds=1, warm_up=0)
    (bench.directory / "scan.rtar").unlink()


def groups(bench):
    if bench.wants("start"):
        yield _start(bench)
    if bench.wants("entries", "list", "find"):
        yield from _entries(bench)
    if bench.wants("memory"):
        yield from _memory(bench)


def facts(bench):
    for key in ("list s20k", "open million", "find million", "list million"):
        for result in bench.found.get(key, [])[-1:]:
            bench.facts[f"{key}: reads"] = result.facts["reads"]
    if "open million: reads" in bench.facts:
        both = bench.facts["open million: reads"] + bench.facts["find million: reads"]
        bench.facts["open and find million: reads"] = both
    for verb in VERBS:
        for result in bench.found.get(f"memory: {verb}", []):
            bench.facts[f"memory: {verb}, peak"] = result.peak / MIB
    if not bench.wants("install"):
        return
    stripped = bench.directory / "rosettar-stripped"
    subprocess.run(["strip", "-o", stripped, bench.rosettar], check=True)
    bench.facts["command, stripped"] = stripped.stat().st_size / MIB
    stripped.unlink()
    if bench.wheel and bench.wheel.is_file():
        bench.facts["wheel"] = bench.wheel.stat().st_size / MIB


def rows(bench):
    def limit(what, data, key, aim=None, unit="ms", note=""):
        return Row(PART, what, data, key, aim=aim, kind=LIMIT, unit=unit, note=note)

    yield limit("open and list", "s20k", "list s20k", 6)
    yield limit("open and list", "s20k", "list s20k: reads", unit="reads")
    yield limit("find an entry of 10⁶", "entries", "find million", 5, note="the archive is open")
    yield limit("find an entry of 10⁶", "entries", "find million: reads", 3, "reads", "the archive is open")
    yield limit("open an archive of 10⁶ entries", "entries", "open million")
    yield limit("open and find an entry of 10⁶", "entries", "open and find million: reads", 3, "reads")
    yield limit("open and list 10⁶ entries", "entries", "list million")
    size = f"{large(bench) // GIB} GiB"
    for verb in VERBS:
        yield limit(f"peak memory, {verb} of {size}", "", f"memory: {verb}, peak", MEMORY_AIM, "MiB", "2 threads")
        yield limit(f"time, {verb} of {size}", "", f"memory: {verb}")
    yield limit("start of a command", "/bin/true", "start: true", note="for comparison")
    yield limit("start of a command", "rosettar --version", "start: --version", 5)
    yield limit("start of a command", "rosettar info, three files", "start: info", 8)
    yield limit("to install", "wheel", "wheel", 8, "MiB")
    yield limit("to install", "command, stripped", "command, stripped", 10, "MiB")
