# SPDX-License-Identifier: Apache-2.0
"""A writer whose process is killed at a system call, or of whose calls one fails: the old archive or the new one is there."""

import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import rosettar

# Of the trials, `make test` makes this part; `make test-slow` all.
PART = int(os.environ.get("ROSETTAR_CRASH_PART", "4"))

SCRIPT = """
import sys
import rosettar
home = sys.argv[1]
try:
    with rosettar.{begin} as w:
        w.add_bytes("file", b"content" * 5000)
        w.add_file("copy", home + "/source")
        w.attributes["a"] = "b"
except rosettar.Error as error:
    print(error.code, error, file=sys.stderr)
    sys.exit(1)
"""

BEGIN = {
    "create": "create(home + '/a.rtar', threads=1)",
    "over": "create(home + '/a.rtar', threads=1)",
    "append": "append(home + '/a.rtar', threads=1)",
}

FILE_CALLS = re.compile("open|read|write|sync|stat|rename|unlink|chmod|lseek|ftruncate|flock|statx|getdents")


def traced(home, log, script, *options):
    strace = ["strace", "-f", "-qq", "-y", "-s", "8", "-o", log, *options]
    environment = os.environ | {"PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run([*strace, sys.executable, "-c", script, home], capture_output=True, text=True, env=environment)


def calls_of(home, log, script):
    """The calls from the first on that names something in `home`: names, and how many of the name the thread had made."""
    ran = traced(home, log, script)
    assert ran.returncode == 0, ran.stderr
    counts, begun, found = {}, False, set()
    for line in log.read_text().splitlines():
        call = re.match(r"(\d+) (\w+)\(", line)
        if not call:
            continue
        thread, name = call.groups()
        # The home is an argument of the program too.
        begun = begun or (str(home) in line and name != "execve")
        counts[thread, name] = counts.get((thread, name), 0) + 1
        if begun:
            found.add((name, counts[thread, name]))
    return sorted(found)


def can_trace():
    if not shutil.which("strace"):
        return "strace not found"
    tried = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "inject=getppid:error=EIO", "true"]
    ran = subprocess.run(tried, capture_output=True, text=True)
    return None if ran.returncode == 0 else f"ptrace: {ran.stderr.strip()}"


def prepared(home, begin):
    home.mkdir()
    (home / "source").write_bytes(b"source" * 1000)
    if begin != "create":
        with rosettar.create(home / "a.rtar") as w:
            w.add_bytes("old", b"old")


def state(home):
    """The names that are there, without temporary ones, with the digest of what the archive has; and the temporary ones."""
    names = sorted(path.name for path in home.iterdir())
    content = None
    if "a.rtar" in names:
        with rosettar.open(home / "a.rtar") as archive:
            assert archive.verify().sound
            content = archive.info()["content_digest"]
    left = [name for name in names if name.endswith(".tmp")]
    return ([name for name in names if name not in left], content), left


@pytest.mark.parametrize("begin", BEGIN)
def test_a_writer_at_every_system_call(begin, tmp_path):
    why_not = can_trace()
    if why_not:
        pytest.skip(why_not)
    memory = Path("/dev/shm")
    top = Path(subprocess.check_output(["mktemp", "-d", "-p", memory if memory.is_dir() else tmp_path], text=True).strip())
    try:
        sweep(begin, top)
    finally:
        shutil.rmtree(top)


def sweep(begin, top):
    script = SCRIPT.format(begin=BEGIN[begin])
    home = top / "first"
    prepared(home, begin)
    old, _ = state(home)
    calls = calls_of(home, top / "first.log", script)
    new, left = state(home)
    assert old != new and not left and len(calls) > 20
    faults = [(call, "signal=KILL") for call in calls]
    faults += [(c, f"error={e}") for c in calls if FILE_CALLS.search(c[0]) for e in ("EIO", "ENOSPC", "EINTR")]
    hit = {"signal": 0, "error": 0}

    def trial(number):
        (name, count), fault = faults[number]
        home = top / str(number)
        prepared(home, begin)
        log = top / f"{number}.log"
        inject = ["-e", f"trace={name}", "-e", f"inject={name}:{fault}:when={count}"]
        ran = traced(home, log, script, *inject)
        found, left = state(home)
        told = f"{begin}: {fault} at {name} {count}: {ran.returncode}, {found}, left {left}: {ran.stderr}"
        was_hit = "killed by SIGKILL" in log.read_text() if "KILL" in fault else "(INJECTED)" in log.read_text()
        hit[fault.split("=")[0]] += was_hit
        if not was_hit or "EINTR" in fault:
            assert ran.returncode == 0 and found == new and not left, told
        elif "KILL" in fault:
            assert found in (old, new), told
        elif ran.returncode == 0:
            # What failed has something to take its place, or concerned Python itself.
            assert found == new and not left, told
        else:
            assert ran.returncode == 1, told
            if "io.durability" in ran.stderr or "is in place" in ran.stderr:
                assert found == new, told
            else:
                assert found == old, told
            assert all(name in ran.stderr for name in left), told
            if str(home) in log.read_text().split("(INJECTED)")[0].splitlines()[-1]:
                assert "io." in ran.stderr, told
        shutil.rmtree(home)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(trial, range(0, len(faults), PART)))
    assert hit["signal"] and hit["error"], hit
