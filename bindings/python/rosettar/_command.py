# SPDX-License-Identifier: Apache-2.0
"""The command ``rosettar``, which comes with the package: the same program as the one that cargo builds."""

import sys

from rosettar import _native


def main() -> int:
    """Runs the command with the arguments of the process, and returns its exit code.

    It takes over the process's handling of interruptions: the first Ctrl-C lets the work stop and clean up after
    itself, the second ends the process.
    """
    return _native.run_command(["rosettar", *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())
