# SPDX-License-Identifier: Apache-2.0
"""Runs a command and ends as it does: launch.py COMMAND ARGUMENT...

Whoever starts a process and asks for its peak memory is told no less than what he takes himself, since Linux counts
from before the program was loaded. This takes little.
"""

import os
import sys

_, status = os.waitpid(os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ), 0)
sys.exit(os.waitstatus_to_exitcode(status))
