# SPDX-License-Identifier: Apache-2.0
"""Trees of files to pack: made by a seeded generator, the same bytes each time, or copied from cargo's registry."""

import os
import random
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
KIB, MIB = 1 << 10, 1 << 20
SOURCE_CAP = 250 * 10**6


class Content:
    """Mildly compressible bytes: pieces from a pool in turn with noise of about five bits a byte."""

    PIECE, LEAST, MOST = 64, 64, 192

    def __init__(self, seed, pool_size):
        self.rng = random.Random(seed)
        self.pool_size = pool_size
        # Small values come more often than great ones.
        self.skew = bytes(value * value // 1024 for value in range(256))

    def fresh_pool(self):
        """What comes now has nothing in common with what came before."""
        noise = self._noise(self.pool_size * self.MOST)
        starts = range(0, len(noise), self.MOST)
        self.pool = [noise[at : at + self.rng.randint(self.LEAST, self.MOST)] for at in starts]

    def _noise(self, size):
        return self.rng.randbytes(size).translate(self.skew)

    def take(self, size):
        pieces = size // (self.PIECE + self.LEAST) + 1
        noise = self._noise(self.PIECE * pieces)
        repeats = self.rng.choices(self.pool, k=pieces)
        cut = [noise[at : at + self.PIECE] for at in range(0, len(noise), self.PIECE)]
        return b"".join(part for pair in zip(repeats, cut) for part in pair)[:size]


def tree(directory, name, count, size, seed, per_directory, pool_size):
    """`count` files of `size` bytes below `directory/name`, some in each of its directories.

    Large files repeat only themselves, small ones also what else is in their directory.
    """
    content, top = Content(seed, pool_size), directory / name
    for number in range(count):
        folder = top / f"{number // per_directory:03}"
        if number % per_directory == 0:
            folder.mkdir(parents=True)
        if number % per_directory == 0 or size >= MIB:
            content.fresh_pool()
        (folder / f"{number:06}.dat").write_bytes(content.take(size))


def source_tree(directory, name):
    """The sources of the crates that the project is built of, in order of their names, up to a cap."""
    manifests = [ROOT / "Cargo.toml", ROOT / "benches/peers/Cargo.toml"]
    for manifest in manifests:
        subprocess.run(["cargo", "fetch", "--quiet", "--locked", "--manifest-path", manifest], check=True)
    wanted = set()
    for manifest in manifests:
        lock = tomllib.loads(manifest.with_name("Cargo.lock").read_text())
        wanted |= {f"{package['name']}-{package['version']}" for package in lock["package"] if "source" in package}
    home = Path(os.environ.get("CARGO_HOME", Path.home() / ".cargo"))
    places = {path.name: path for path in sorted(home.glob("registry/src/*/*"))}
    total = 0
    (directory / name).mkdir()
    for crate in sorted(wanted & places.keys()):
        size = sum(file.lstat().st_size for file in places[crate].rglob("*") if file.is_file())
        if total + size > SOURCE_CAP:
            break
        total += size
        # The links of the tree, should it have any, may lead out of it: it has files instead.
        shutil.copytree(places[crate], directory / name / crate)


TREES = {
    "d256": lambda directory: tree(directory, "d256", 128, 2 * MIB, 1, 16, 1500),
    "s20k": lambda directory: tree(directory, "s20k", 20_000, 2 * KIB, 2, 250, 500),
    "source": lambda directory: source_tree(directory, "source"),
    "d600": lambda directory: tree(directory, "d600", 300, 2 * MIB, 3, 16, 1500),
}


def make(directory, name):
    """Makes a tree that is not there yet."""
    if (directory / name).exists():
        return
    print(f"making {name} in {directory}", file=sys.stderr)
    # Under another name until it is whole.
    partial = directory / "partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    TREES[name](partial)
    (partial / name).rename(directory / name)
    partial.rmdir()


def census(top):
    """How many files are below a directory, and their bytes."""
    files = size = 0
    stack = [top]
    while stack:
        with os.scandir(stack.pop()) as found:
            for entry in found:
                if entry.is_dir(follow_symlinks=False):
                    stack.append(entry.path)
                else:
                    files += 1
                    size += entry.stat(follow_symlinks=False).st_size
    return {"files": files, "bytes": size}


def entries(top):
    """How many entries an archive of a tree has: files, and directories with the top one."""
    return sum(1 for _ in Path(top).rglob("*")) + 1
