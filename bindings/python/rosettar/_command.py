# SPDX-License-Identifier: Apache-2.0
"""The command ``rosettar``, which comes with the package: the same program as the one that cargo builds."""

import contextlib
import os
import signal
import sys

from rosettar import _native


def main() -> int:
    """Runs the command with the arguments of the process, and returns its exit code.

    It takes over the process's handling of interruptions: the first Ctrl-C lets the work stop and clean up after
    itself, one that comes a second later or more ends the process.
    """
    for descriptor in range(3):
        # What is opened next must not take the place of standard output or error.
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    # Python's own handler would raise KeyboardInterrupt besides. A signal that is ignored stays ignored.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        with contextlib.suppress(ValueError):  # On another thread than the main one.
            signal.signal(signal.SIGINT, signal.SIG_DFL)
    return _native.run_command(["rosettar", *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())
