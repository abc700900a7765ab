# SPDX-License-Identifier: Apache-2.0
"""make test, make test-slow: every test of the project, and a summary.

A test that cannot run here prints a line `skipped: NAME: REASON`; all of them are listed again at the end.
"""

import os
import shutil
import sys

from python_package import install
from steps import Steps

# --show-output: what passing tests print, such as that they skipped a part.
# The Python package's native part has no tests of its own, and pip builds it with other settings for pyo3.
CARGO_TEST = ["cargo", "test", "--workspace", "--exclude", "rosettar-python", "--locked", "--no-fail-fast"]


def npm_ci(folder):
    return ["npm", "--prefix", folder, "ci", "--ignore-scripts", "--prefer-offline", "--no-audit", "--no-fund"]


def installed_javascript(steps):
    """Installs what the JavaScript reader needs, for the runner too; whether it is there."""
    missing = [program for program in ("node", "npm") if not shutil.which(program)]
    if missing:
        steps.skip(f"JavaScript reader, Kaitai descriptions: {' and '.join(missing)} not found")
        return False
    return steps.run("npm ci", npm_ci("conformance/javascript"))


def javascript(steps):
    """Tests the JavaScript reader, and then the Kaitai descriptions."""
    if not installed_javascript(steps):
        return
    steps.run("JavaScript reader", ["node", "--test", "conformance/javascript/test.mjs"])
    # They are compared with the reader.
    folder = "conformance/kaitai"
    if steps.run("npm ci, Kaitai", npm_ci(folder)):
        steps.run("Kaitai descriptions", ["node", "--test", f"{folder}/test.mjs"])
        steps.run("Kaitai descriptions in Python", [sys.executable, f"{folder}/test_python.py"])


def main():
    steps = Steps()
    if "--slow" in sys.argv[1:]:
        slow = ["--lib", "--bins", "--tests", "--", "--ignored", "--show-output", "--test-threads=1"]
        steps.run("slow tests", [*CARGO_TEST, *slow])
        steps.run("crates, used from an empty directory", [sys.executable, "tools/packages.py", "crates-used"])
        if steps.run("pip install .", *install()):
            oracle = [sys.executable, "-m", "pytest", "-q", "bindings/python/tests/oracle"]
            more = os.environ | {"ROSETTAR_ORACLE_PAIRS": "10000"}
            steps.run("Arrow output on 10 000 random pairs", oracle, env=more)
            crash = [sys.executable, "-m", "pytest", "-q", "bindings/python/tests/test_crash.py"]
            whole = os.environ | {"ROSETTAR_CRASH_PART": "1"}
            steps.run("a Python writer at every system call", crash, env=whole)
            steps.run("every verb on the worst archives", [sys.executable, "fuzz/worst/measure.py"])
        # The drivers, which `make test` has by then.
        driver = [
            "cargo",
            "build",
            "-p",
            "rosettar",
            "--features",
            "sqlite",
            "--locked",
            "--example",
            "conformance_driver",
        ]
        steps.run("the Rust crate's driver", driver)
        installed_javascript(steps)
        every = [sys.executable, "conformance/test_run.py", "--all"]
        steps.run("conformance/run with every driver on every vector", every)
    else:
        minimal = ["cargo", "check", "-p", "rosettar", "--no-default-features", "--locked"]
        steps.run("core crate without default features", minimal)
        steps.run("cargo test", [*CARGO_TEST, "--", "--show-output"])
        steps.run("conformance vectors, Python reader", [sys.executable, "conformance/test_vectors.py"])
        steps.run("C1Z vectors, Python reader", [sys.executable, "conformance/c1z/test_c1z.py"])
        packages = [sys.executable, "tools/packages.py"]
        steps.run("crates, packed and checked in an empty directory", [*packages, "crates"])
        if steps.run("Python package, made and installed from an empty directory", [*packages, "wheel"]):
            steps.run("Python package", [sys.executable, "-m", "pytest", "-q", "bindings/python/tests"])
            doctests = [sys.executable, "-m", "pytest", "-q", "--doctest-modules", "--pyargs", "rosettar"]
            steps.run("Python package, examples in its documentation", doctests)
            stubs = [sys.executable, "-m", "mypy.stubtest", "rosettar._native", "--ignore-disjoint-bases"]
            steps.run("Python package, stubs", stubs)
            worst = [sys.executable, "fuzz/worst/measure.py", "--quick"]
            steps.run("some verbs on some of the worst archives", worst)
        javascript(steps)
        # After the others, which have built the drivers of the crate and of the package.
        steps.run("conformance/run on every driver", [sys.executable, "conformance/test_run.py"])
    steps.finish()


if __name__ == "__main__":
    main()
