#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every verb on the worst archives: fuzz/worst/measure.py [--quick] [--only NAME]... [--verbs GLOB] [--verbose]

Prints a table, and ends with 1 where a bound is broken that is not among the known exceptions.

The bounds are 256 MiB of memory, and of processor time 5 s and 3 s a GiB that is decoded or written. "Decoded" is
what all frames decode to, once, however often a verb goes through them. "Written" is what goes to standard output or
into files, and the bytes of objects and columns that somebody is handed in Python. Memory is the most that was
resident; from a verb in Python what the same verb takes for an archive of one record is taken off, which is the
interpreter and libraries. Processor time is asserted at twice the bound, because machines are busy; a run that comes
to it is stopped.
"""

import argparse
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
MIB, GIB = 1 << 20, 1 << 30

MOST_MEMORY = 256  # MiB
BASE_SECONDS, SECONDS_FOR_A_GIB = 5.0, 3.0
ASSERTED_AT = 2  # times the bound on processor time
ADDRESS_SPACE = 6 * GIB  # so that nothing takes the machine's memory
FILE_SIZE = 4 * GIB
WALL_SECONDS = 600
USUAL_ENDS = (0, 2, 3)  # done, refused, done with a finding
# By the kernel, by the verb itself, or by DuckDB, which makes an interruption of any signal.
STOPPED = (-signal.SIGXCPU, -signal.SIGKILL, 128 + signal.SIGXCPU, -signal.SIGINT)
FILE_FULL = "File too large (os error 27)"  # it has FILE_SIZE bytes, and is removed
USUAL_ERRORS = ("[usage.no-such-stream]", FILE_FULL)  # what cannot be read of a database is no stream


@dataclass(frozen=True)
class Known:
    """A bound that is known to be broken, by these verbs (patterns of their names) on these archives, and why."""

    bound: str  # "memory" or "time"
    archives: tuple[str, ...]
    verbs: tuple[str, ...]
    why: str

    def is_about(self, archive: str, verb: str, bound: str) -> bool:
        return bound == self.bound and archive in self.archives and any(fnmatch(verb, glob) for glob in self.verbs)


TO_TEXT = ("records --format jsonl", "records --format csv", "records --format text", "records -")
TO_TEXT += ("records --rows 0", "records --provisional -", "extract --records csv")
MANY_RECORDS = ("empty-records", "short-records", "wide-type", "wide-records", "enum-defaults")
MANY_CELLS = ("wide-type", "wide-records", "enum-defaults", "columns-of-records", "enum-columns", "batches-of-columns")

KNOWN = (
    Known("time", ("short-records",), (*TO_TEXT, "Python: dicts"), "a record costs half a microsecond"),
    Known("time", MANY_RECORDS, ("Python: messages",), "a message of the package protobuf costs a microsecond"),
    Known("time", MANY_CELLS, ("Python: duckdb",), "the cells that DuckDB is handed are not counted"),
)


@dataclass(frozen=True)
class Verb:
    """What is done with an archive: {file}, or {cut}, which is the archive without its end. {out} is a new folder."""

    name: str
    arguments: tuple[str, ...]
    quick: bool = False
    python: bool = False
    piped: bool = False
    of_streams: bool = False
    of_rosettar: bool = False  # not of C1Z files


def command(line: str, name: str = "", **options: bool) -> Verb:
    """A run of the command; its name is what is left of the line without the placeholders."""
    words = line.split()
    shown = " ".join(word for word in words if "{" not in word and word not in ("-o", "-C", "--quiet"))
    return Verb(name or shown, tuple(words), piped="-" in words, **options)


def python(name: str, **options: bool) -> Verb:
    return Verb(f"Python: {name}", (name, "{file}"), python=True, **options)


def all_verbs() -> list[Verb]:
    verbs = [
        command("info {file}", quick=True),
        command("info -"),
        command("list {file}", quick=True),
        command("list -"),
        command("list --all --json {file}"),
        command("schema {file}", quick=True),
        command("schema --all --json {file}"),
        command("verify {file}"),
        command("verify --records {file}", quick=True),
        command("verify --records -"),
        command("verify --records --provisional -", of_rosettar=True),
        command("extract --quiet {file} -C {out}/x", quick=True),
        command("extract --quiet - -C {out}/x"),
        command("extract --quiet {file} -C {out}/x --records csv", of_streams=True),
        command("diff {file} {file}"),
        command("recover {file} -o {out}/o", of_rosettar=True),
        command("recover {cut} -o {out}/o", name="recover of what is cut", of_rosettar=True),
        command("append {file} -o {out}/o -C {more} new.txt", name="append", of_rosettar=True),
        command("convert {file} -o {out}/o --lossy --to {other}", name="convert"),
    ]
    verbs += [
        command(f"records {{file}} {{stream}} --format {form}", of_streams=True, quick=form == "jsonl")
        for form in ("jsonl", "csv", "text", "binpb")
    ]
    verbs += [
        command("records - {stream}", of_streams=True),
        command("records {file} {stream} --rows 0", of_streams=True),
        command("records --provisional - {stream}", of_streams=True, of_rosettar=True),
    ]
    verbs += [python(name) for name in ("show", "entries", "entries_as_table", "verify")]
    verbs += [
        python(name, of_streams=True, quick=name in ("dicts", "arrow"))
        for name in "dicts messages first html schema columns arrow duckdb scan dataset".split()
    ]
    return verbs


@dataclass(frozen=True)
class Run:
    """What a run took."""

    verb: str
    memory: float  # MiB
    seconds: float  # of processor time
    written: int  # bytes, to standard output and to files
    stopped: bool  # at its bound on time
    end: int  # exit code, or the negative number of a signal
    error: str


def written_to(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def start(command: list[str], source: Path | None, errors: int, seconds: float) -> subprocess.Popen[bytes]:
    """Starts a program that may take so many seconds of processor time."""

    def restrict() -> None:
        most = int(seconds) + 1
        resource.setrlimit(resource.RLIMIT_CPU, (most, most + 2))
        resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
        resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_SIZE, FILE_SIZE))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    with open(source or os.devnull, "rb") as stdin:
        return subprocess.Popen(command, stdin=stdin, stdout=subprocess.PIPE, stderr=errors, preexec_fn=restrict)


def run(verb: str, command: list[str], source: Path | None, out: Path, seconds: float) -> Run:
    """Runs a program to its end, or until it has taken so long.

    Linux counts as its memory what this process takes as well, until the program is loaded; so this one stays small.
    """
    with tempfile.TemporaryFile() as errors:
        process = start(command, source, errors.fileno(), seconds)
        timer = threading.Timer(WALL_SECONDS, process.kill)
        timer.start()
        printed, last = 0, b""
        while piece := os.read(process.stdout.fileno(), MIB):
            printed, last = printed + len(piece), (last + piece)[-64:]
        process.stdout.close()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = end = os.waitstatus_to_exitcode(status)
        timer.cancel()
        errors.seek(0)
        error = errors.read(400).decode(errors="replace").strip()
    taken = usage.ru_utime + usage.ru_stime
    # What a verb in Python made, or so far.
    if made := re.search(rb"^made ([0-9]+)$", last, re.MULTILINE):
        printed = int(made[1])
    if FILE_FULL in error:
        printed += FILE_SIZE
    # What is counted of a process that is killed may be a little less.
    stopped = end in STOPPED and taken >= 0.9 * seconds
    return Run(verb, usage.ru_maxrss / 1024, taken, printed + written_to(out), stopped, end, error)


def bound(run: Run, decoded: int) -> float:
    """The seconds that a run may take."""
    return BASE_SECONDS + SECONDS_FOR_A_GIB * (decoded + run.written) / GIB


def known(archive: str, verb: str, bound: str) -> Known | None:
    return next((one for one in KNOWN if one.is_about(archive, verb, bound)), None)


class Measurement:
    """Runs verbs on archives, and says what is broken."""

    def __init__(self, rosettar: Path, folder: Path, verbose: bool) -> None:
        self.rosettar, self.folder, self.verbose = rosettar, folder, verbose
        self.floors: dict[str, float] = {}
        self.broken: list[str] = []
        self.unseen: set[Known] = set(KNOWN)
        self.runs = 0

    def run(self, verb: Verb, file: Path, stream: str, seconds: float) -> Run:
        out, more = self.folder / "out", self.folder / "more"
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir()
        more.mkdir(exist_ok=True)
        (more / "new.txt").write_text("new\n")
        cut = self.folder / "cut"
        if "{cut}" in verb.arguments:
            cut.write_bytes(file.read_bytes()[:-20])
        other = "c1z3-indexed" if file.suffix == ".rtar" else "rtar"
        places = {"file": file, "cut": cut, "out": out, "more": more, "stream": stream, "other": other}
        arguments = [word.format(**places) for word in verb.arguments]
        if verb.name == "convert" and other != "rtar":
            arguments += ["--engine", "x"]
        if verb.python:
            command = [sys.executable, str(HERE / "python_verb.py"), *arguments, *([stream] if stream else [])]
        else:
            command = [str(self.rosettar), *arguments]
        self.runs += 1
        done = run(verb.name, command, file if verb.piped else None, out, seconds)
        shutil.rmtree(out, ignore_errors=True)
        return done

    def floor(self, verb: Verb) -> float:
        """MiB that a verb takes in Python for any archive."""
        if not verb.python:
            return 0.0
        if verb.name not in self.floors:
            self.floors[verb.name] = self.run(verb, self.folder / "small.rtar", "g", 60).memory
        return self.floors[verb.name]

    def judge(self, name: str, run: Run, floor: float, decoded: int) -> bool:
        """Whether a run met its bounds. Notes what is broken, but for the known exceptions."""
        memory, limit, met = run.memory - floor, bound(run, decoded), True
        faults = []
        if memory > MOST_MEMORY:
            faults.append(("memory", f"{memory:.0f} MiB"))
        if run.seconds > limit:
            met = False
            if run.stopped or run.seconds > ASSERTED_AT * limit:
                more = "more than " if run.stopped else ""
                faults.append(("time", f"{more}{run.seconds:.1f} s, where {limit:.1f} s are the bound"))
        if run.end not in USUAL_ENDS and not run.stopped and not any(text in run.error for text in USUAL_ERRORS):
            faults.append(("end", f"exit {run.end}: {run.error[:200]}"))
        for kind, what in faults:
            met = False
            exception = known(name, run.verb, kind)
            self.unseen.discard(exception)
            if not exception:
                self.broken.append(f"{name}: {run.verb}: {what}")
        return met

    def archive(self, attack: dict[str, object], verbs: list[Verb], quick: bool) -> str:
        """The row of an archive."""
        name, stream, decoded = attack["name"], attack["stream"], attack["decoded"]
        file, rows = self.folder / attack["file"], []
        for verb in verbs:
            if (verb.of_streams and not stream) or (verb.of_rosettar and file.suffix != ".rtar"):
                continue
            # A quick run does not look at what is known.
            if quick and (known(name, verb.name, "memory") or known(name, verb.name, "time")):
                continue
            floor = self.floor(verb)
            done = self.run(verb, file, stream, ASSERTED_AT * (BASE_SECONDS + SECONDS_FOR_A_GIB * decoded / GIB))
            met = self.judge(name, done, floor, decoded)
            rows.append((done, done.memory - floor, bound(done, decoded), met))
            if self.verbose:
                self.show(name, done, floor, met)
        if not rows:
            return f"| {name} | {attack['bytes']:,} | {size(decoded)} | none | | none | | | known |"
        large = max(rows, key=lambda row: row[1])
        slow = max(rows, key=lambda row: row[0].seconds / row[2])
        broken = sum(not row[3] for row in rows)
        cells = [name, f"{attack['bytes']:,}", size(decoded), large[0].verb, f"{large[1]:.0f}", slow[0].verb]
        cells += [f"{'> ' * slow[0].stopped}{slow[0].seconds:.1f}", f"{slow[2]:.1f}"]
        return f"| {' | '.join([*cells, f'no: {broken} of {len(rows)} verbs' if broken else 'yes'])} |"

    def show(self, name: str, run: Run, floor: float, met: bool) -> None:
        cost = f"{run.memory:5.0f} MiB ({floor:3.0f}) {run.seconds:6.2f} s, written {run.written}, exit {run.end}"
        print(f"{name:20} {run.verb:34} {cost}{'' if met else ' BROKEN'} {run.error[:100]!r}", file=sys.stderr)


def size(number: int) -> str:
    if number >= GIB:
        return f"{number / GIB:.0f} GiB"
    return f"{number / MIB:.0f} MiB" if number >= MIB else f"{number / MIB:.1f} MiB"


def make(folder: Path, names: list[str]) -> list[dict[str, object]]:
    """Has the archives made, by another process, because it grows."""
    command = [sys.executable, str(HERE / "archives.py"), str(folder), *names]
    lines = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()
    return [json.loads(line) for line in lines]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few verbs, archives that are soon made, nothing known")
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="this archive only; repeatable")
    parser.add_argument("--verbs", default="*", metavar="GLOB", help="these verbs only")
    parser.add_argument("--verbose", action="store_true", help="print every run to standard error")
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    parser.add_argument("--rosettar", type=Path, default=target / "debug" / "rosettar", help="the command")
    arguments = parser.parse_args()
    for reason in cannot(arguments.rosettar):
        print(f"skipped: worst archives: {reason}")
        return 0
    verbs = [verb for verb in all_verbs() if verb.quick or not arguments.quick]
    verbs = [verb for verb in verbs if fnmatch(verb.name, arguments.verbs)]
    with tempfile.TemporaryDirectory(prefix="worst-") as folder:
        names = arguments.only or (["--quick"] if arguments.quick else [])
        attacks = make(Path(folder), names)
        measurement = Measurement(arguments.rosettar, Path(folder), arguments.verbose)
        print("| archive | bytes | decoded | most memory | MiB | most time | s | bound | met |")
        print("|---|---:|---:|---|---:|---|---:|---:|---|", flush=True)
        for attack in attacks:
            print(measurement.archive(attack, verbs, arguments.quick), flush=True)
    print(f"\n{measurement.runs} runs")
    if not (arguments.quick or arguments.only or arguments.verbs != "*"):
        for one in sorted(measurement.unseen, key=str):
            print(f"no exception any more: {one.bound} of {', '.join(one.verbs)} on {', '.join(one.archives)}")
    for line in measurement.broken:
        print(f"broken: {line}")
    failed = {line.split(":")[0] for line in measurement.broken}
    print(f"{len(attacks) - len(failed)} passed, {len(failed)} failed")
    return 1 if failed else 0


def cannot(rosettar: Path) -> list[str]:
    """Why nothing can be measured here."""
    if sys.platform != "linux":
        return ["peak memory and limits are measured on Linux only"]
    if not rosettar.is_file():
        return [f"{rosettar} is not built"]
    if subprocess.run([sys.executable, "-c", "import rosettar, pyarrow"], capture_output=True).returncode:
        return ["the Python package is not installed"]
    return []


if __name__ == "__main__":
    sys.exit(main())
