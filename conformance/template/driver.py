#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The beginning of a driver for conformance/run, in Python. It checks the first 29 bytes of an archive; the rest is
yours. README.md has the protocol, FORMAT.md the format.

    conformance/run --levels 0 python3 driver.py
"""

import json
import sys


class Refused(Exception):
    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


class NotImplementedYet(Exception):
    """The runner counts it as skipped."""


FIRST = bytes.fromhex("28B52FFD2000010000 5A2A4D180C000000") + b"ROSETTAR"


def check_first_bytes(data):
    """FORMAT.md, section 3.1."""
    if data[:25] != FIRST[: len(data)]:
        raise Refused("envelope.unknown-magic", "this is no Rosettar archive")
    if len(data) < 29:
        raise Refused("envelope.truncated", "the file ends within its header")
    if data[25] != 1:
        raise Refused("envelope.unsupported-version", f"major version {data[25]}")
    if data[27:29] != b"\0\0":
        raise Refused("envelope.reserved", "reserved bytes are not zero")


def list_archive(path, limits):
    with open(path, "rb") as file:
        check_first_bytes(file.read(29))
    # Section 11.1 goes on:
    # 2. the end of the file: the seek table's footer, and with it the place of INDX (section 9)
    # 3. INDX: head, digest, the rules of section 8 in the order of their table
    # 4. the seek table, rebuilt from the index and compared
    # 5. the manifest (section 4)
    # then, for one who lists: late Schemas (step 8); the pages of the entry table (step 6, section 7), and entry by
    # entry what only all of them together show (step 11); the last payload frame
    raise NotImplementedYet
    # return {"entries": [...], "streams": [...], "attributes": {...}, "root": "..."}
    # an entry: path, kind ("file", "directory", "symlink"), size, mode, mtime, nanoseconds, target (None but for links)


def run(action, arguments):
    if action == "about":
        return {"name": "mine", "version": "0", "levels": [0], "writer": False}
    if action == "list":
        limits = dict(argument.split("=", 1) for argument in arguments[1:])
        return list_archive(arguments[0], limits)
    raise NotImplementedYet


def main():
    try:
        print(json.dumps(run(sys.argv[1], sys.argv[2:])))
        return 0
    except Refused as error:
        print(json.dumps({"code": error.code, "message": str(error)}))
        return 1
    except NotImplementedYet:
        return 2
    except Exception as error:  # Python's own exit code for it is 1, which would say "refused"
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 3


if __name__ == "__main__":
    sys.exit(main())
