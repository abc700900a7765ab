# SPDX-License-Identifier: Apache-2.0
"""How cost grows with the work: entries, records and bytes; time should grow no faster than they do, and memory not at
all. Prints a table, and the exponents that fit it."""

import argparse
import json
import math
import shutil
import statistics
import sys
from pathlib import Path

import data
from run import Failed, lean, progress, reported, timed

MIB, GIB = 1 << 20, 1 << 30
TIME_AIM = 1.1


class Scale:
    """The measurements: for each thing that is done, size -> seconds and peak bytes."""

    def __init__(self, options):
        self.options = options
        self.directory = options.dir
        self.found = {}

    def measure(self, what, size, run, prepare=None):
        results = []
        for number in range(self.options.rounds):
            progress(f"{what}, {size}, {number + 1} of {self.options.rounds}")
            if prepare:
                prepare()
            try:
                results.append(run())
            except Failed as failed:
                raise SystemExit(f"scale: {what}, {size}: {failed}") from None
        self.found.setdefault(what, {})[size] = {
            "seconds": statistics.median(result.seconds for result in results),
            "processor": statistics.median(result.processor for result in results),
            "peak": max(result.peak for result in results),
        }

    def peer(self, subject, dataset, argument="-", threads=2):
        argv = [self.options.peers, subject, self.directory, dataset, argument, threads]
        return lambda: reported(lean(argv), self.directory)

    def command(self, *argv):
        argv = [self.options.rosettar, *argv, "--limit", "decoded-bytes=1T", "--limit", "entries=16M"]
        return lambda: timed(lean(argv), self.directory)

    def entries(self):
        out = self.directory / "out"
        for size in powers(3, self.options.entries):
            self.measure("entries: write", size, self.peer("entries-make", "scale", size))
            for subject in ("open", "find", "list"):
                self.measure(f"entries: {subject}", size, self.peer(subject, "scale"))
            if size <= 100_000:
                extract = self.command("extract", "-q", "scale.rtar", "-C", "out")
                self.measure("entries: extract", size, extract, lambda: shutil.rmtree(out, ignore_errors=True))
        shutil.rmtree(out, ignore_errors=True)
        (self.directory / "scale.rtar").unlink()

    def records(self):
        data.make_in_process(self.options, "small")
        # What writes has a million records in memory, of which the others are copies: some 120 MiB of its peak.
        for size in powers(5, self.options.records):
            self.measure("records: write", size, self.peer("records-make", "scale", size))
            self.measure("records: scan", size, self.peer("scan", "scale"))
        (self.directory / "scale.rtar").unlink()

    def bytes(self):
        tree, out = self.directory / "sparse", self.directory / "out"
        shutil.rmtree(tree, ignore_errors=True)
        tree.mkdir()
        size = 1
        while size <= self.options.gib:
            for number in range(size):
                # A hole: it takes no room here, and reads as zeros.
                with open(tree / f"{number:02}", "wb") as file:
                    file.truncate(GIB)
            self.measure("bytes: pack", size * GIB, self.command("pack", "-q", "-o", "scale.rtar", "sparse"))
            self.measure("bytes: verify", size * GIB, self.command("verify", "-q", "scale.rtar"))
            # What is extracted takes its room.
            if shutil.disk_usage(self.directory).free > (size + 2) * GIB and size <= self.options.extract_gib:
                extract = self.command("extract", "-q", "scale.rtar", "-C", "out")
                self.measure("bytes: extract", size * GIB, extract, lambda: shutil.rmtree(out, ignore_errors=True))
                shutil.rmtree(out)
                # What the system needs to take in as many bytes, whoever writes them.
                plain = f"head -c {size * GIB} /dev/zero > plain"
                self.measure(
                    "bytes: head -c, for comparison", size * GIB, lambda plain=plain: timed(plain, self.directory)
                )
                (self.directory / "plain").unlink()
            size *= 2
        shutil.rmtree(tree)
        (self.directory / "scale.rtar").unlink()


def powers(first, last):
    return [10**exponent for exponent in range(first, round(math.log10(last)) + 1)]


def exponent(points):
    """The slope of a line through the logarithms, by least squares."""
    if len(points) < 2:
        return None
    logs = [(math.log(size), math.log(value)) for size, value in points]
    x, y = (statistics.fmean(one) for one in zip(*logs))
    return sum((a - x) * (b - y) for a, b in logs) / sum((a - x) ** 2 for a, _ in logs)


def report(found):
    lines = ["# Scale", "", "| what | size | time | processor time | peak memory |", "|---|---|---|---|---|"]
    fits = []
    for what, sizes in found.items():
        for size, one in sizes.items():
            told = f"{size // GIB} GiB" if what.startswith("bytes") else f"{size:,}".replace(",", " ")
            times = f"{one['seconds'] * 1000:.1f} ms | {one['processor'] * 1000:.0f} ms"
            lines.append(f"| {what} | {told} | {times} | {one['peak'] / MIB:.0f} MiB |")
        time = exponent([(size, one["seconds"]) for size, one in sizes.items()])
        # On a machine that others use, too, this is the one to believe.
        processor = exponent([(size, max(one["processor"], 0.001)) for size, one in sizes.items()])
        # Where little takes no time, the whole curve is flatter than its end.
        end = exponent([(size, one["seconds"]) for size, one in list(sizes.items())[-2:]])
        memory = exponent([(size, one["peak"]) for size, one in sizes.items()])
        if time is not None:
            fits.append((what, time, end, processor, memory))
    lines += ["", "| what | exponent of time | of the last step | aim | of processor time | of memory |"]
    lines += ["|---|---|---|---|---|---|"]
    for what, time, end, processor, memory in fits:
        mark = "" if time <= TIME_AIM else " **no**"
        lines.append(f"| {what} | {time:.2f} | {end:.2f} | ≤ {TIME_AIM}{mark} | {processor:.2f} | {memory:.2f} |")
    keys = ("time", "time_last_step", "processor", "memory")
    fitted = {what: dict(zip(keys, numbers)) for what, *numbers in fits}
    return "\n".join(lines) + "\n", fitted


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    target = data.ROOT / "target/release/rosettar"
    peers = data.ROOT / "benches/peers/target/release/peers"
    parser.add_argument("only", nargs="*", choices=["entries", "records", "bytes", []], help="measure only these")
    parser.add_argument("--dir", type=Path, default=Path("/dev/shm/rosettar-scale"), help="where everything goes")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--entries", type=int, default=10**6, help="the most entries")
    parser.add_argument("--records", type=int, default=10**7, help="the most records; 10^8 takes minutes and 3 GiB")
    parser.add_argument("--gib", type=int, default=8, help="the most bytes, in GiB; 64 takes minutes")
    parser.add_argument("--extract-gib", type=int, default=4, help="the most to extract, which takes that room")
    parser.add_argument("--rosettar", type=Path, default=target, help="the command, a release build")
    parser.add_argument("--peers", type=Path, default=peers, help="the program of benches/peers, a release build")
    parser.add_argument("--report", type=Path, default=data.ROOT / "build/bench", help="where the report goes")
    options = parser.parse_args()
    options.directory, options.orders = options.dir, 0
    options.rosettar, options.peers = options.rosettar.resolve(), options.peers.resolve()
    options.dir.mkdir(parents=True, exist_ok=True)
    scale = Scale(options)
    for part in options.only or ["entries", "records", "bytes"]:
        getattr(scale, part)()
    progress("")
    text, fits = report(scale.found)
    options.report.mkdir(parents=True, exist_ok=True)
    (options.report / "scale.md").write_text(text)
    whole = {"measurements": scale.found, "exponents": fits, "rounds": options.rounds}
    (options.report / "scale.json").write_text(json.dumps(whole, indent=1) + "\n")
    print(text)
    print(f"written to {options.report}: scale.md, scale.json")
    shutil.rmtree(options.dir)


if __name__ == "__main__":
    sys.exit(main())
