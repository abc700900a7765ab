# SPDX-License-Identifier: Apache-2.0
"""Installs the Python package into the environment that runs this, as a user does from a clone: `pip install .`"""

import os
import subprocess
import sys
from pathlib import Path


def install():
    """The command and its environment. The build is the one of `cargo test`, whose artifacts it uses."""
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--disable-pip-version-check",
        "--quiet",
        "--no-deps",
    ]
    target = Path(os.environ.get("CARGO_TARGET_DIR") or "target").absolute()
    changed = {"MATURIN_PEP517_ARGS": "--profile dev", "CARGO_TARGET_DIR": str(target)}
    return [*command, "--force-reinstall", "."], os.environ | changed


if __name__ == "__main__":
    command, env = install()
    sys.exit(subprocess.run(command, env=env).returncode)
