# SPDX-License-Identifier: Apache-2.0
"""The reports: a table in Markdown, everything in JSON, and a plot."""

import json
import os
import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import part_python
from rows import LIMIT, SIZE, SPEED, resolve

HERE = Path(__file__).resolve().parent
TITLES = {
    "files": "Trees of files, by the command",
    "records": "Records, in Rust",
    "c1z": "C1Z",
    "bare": "Beside bare loops that do only what must be done",
    "python": "Records to Arrow, in Python",
    "sizes": "Sizes",
    "limits": "What a user waits for, and what it costs",
}


def write(bench, options, rows, took):
    resolved = [line for line in (resolve(row, bench.found, bench.facts) for row in rows) if line]
    options.report.mkdir(parents=True, exist_ok=True)
    whole = {"machine": _machine(), "versions": _versions(bench), "rounds": options.rounds, "quick": options.quick}
    whole |= {"took_seconds": took, "inputs": bench.inputs, "facts": bench.facts, "rows": resolved}
    whole["measurements"] = {
        key: [{"seconds": result.seconds, "peak_bytes": result.peak} for result in results]
        for key, results in bench.found.items()
    }
    (options.report / "bench.json").write_text(json.dumps(whole, indent=1) + "\n")
    text = markdown(whole)
    (options.report / "bench.md").write_text(text)
    print(text)
    # Another process, which may be large.
    plotted = subprocess.run([sys.executable, HERE / "plot.py", options.report / "bench.json"]).returncode == 0
    print(f"written to {options.report}: bench.md, bench.json{', bench.svg' if plotted else '; there is no plot'}")


def _machine():
    model = platform.processor() or platform.machine()
    try:
        with open("/proc/cpuinfo") as file:
            model = next((line.split(":", 1)[1].strip() for line in file if line.startswith("model name")), model)
    except OSError:
        pass
    return {
        "processor": model,
        "cores": len(os.sched_getaffinity(0)),
        "system": f"{platform.system()} {platform.release()}",
    }


def _first_line(argv):
    return subprocess.run(list(map(str, argv)), capture_output=True, text=True).stdout.strip().partition("\n")[0]


def _versions(bench):
    found = {"rosettar": _first_line([bench.rosettar, "--version"]).removeprefix("rosettar ")}
    commit = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=HERE, capture_output=True, text=True)
    found["commit"] = commit.stdout.strip() or "unknown"
    for program in ("tar", "zstd", "zip", "unzip"):
        argv = {"zip": ["zip", "-h"], "unzip": ["unzip", "-v"]}.get(program, [program, "--version"])
        lines = subprocess.run(argv, capture_output=True, text=True).stdout.splitlines()
        told = next((line for line in lines if any(c.isdigit() for c in line) and "Copyright" not in line), "unknown")
        found[program] = next((word.strip("v,") for word in told.split() if word.strip("v,")[:1].isdigit()), told)
    lock = (HERE / "peers/Cargo.lock").read_text().split("[[package]]")
    for crate in ("mcap", "apache-avro", "parquet"):
        for package in lock:
            if f'name = "{crate}"\n' in package:
                found[f"crate {crate}"] = package.split('version = "')[1].split('"')[0]
    for package in part_python.PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    found["Python"] = platform.python_version()
    return found


def number(value, unit):
    if unit == "bytes" and value >= 10_000:
        return f"{value / (1 << 20):.2f} MiB"
    if unit == "ms" and value < 10:
        return f"{value:.2f} {unit}"
    if unit == "ms" and value >= 10_000:
        return f"{value / 1000:.1f} s"
    return f"{value:.1f} {unit}" if isinstance(value, float) else f"{value} {unit}"


def _name(key):
    """What a key says of the subject: the rest stands in the other columns."""
    return key.rpartition(": ")[2].removeprefix("size ").replace("|", "\\|")


def _side(side, unit, rounds):
    if side is None:
        return "–"
    told = number(side["median"], unit)
    if side["count"] > 1:
        half = (side["quartiles"][1] - side["quartiles"][0]) / 2
        told += f" ±{100 * half / side['median'] if side['median'] else 0:.0f} %"
    if side["measured"] and side["count"] < rounds:
        told += f" ({side['count']}×)"
    return told


def markdown(whole):
    machine, rounds = whole["machine"], whole["rounds"]
    quick = " This was a quick run: fewer rounds than the seven that a figure should stand on." if rounds < 7 else ""
    lines = ["# Benchmark", ""]
    lines += [f"{machine['processor']}, {machine['cores']} cores, {machine['system']}.", ""]
    lines += [", ".join(f"{name} {told}" for name, told in whole["versions"].items()) + ".", ""]
    told = f"Medians of {rounds} rounds after a warm-up, ± half the distance of the quartiles; (3×) where it was less "
    lines += [told + f"often, because it takes long or has no aim.{quick}", ""]
    lines += ["Time: the peer's divided by ours, so that more is better. Size: ours divided by the peer's, so that "]
    lines[-1] += "less is better. What must not be above its aim has no peer."
    for part, title in TITLES.items():
        chosen = [row for row in whole["rows"] if row["part"] == part]
        if not chosen:
            continue
        lines += [
            "",
            f"## {title}",
            "",
            "| what | data | ours | peer | | ratio | aim | met |",
            "|---|---|---|---|---|---|---|---|",
        ]
        for row in chosen:
            what = row["what"] + (f" ({row['note']})" if row["note"] else "")
            peer = _name(row["peer"]["key"]) if row["peer"] else ""
            sign = {SPEED: "≥", SIZE: "≤", LIMIT: "≤"}[row["kind"]]
            aim = "" if row["aim"] is None else f"{sign} {row['aim']:g}"
            ratio = "" if row["kind"] == LIMIT else f"{row['value']:.2f}"
            met = {None: "", True: "yes", False: "**no**"}[row["met"]]
            ours, theirs = (_side(row[whose], row["unit"], rounds) for whose in ("ours", "peer"))
            lines.append(f"| {what} | {row['data']} | {ours} | {theirs} | {peer} | {ratio} | {aim} | {met} |")
    aims = [row["met"] for row in whole["rows"] if row["met"] is not None]
    lines += ["", f"{sum(aims)} of {len(aims)} aims are met.", ""]
    took = ", ".join(f"{part} {seconds:.0f} s" for part, seconds in whole["took_seconds"].items())
    lines += [f"Took: {took}, of which making the inputs is a part.", ""]
    return "\n".join(lines)
