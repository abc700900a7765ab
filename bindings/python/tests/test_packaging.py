# SPDX-License-Identifier: Apache-2.0
"""The package as pip installs it, and the command that comes with it."""

import importlib.metadata
import os
import re
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import rosettar

ROOT = Path(__file__).parents[3]


@pytest.fixture
def command():
    """The installed program, or the module where the package is used from its source."""
    program = Path(sys.executable).with_name("rosettar")
    return [str(program)] if program.exists() else [sys.executable, "-m", "rosettar"]


@pytest.fixture
def archive(tmp_path):
    path = tmp_path / "a.rtar"
    with rosettar.create(path) as w:
        for number in range(2000):
            w.add_bytes(f"file-{number:04}", b"x")
    return path


def test_metadata():
    metadata = importlib.metadata.metadata("rosettar")
    assert metadata["Version"] == rosettar.__version__
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["Requires-Python"] == ">=3.11"
    required = metadata.get_all("Requires-Dist")
    assert required and all("extra ==" in line for line in required), "a dependency that is not optional"
    assert set(metadata.get_all("Provides-Extra")) == {"arrow", "protobuf", "fsspec"}
    points = {(point.group, point.name) for point in importlib.metadata.distribution("rosettar").entry_points}
    assert points == {("console_scripts", "rosettar"), ("fsspec.specs", "rosettar")}


def test_the_wheel_is_abi3_and_holds_what_it_should():
    files = importlib.metadata.files("rosettar")
    names = {str(file) for file in files}
    assert {
        "rosettar/py.typed",
        "rosettar/_native.pyi",
        "rosettar/__init__.py",
    } <= names
    assert any(re.search(r"rosettar/_native\.(abi3\.so|pyd)$", name) for name in names)
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert not any("tests/" in name for name in names)
    wheel = next(file for file in files if file.name == "WHEEL").read_text()
    assert "Tag: cp311-abi3-" in wheel


def test_no_dependency_is_needed():
    others = ("pyarrow", "google.protobuf", "fsspec", "polars")
    code = f"import sys, rosettar; print([name for name in {others} if name in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_the_stated_minimum_agrees():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["requires-python"] == ">=3.11"
    assert "abi3-py311" in (ROOT / "bindings/python/Cargo.toml").read_text()


def test_the_command_is_the_command(command, archive):
    ran = subprocess.run([*command, "list", archive], capture_output=True, text=True, check=True)
    assert "file-1999" in ran.stdout
    assert (
        subprocess.run([*command, "--version"], capture_output=True, text=True).stdout.strip()
        == f"rosettar {rosettar.__version__}"
    )
    assert subprocess.run([*command, "info", "/no/such/file"], capture_output=True).returncode == 1
    wrong = subprocess.run([*command, "liszt"], capture_output=True, text=True)
    assert wrong.returncode == 1 and "Usage: rosettar" in wrong.stderr


def test_a_reader_that_leaves_is_no_error(command, archive):
    process = subprocess.Popen([*command, "list", archive], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait() == 0


def test_names_that_are_no_text_reach_the_command(command, tmp_path, archive):
    odd = os.fsencode(tmp_path) + b"/\xff.rtar"
    Path(os.fsdecode(odd)).write_bytes(archive.read_bytes())
    ran = subprocess.run([*map(os.fsencode, command), b"list", odd], capture_output=True)
    assert ran.returncode == 0 and b"file-0000" in ran.stdout


def test_ctrl_c_ends_the_command_and_leaves_nothing(command, tmp_path):
    """It waits for input that never comes: the first Ctrl-C ends it with 130, and no file is left."""
    out = tmp_path / "out"
    out.mkdir()
    reading, writing = os.pipe()
    process = subprocess.Popen(
        [*command, "extract", "-", "-C", out / "x"],
        stdin=reading,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(1.5)
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
        assert "Traceback" not in process.stderr.read()
        assert os.listdir(out) == []
    finally:
        os.close(writing)
        os.close(reading)
        process.kill()
        process.wait()
        process.stderr.close()
