# SPDX-License-Identifier: Apache-2.0
"""Running subjects in turn, each in a process of its own, with its time and its peak memory."""

import json
import os
import statistics
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

MIB = 1 << 20
LAUNCHER = Path(__file__).resolve().parent / "launch.py"
SLOW, FEW = 2.5, 3  # seconds of a subject in all, and rounds for those who take more


class Failed(Exception):
    """A subject did not do what it should."""


@dataclass
class Result:
    """One measurement. `work` is what was done: it must be equal for all subjects of a group that state it."""

    seconds: float
    peak: int = 0  # bytes
    work: object = None
    facts: dict = field(default_factory=dict)
    processor: float = 0  # seconds of all threads


@dataclass
class Group:
    """Subjects that have the same input and the same work, and are measured in turn. Keys are names in the report."""

    name: str
    subjects: dict  # key -> a function that returns a Result
    rounds: int | None = None  # where other than chosen
    warm_up: int = 1


def command(argv, directory=None, stdout=os.devnull, environment=None):
    """Runs a command: how long it took, its peak memory, its exit code, its processor time. A string is for the shell.

    The peak is no less than what this process takes: Linux counts from before the program was loaded. See `lean`.
    """
    argv = ["sh", "-c", argv] if isinstance(argv, str) else [str(part) for part in argv]
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    actions = [(os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)]
    actions.append((os.POSIX_SPAWN_OPEN, 1, str(stdout), flags, 0o644))
    before = os.getcwd()
    os.chdir(directory or before)
    try:
        start = time.perf_counter()
        pid = os.posix_spawnp(argv[0], argv, environment or os.environ, file_actions=actions)
        _, status, usage = os.wait4(pid, 0)
        seconds = time.perf_counter() - start
    finally:
        os.chdir(before)
    # Of a pipeline, the largest of its processes.
    peak = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return seconds, peak, os.waitstatus_to_exitcode(status), usage.ru_utime + usage.ru_stime


def timed(argv, directory=None, stdout=os.devnull, times=1):
    """The Result of a command; of several runs of what is very quick, the median."""
    seconds, peaks, processor = [], [], []
    for _ in range(times):
        taken, peak, code, used = command(argv, directory, stdout)
        if code:
            raise Failed(f"exit code {code} of {argv if isinstance(argv, str) else ' '.join(map(str, argv))}")
        seconds.append(taken)
        peaks.append(peak)
        processor.append(used)
    return Result(statistics.median(seconds), max(peaks), processor=statistics.median(processor))


def reported(argv, scratch):
    """The Result of a program that measures itself and prints JSON."""
    output = scratch / "stdout.json"
    _, peak, code, processor = command(argv, stdout=output)
    if code:
        raise Failed(f"exit code {code} of {' '.join(map(str, argv))}")
    told = json.loads(output.read_text())
    return Result(told.pop("seconds"), peak, told.pop("work", None), told, processor)


def lean(argv):
    """The command that runs `argv` from a process that takes little memory, so that the peak is that of `argv`."""
    return [sys.executable, "-I", "-S", LAUNCHER, *map(str, argv)]


def progress(text):
    if sys.stderr.isatty():
        print(f"\r{text[:100]:100}\r", end="", file=sys.stderr, flush=True)


def interleave(groups, rounds):
    """Every subject of every group `rounds` times, in turn, after a warm-up that is not counted: key -> Results.

    Every other round goes backwards, so that nobody is always behind the same neighbour. Whoever takes more than `SLOW`
    seconds is run in few rounds, the warm-up among them, which does not matter to what takes that long.
    """
    found = {}
    for group in groups:
        wanted = rounds if group.rounds is None else group.rounds
        slow = set()
        for number in range(-group.warm_up, wanted):
            subjects = list(group.subjects.items())
            for key, subject in subjects if number % 2 == 0 else reversed(subjects):
                if key in slow and len(found[key]) >= FEW:
                    continue
                progress(f"{group.name}, round {number + 1} of {wanted}: {key}")
                start = time.monotonic()
                try:
                    result = subject()
                except Failed as failed:
                    raise SystemExit(f"bench: {key}: {failed}") from None
                if number < 0 and wanted > FEW and time.monotonic() - start > SLOW:
                    slow.add(key)
                found.setdefault(key, [])
                if number >= 0 or key in slow:
                    found[key].append(result)
        _agree(group, found)
    progress("")
    return found


def _agree(group, found):
    """Nobody is fast by doing something else."""
    works = {key: [result.work for result in found[key] if result.work is not None] for key in group.subjects}
    distinct = {json.dumps(work, sort_keys=True) for done in works.values() for work in done}
    if len(distinct) > 1:
        told = "\n".join(f"  {key}: {done[-1]}" for key, done in works.items() if done)
        raise SystemExit(f"bench: the subjects of {group.name} did not do the same work:\n{told}")
