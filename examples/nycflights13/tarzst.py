# SPDX-License-Identifier: Apache-2.0
"""GNU tar with zstd, for a machine without the program zstd.

tarzst.py extract ARCHIVE DIRECTORY
tarzst.py create ARCHIVE DIRECTORY FILE...
"""

import sys
import tarfile
from pathlib import Path

try:
    from compression import zstd
except ImportError:
    from backports import zstd

verb, archive, directory, *files = sys.argv[1:]
if verb == "extract":
    with zstd.open(archive) as stream, tarfile.open(fileobj=stream, mode="r|") as tar:
        # Python knows the filter from 3.11.4 on. Without it, extract only what you trust.
        tar.extraction_filter = getattr(tarfile, "data_filter", lambda member, path: member)
        tar.extractall(directory)
else:
    with zstd.open(archive, "w", level=3) as stream, tarfile.open(fileobj=stream, mode="w|") as tar:
        for file in files:
            tar.add(Path(directory, file), arcname=file)
