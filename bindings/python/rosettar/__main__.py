# SPDX-License-Identifier: Apache-2.0
"""``python -m rosettar`` is the command ``rosettar``."""

import sys

from rosettar._command import main

if __name__ == "__main__":
    sys.exit(main())
