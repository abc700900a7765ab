#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The descriptions of spec/, compiled to Python, on all vectors: what is to accept parses, refused.json does not.

Needs Node, `npm ci` in this folder, and the package kaitaistruct.
"""

import hashlib
import importlib.util
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
KINDS = {"rosettar": (HERE.parent / "vectors", ".rtar"), "c1z": (HERE.parent / "c1z" / "vectors", ".c1z")}


def load(name, folder):
    """The class that reads what spec/NAME.ksy describes."""
    subprocess.run(["node", HERE / "compile.mjs", name, "python", folder], check=True)
    spec = importlib.util.spec_from_file_location(name, Path(folder) / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return getattr(module, name.capitalize())


def check_frames(found, data):
    """The frames and the seek table cover the archive, and sections have their digests."""
    offset = 29
    for frame in found.frames:
        assert frame.offset == offset
        offset += frame.stored_size
        if not frame.is_payload:
            body = data[frame.offset + 48 : offset]
            assert hashlib.sha256(body).digest() == frame.body.digest, frame.kind
    assert offset + 8 * len(found.seek_table.rows) + 17 == len(data)


def check(reader, name, path, expect, refusals):
    """What is wrong, or None."""
    data = path.read_bytes()
    try:
        found = reader.from_bytes(data)
    except refusals as error:
        return f"does not parse: {error}" if expect == "accept" else None
    if expect != "accept":
        return "parses"
    if name == "rosettar":
        check_frames(found, data)
    return None


def main():
    if not (importlib.util.find_spec("kaitaistruct") and shutil.which("node")):
        print("skipped: Kaitai descriptions in Python: kaitaistruct or node not found")
        return 0
    import kaitaistruct

    # Python decodes text strictly.
    refusals = (kaitaistruct.KaitaiStructError, EOFError, UnicodeDecodeError)
    refused = json.loads((HERE / "refused.json").read_text(encoding="utf-8"))
    passed = failed = 0
    with tempfile.TemporaryDirectory() as folder:
        for name, (vectors, suffix) in KINDS.items():
            reader = load(name, folder)
            listed = {vector for ids in refused[name].values() for vector in ids}
            for path in sorted(vectors.glob(f"*{suffix}")):
                expect = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))["expect"]
                if expect != "accept" and path.stem not in listed:
                    continue
                wrong = check(reader, name, path, expect, refusals)
                passed, failed = passed + (not wrong), failed + bool(wrong)
                if wrong:
                    print(f"{path.name}: {wrong}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
