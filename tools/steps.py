# SPDX-License-Identifier: Apache-2.0
"""Runs commands one after the other, shows what they print, and sums it up at the end."""

import re
import shlex
import subprocess
import sys
import time

# The closing lines of `cargo test`, of our own Python tests, of pytest, and of `node --test`.
RESULTS = (
    re.compile(r"^test result: \w+\. (?P<passed>\d+) passed; (?P<failed>\d+) failed; (?P<ignored>\d+) ignored"),
    re.compile(r"^(?P<passed>\d+) passed, (?P<failed>\d+) failed"),
    re.compile(r"^(?:=+ )?(?:(?P<failed>\d+) failed, )?(?P<passed>\d+) passed\b.* in [\d.]+s"),
    re.compile(r"^(?:=+ )?(?P<failed>\d+) failed\b(?!.* passed).* in [\d.]+s"),
    re.compile(r"^[#ℹ] pass (?P<passed>\d+)"),
    re.compile(r"^[#ℹ] fail (?P<failed>\d+)"),
)
SKIPPED = re.compile(r"^\s*skipped: (.*)")


class Steps:
    """What ran so far: the time and result of each step, and the lines of tests or checks that were skipped."""

    def __init__(self):
        self.rows, self.skips, self.broken = [], [], 0
        self.passed = self.failed = 0

    def run(self, name, command, env=None):
        """Runs a command; returns whether it ended with status 0."""
        print(f"\n== {name}\n$ {shlex.join(map(str, command))}", flush=True)
        started, counts = time.monotonic(), {"passed": 0, "failed": 0, "ignored": 0}
        process = subprocess.Popen(
            command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
        )
        for line in process.stdout:
            print(line, end="", flush=True)
            for result in filter(None, (pattern.match(line) for pattern in RESULTS)):
                for key, value in result.groupdict().items():
                    counts[key] += int(value or 0)
            if found := SKIPPED.search(line):
                self.skip(found[1], show=False)
        good = process.wait() == 0
        told = ", ".join(f"{counts[key]} {key}" for key in counts if counts["passed"] + counts["failed"])
        self.note(name, ("ok" if good else f"FAILED (exit {process.returncode})") + (told and ": " + told), started)
        self.passed += counts["passed"]
        self.failed += counts["failed"]
        self.broken += not good
        return good

    def note(self, name, outcome, started=None):
        """Adds a row to the summary."""
        self.rows.append((name, outcome, f"{time.monotonic() - started:.0f} s" if started else ""))

    def fail(self, name, why):
        """Adds a step that failed without a command of its own."""
        print(f"\n== {name}\n{why}", flush=True)
        self.rows.append((name, "FAILED", ""))
        self.broken += 1

    def skip(self, what, show=True):
        """Notes that something was skipped, once."""
        if show:
            print(f"skipped: {what}", flush=True)
        if what not in self.skips:
            self.skips.append(what)

    def finish(self):
        """Prints the summary and ends the program."""
        print("\n== summary")
        width = max(len(name) for name, _, _ in self.rows)
        for name, outcome, seconds in self.rows:
            print(f"{name:{width}}  {outcome}" + (f"  ({seconds})" if seconds else ""))
        print(f"{len(self.skips)} skipped" + (":" if self.skips else ""))
        for what in self.skips:
            print(f"skipped: {what}")
        if self.passed + self.failed:
            print(f"{self.passed} passed, {self.failed} failed, {len(self.skips)} skipped")
        sys.exit(1 if self.broken or self.failed else 0)
