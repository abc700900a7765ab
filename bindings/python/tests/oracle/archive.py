# SPDX-License-Identifier: Apache-2.0
"""Archives of given schemas and records, written by the writer of the conformance vectors: nothing of the crate."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[4] / "conformance"))

from writer import Archive


def archive(streams):
    """An archive of streams, each a name, a descriptor set, a message type and its records."""
    out, streams = Archive(), list(streams)
    for name, descriptors, type_name, _ in streams:
        out.schema(descriptors, (name, type_name, 0))
    for name, _, _, records in streams:
        if records:
            out.batch(name, *records)
    return out.build()
