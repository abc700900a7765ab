# SPDX-License-Identifier: Apache-2.0
"""A writer whose process is killed at a system call, or has one fail: the old archive or the new one is there."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
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
# From here on it is traced.
print("ready", flush=True)
sys.stdin.readline()
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
    """Runs the script, under strace once it is ready: exit code, negative for a signal, and what it said."""
    environment = os.environ | {"PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", script, str(home)]
    ran = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, env=environment)
    assert ran.stdout.readline() == "ready\n"
    strace = ["strace", "-f", "-qq", "-y", "-s", "8", "-o", log, *options, "-p", str(ran.pid)]
    tracer = subprocess.Popen(strace, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while "TracerPid:\t0\n" in Path(f"/proc/{ran.pid}/status").read_text():
        assert tracer.poll() is None, "strace ended"
        time.sleep(0.001)
    _, said = ran.communicate("go\n")
    tracer.wait()
    return ran.returncode, said


def calls_of(home, log, script):
    """The calls from the first on that names something in `home`: names, and how many of it the thread had made."""
    code, said = traced(home, log, script)
    assert code == 0, said
    counts, begun, found = {}, False, set()
    for line in log.read_text().splitlines():
        call = re.match(r"(\d+) +(\w+)\(", line)
        if not call:
            continue
        begun = begun or str(home) in line
        counts[call.groups()] = counts.get(call.groups(), 0) + 1
        if begun:
            found.add((call[2], counts[call.groups()]))
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
    """The names that are there, with the digest of what the archive has, but for temporary ones; and those."""
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
    # Where there is memory to write to, that is quicker.
    memory = Path("/dev/shm")
    top = Path(tempfile.mkdtemp(dir=memory if memory.is_dir() else tmp_path))
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
        code, said = traced(home, log, script, *inject)
        found, left = state(home)
        told = f"{begin}: {fault} at {name} {count}: {code}, {found}, left {left}: {said}"
        was_hit = "killed by SIGKILL" in log.read_text() if "KILL" in fault else "(INJECTED)" in log.read_text()
        hit[fault.split("=")[0]] += was_hit
        if not was_hit or "EINTR" in fault:
            assert code == 0 and found == new and not left, told
        elif "KILL" in fault:
            assert found in (old, new), told
        elif code == 0:
            # What failed has something to take its place, or concerned Python itself.
            assert found == new and not left, told
        else:
            assert code == 1, told
            if "io.durability" in said or "is in place" in said:
                assert found == new, told
            else:
                assert found == old, told
            assert all(name in said for name in left), told
            if str(home) in log.read_text().split("(INJECTED)")[0].splitlines()[-1]:
                assert "io." in said, told
        shutil.rmtree(home)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(trial, range(0, len(faults), PART)))
    assert hit["signal"] and hit["error"], hit
