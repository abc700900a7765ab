# SPDX-License-Identifier: Apache-2.0
"""Rows about C1Z files: made and extracted in each encoding, beside our own archives of the same trees.

The formats' own code, in Go, takes for its indexed_zstd 1.36 times what its tar_zstd takes to pack d256, and 2.2 times
to pack s20k; 0.45 and 1.25 times to unpack. It compresses on one thread.
"""

import shutil

import inputs
from rows import LIMIT, SIZE, Row
from run import Failed, Group, reported, timed

PART = "c1z"
TREES = ("d256", "s20k")
INDEXED, TAR_ZSTD = "c1z3-indexed", "c1z3-tar-zstd"
# Of the reference: its indexed_zstd divided by its tar_zstd, turned round; a row that is below loses more than it does.
PACK_AIM = {"d256": 0.901 / 1.224, "s20k": 0.445 / 0.979}
UNPACK_AIM = {"d256": 0.526 / 0.237, "s20k": 0.296 / 0.369}
THREADS_AIM = 2.0
HEADER_AIM = 0.02  # milliseconds: what the formats' own code takes


def _make(bench, argv, output):
    def run():
        output.unlink(missing_ok=True)
        result = timed(argv, bench.directory)
        size = output.stat().st_size
        if bench.facts.setdefault(f"size {output.name}", size) != size:
            raise Failed(f"{output.name} has {size} bytes, and had {bench.facts[f'size {output.name}']} before")
        return result

    return run


def _extract(bench, source, target):
    def run():
        shutil.rmtree(target, ignore_errors=True)
        try:
            result = timed([bench.rosettar, "extract", "-q", source, "-C", target.name], bench.directory)
            result.work = inputs.census(target)
        finally:
            shutil.rmtree(target, ignore_errors=True)
        return result

    return run


def _convert(bench, name, to, output, more=""):
    # Times and modes are left out, which exit code 3 says.
    convert = f"{bench.rosettar} convert -q {name} -o {output} --to {to} --engine bench --lossy {more}"
    return _make(bench, f"{convert} || test $? -eq 3", bench.directory / output)


def _tree(bench, name):
    out = bench.directory / "extracted-c1z"
    indexed, tar_zstd, ours = f"{name}.indexed.c1z", f"{name}.tar-zstd.c1z", f"{name}.c1z.rtar"
    pack = [bench.rosettar, "pack", "-q", "-o", ours, "-C", name, "."]
    yield Group(
        f"c1z pack {name}",
        {
            f"c1z pack {name}: indexed": _convert(bench, name, INDEXED, indexed),
            f"c1z pack {name}: indexed, 1 thread": _convert(bench, name, INDEXED, f"{name}.1.c1z", "--threads 1"),
            f"c1z pack {name}: tar_zstd": _convert(bench, name, TAR_ZSTD, tar_zstd),
            f"c1z pack {name}: rtar": _make(bench, pack, bench.directory / ours),
        },
    )
    yield Group(
        f"c1z extract {name}",
        {
            f"c1z extract {name}: indexed": _extract(bench, indexed, out),
            f"c1z extract {name}: tar_zstd": _extract(bench, tar_zstd, out),
            f"c1z extract {name}: rtar": _extract(bench, ours, out),
        },
    )


def groups(bench):
    for name in TREES:
        if bench.wants(f"c1z {name}"):
            inputs.make(bench.directory, name)
            yield from _tree(bench, name)
            argv = [bench.peers, "c1z-header", bench.directory, name, "-", 1]
            yield Group(f"c1z header {name}", {f"c1z header {name}": lambda argv=argv: reported(argv, bench.directory)})


def facts(bench):
    """Nothing more than what was measured."""


def rows(bench):
    for name in TREES:
        key = f"c1z pack {name}: indexed"
        yield Row(PART, "pack indexed_zstd", name, key, [f"c1z pack {name}: tar_zstd"], PACK_AIM[name])
        yield Row(PART, "pack indexed_zstd, 2 threads", name, key, [f"{key}, 1 thread"], THREADS_AIM)
        yield Row(PART, "pack indexed_zstd", name, key, [f"c1z pack {name}: rtar"])
        key = f"c1z extract {name}: indexed"
        yield Row(PART, "unpack indexed_zstd", name, key, [f"c1z extract {name}: tar_zstd"], UNPACK_AIM[name])
        yield Row(PART, "unpack indexed_zstd", name, key, [f"c1z extract {name}: rtar"])
        what = "open an indexed_zstd file for its header"
        yield Row(PART, what, name, f"c1z header {name}", aim=HEADER_AIM, kind=LIMIT, unit="ms")
        for encoding in ("indexed", "tar-zstd"):
            ours = f"size {name}.{encoding}.c1z"
            yield Row("sizes", f"C1Z, {encoding}", name, ours, [f"size {name}.c1z.rtar"], None, SIZE, "bytes")
