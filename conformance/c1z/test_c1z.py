#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Tests the C1Z vectors, their generator and the reader with each other: python conformance/c1z/test_c1z.py

With files as arguments, reads these instead, and prints for each what `summary` gives, as one JSON object a line.
"""

import json
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import c1z_reader as reader  # noqa: E402
import generate  # noqa: E402


def verdict(data):
    try:
        return reader.summary(reader.read(data))
    except reader.Refused as refused:
        return refused.code


def main(paths):
    if paths:
        for path in paths:
            print(json.dumps(verdict(Path(path).read_bytes())))
        return 0
    failures = []
    known = {b"": 0xEF46DB3751D8E999, b"abc": 0x44BC2CF5AD770999}
    failures += [f"xxh64 of {text}" for text, value in known.items() if reader.xxh64(text) != value]
    made = generate.generate()
    committed = {path.name: path.read_bytes() for path in generate.VECTORS.iterdir()}
    failures += [
        f"generate {name}" for name in sorted(made.keys() | committed) if made.get(name) != committed.get(name)
    ]
    count = 0
    for name in sorted(name for name in made if name.endswith(".json")):
        facts, data = json.loads(made[name]), made[name.replace(".json", ".c1z")]
        found = verdict(data)
        wanted = (
            facts["code"]
            if facts["expect"] == "reject"
            else {key: facts[key] for key in found}
            if isinstance(found, dict)
            else "accept"
        )
        count += 1
        if found != wanted:
            failures.append(f"{facts['id']}: expected {wanted}, found {found}")
    for failure in failures:
        print(f"failed: {failure}")
    print(f"{count - len(failures)} passed, {len(failures)} failed")
    return bool(failures)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
