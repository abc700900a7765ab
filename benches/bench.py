# SPDX-License-Identifier: Apache-2.0
"""How fast a stream becomes an Arrow table, and how fast its peers are: see README.md here.

Needs `rosettar` (a release build), and what requirements-dev.txt lists, in the interpreter that runs it.
"""

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

import data
import rosettar

HERE = Path(__file__).resolve().parent
FORMS = (".rtar", ".parquet", ".mcap", ".binpb")
PACKAGES = ("rosettar", "pyarrow", "protobuf", "mcap", "mcap-protobuf-support", "pandas")
# A row of the table: what is compared, subject and threads of ours, of the peer, and the aim for flights and orders.
ROWS = [
    ("pyarrow reads Parquet (zstd), 1 thread", ("rosettar", 1), ("parquet", 1), (0.33, 0.43)),
    ("pyarrow reads Parquet (zstd), 2 threads", ("rosettar", 2), ("parquet", 2), (0.33, 0.43)),
    ("protobuf parses into lists, ours 1 thread", ("rosettar", 1), ("protobuf-lists", 1), (8, 8)),
    ("protobuf parses into lists, ours 2", ("rosettar", 2), ("protobuf-lists", 1), (8, 8)),
    ("protobuf into a DataFrame, ours 1 thread", ("rosettar", 1), ("protobuf-frame", 1), (14, 14)),
    ("protobuf into a DataFrame, ours 2", ("rosettar", 2), ("protobuf-frame", 1), (14, 14)),
    ("mcap iterates messages, ours 1 thread", ("rosettar", 1), ("mcap-iterate", 1), (20, 20)),
    ("mcap iterates messages, ours 2", ("rosettar", 2), ("mcap-iterate", 1), (20, 20)),
    ("mcap into a DataFrame, ours 1 thread", ("rosettar", 1), ("mcap-frame", 1), (35, 35)),
    ("mcap into a DataFrame, ours 2", ("rosettar", 2), ("mcap-frame", 1), (35, 35)),
    ("all columns, where ours are three", ("rosettar-three", 1), ("rosettar", 1), (2, 2)),
    ("1 thread, where ours are 2", ("rosettar", 2), ("rosettar", 1), (1.7, 1.7)),
]


def measure(subject, dataset, directory, threads):
    command = [sys.executable, str(HERE / "subjects.py"), subject, dataset, str(directory), str(threads)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise SystemExit(f"bench: {subject} on {dataset} failed, see above")
    return json.loads(done.stdout)


def run(directory, rounds, datasets):
    """The measurements of every subject: rounds through all of them, in turn."""
    subjects = sorted({pair for _, ours, peer, _ in ROWS for pair in (ours, peer)})
    found = {}
    for number in range(rounds):
        for dataset in datasets:
            # Every other round goes backwards, so that nobody is always behind the same neighbour.
            for subject, threads in subjects if number % 2 == 0 else reversed(subjects):
                _progress(f"round {number + 1} of {rounds}: {dataset}, {subject}, {threads}")
                result = measure(subject, dataset, directory, threads)
                found.setdefault((dataset, subject, threads), []).append(result)
    _progress("")
    for dataset in datasets:
        rows = {result["rows"] for key, results in found.items() if key[0] == dataset for result in results}
        if len(rows) != 1:
            raise SystemExit(f"bench: the subjects do not agree on the rows of {dataset}: {sorted(rows)}")
    return found


def _progress(text):
    if sys.stderr.isatty():
        print(f"\r{text:70}\r", end="", file=sys.stderr)


def report(found, one, datasets):
    medians = {key: statistics.median(r["seconds"] for r in results) for key, results in found.items()}
    table = []
    for what, ours, peer, aims in ROWS:
        for dataset, aim in zip(("flights", "orders"), aims):
            if dataset not in datasets:
                continue
            mine, theirs = medians[(dataset, *ours)], medians[(dataset, *peer)]
            line = {"peer": what, "dataset": dataset, "ours_ms": mine * 1000, "peer_ms": theirs * 1000}
            table.append({**line, "ratio": theirs / mine, "aim": aim})
    print(f"{'our speed ÷ that of':42} {'rows':8} {'ours ms':>9} {'peer ms':>10} {'ratio':>7} {'aim':>6}")
    for line in table:
        mark = "" if line["ratio"] >= line["aim"] else "  below"
        print(
            f"{line['peer']:42} {line['dataset']:8} {line['ours_ms']:9.1f} {line['peer_ms']:10.1f} "
            f"{line['ratio']:7.2f} {line['aim']:6g}{mark}"
        )
    seconds = statistics.median(result["seconds"] for result in one)
    fact = one[0]
    print(
        f"len() and one record of {fact['rows']}: {seconds * 1000:.2f} ms (aim: at most 5), reading "
        f"{fact['pages']} page(s) and {fact['payload_frames']} payload frame(s), {fact['bytes']} bytes"
    )
    return {"table": table, "one_record": {"ms": seconds * 1000, **{k: fact[k] for k in ("pages", "payload_frames")}}}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    memory = Path("/dev/shm")
    parser.add_argument("--dir", type=Path, help="where the data goes [default: /dev/shm, or a temporary directory]")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--orders", type=int, default=120_000, help="orders of the nested set")
    parser.add_argument("--dataset", action="append", choices=["flights", "orders"], help="only this one (repeatable)")
    parser.add_argument("--json", type=Path, default=data.ROOT / "build/bench.json", help="where the JSON goes")
    options = parser.parse_args()
    datasets = options.dataset or ["flights", "orders"]
    # Beside the package, where it was installed with --target; else where the interpreter has it.
    places = [Path(rosettar.__file__).parent.parent / "bin", Path(sys.executable).parent]
    command = shutil.which("rosettar", path=os.pathsep.join(map(str, places)))
    if command is None:
        raise SystemExit("bench: no command rosettar; install the package first: pip install .")

    def work(directory):
        directory.mkdir(parents=True, exist_ok=True)
        data.make(directory, command, options.orders)
        files = [file for file in sorted(directory.iterdir()) if file.suffix in FORMS]
        sizes = {file.name: file.stat().st_size for file in files}
        found = run(directory, options.rounds, datasets)
        one = [measure("one-record", "million", directory, 2) for _ in range(options.rounds)]
        packages = {name: version(name) for name in PACKAGES}
        told = ", ".join(f"{name} {number}" for name, number in packages.items())
        print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, {told}")
        print(", ".join(f"{name} {size}" for name, size in sizes.items()), "bytes")
        print(f"medians of {options.rounds} rounds")
        result = report(found, one, datasets)
        result |= {"packages": packages, "sizes": sizes, "rounds": options.rounds}
        result["measurements"] = {" ".join(map(str, key)): [r["seconds"] for r in rs] for key, rs in found.items()}
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(result, indent=1) + "\n")
        print(f"written to {options.json}")

    if options.dir is None and memory.is_dir():
        options.dir = memory / "rosettar-bench"
    if options.dir:
        work(options.dir)
    else:
        with tempfile.TemporaryDirectory() as directory:
            work(Path(directory))


if __name__ == "__main__":
    main()
