#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Tests the vectors, the generator and the reader with each other, with the specification and with other programs.

python conformance/test_vectors.py [--all-bits]
"""

import contextlib
import hashlib
import io
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import tarfile
import tempfile
import unicodedata
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE / "reader")]

import dumps  # noqa: E402
import generate  # noqa: E402
import matrix  # noqa: E402
import mutants  # noqa: E402
import rosettar_reader as reader  # noqa: E402

VECTORS = HERE / "vectors"
COMPARED = ("entries", "streams", "attributes", "root", "content")
# What shows only when a record is decoded, which verifying an archive does not take.
DECODED = ("record.decode", "limit.record-values")


class Report:
    passed = failed = 0

    def check(self, name, problem):
        """Counts one test; `problem` is empty where it passed."""
        if problem:
            self.failed += 1
            print(f"failed: {name}: {problem}")
        else:
            self.passed += 1


def run(*arguments):
    """Runs the reader's command line; returns its status and what it printed as JSON."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
        status = reader.main([str(argument) for argument in arguments])
    return status, json.loads(out.getvalue() or "null")


def limit_arguments(facts):
    return [part for name, value in facts.get("limits", {}).items() for part in ("--limit", f"{name}={value}")]


def load_vectors():
    vectors = []
    for path in sorted(VECTORS.glob("*.rtar")):
        facts = json.loads(path.with_suffix(".json").read_text())
        vectors.append((facts, path))
    return vectors


def accepted(vectors):
    return [(facts, path) for facts, path in vectors if facts["expect"] == "accept"]


def schema_problem(schema, value, root=None, where="it"):
    """What of a value breaks a JSON Schema, as far as vectors.schema.json uses the language; empty where it fits."""
    root = schema if root is None else root
    if isinstance(schema, bool):
        return "" if schema else f"{where} must not be there"
    if "$ref" in schema:
        name = schema["$ref"].removeprefix("#/$defs/")
        problem = schema_problem(root["$defs"][name], value, root, where)
        if problem:
            return problem
    types = {"object": dict, "array": list, "string": str, "integer": int, "boolean": bool, "null": type(None)}
    wanted = schema.get("type")
    if wanted and (not isinstance(value, types[wanted]) or wanted == "integer" and isinstance(value, bool)):
        return f"{where} is no {wanted}"
    if "enum" in schema and value not in schema["enum"] or "const" in schema and value != schema["const"]:
        return f"{where} is {value!r}"
    if isinstance(value, str):
        if not re.search(schema.get("pattern", ""), value) or len(value) < schema.get("minLength", 0):
            return f"{where} is {value!r}"
    if isinstance(value, int) and not schema.get("minimum", value) <= value <= schema.get("maximum", value):
        return f"{where} is {value}"
    problems = []
    if isinstance(value, dict):
        problems += [f"{where} lacks {name}" for name in schema.get("required", ()) if name not in value]
        problems += ["it is empty"] if len(value) < schema.get("minProperties", 0) else []
        known, more = schema.get("properties", {}), schema.get("additionalProperties", True)
        for name, inner in value.items():
            problems.append(schema_problem(schema.get("propertyNames", True), name, root, f"the name {name}"))
            problems.append(schema_problem(known.get(name, more), inner, root, f"{where}.{name}"))
    if isinstance(value, list):
        few = len(value) < schema.get("minItems", 0)
        twice = schema.get("uniqueItems") and len({json.dumps(item) for item in value}) < len(value)
        problems += [f"{where} has too few items, or one twice"] if few or twice else []
        problems += [schema_problem(schema.get("items", True), item, root, f"{where}[]") for item in value]
    if "anyOf" in schema and all(schema_problem(one, value, root, where) for one in schema["anyOf"]):
        problems.append(f"{where} is none of what it may be")
    if "if" in schema:
        branch = "else" if schema_problem(schema["if"], value, root, where) else "then"
        problems.append(schema_problem(schema.get(branch, True), value, root, where))
    return next(filter(None, problems), "")


def test_schema(report, vectors):
    schema = json.loads((HERE / "vectors.schema.json").read_text())
    for facts, path in vectors:
        problem = schema_problem(schema, facts)
        problem = problem or ("" if facts["id"] == path.stem else "its id is another")
        report.check(f"schema {path.stem}", problem)
    # The validator itself: what must be refused is.
    good = next(facts for facts, _ in vectors if facts["expect"] == "accept" and facts["entries"])
    for change in (
        {"level": 4},
        {"level": True},
        {"code": "a.b"},
        {"more": 1},
        {"root": "0"},
        {"expect": "reject"},
        {"limits": {}},
    ):
        report.check(f"schema refuses {change}", "" if schema_problem(schema, good | change) else "it does not")


def test_index(report, vectors):
    """The index lists every file with its digest, and nothing else is there."""
    index = json.loads((VECTORS / "index.json").read_text())
    there = {path.stem for path in VECTORS.iterdir()} - {"index"}
    report.check("index lists all", "" if there == set(index["vectors"]) else f"{there ^ set(index['vectors'])}")
    for facts, path in vectors:
        listed = index["vectors"].get(facts["id"], {})
        for kind in ("rtar", "json"):
            digest = hashlib.sha256(path.with_suffix(f".{kind}").read_bytes()).hexdigest()
            report.check(f"index {path.stem}.{kind}", "" if listed.get(kind) == digest else "another digest")
    sizes = sum(path.stat().st_size for path in VECTORS.iterdir())
    report.check("size of all vectors", "" if sizes <= 8 << 20 else f"{sizes} bytes")
    refused = sum(facts["expect"] != "accept" for facts, _ in vectors)
    report.check(
        "more are refused than accepted", "" if 2 * refused > len(vectors) >= 250 else f"{refused} of {len(vectors)}"
    )


def test_matrix(report):
    if not matrix.SPEC.exists():
        print("skipped: matrix: FORMAT.md is not there")
        return
    for problem in matrix.problems() or [""]:
        report.check("matrix", problem)


def test_mutants(report):
    """A sample of the faults that mutants.py makes: all of them take minutes."""
    caught, missed = mutants.run(step=7)
    report.check("mutants", f"not caught: {missed}" if 100 * caught < 95 * (caught + len(missed)) else "")


def test_generator(report):
    made = generate.generate()
    committed = {path.name: path.read_bytes() for path in VECTORS.iterdir()}
    for name in sorted(made.keys() | committed.keys()):
        same = made.get(name) == committed.get(name)
        report.check(f"generate {name}", "" if same else "the generator makes something else than is committed")


def test_dumps(report):
    if not dumps.SPEC.exists():
        print("skipped: dumps: FORMAT.md is not there")
        return
    spec = dumps.SPEC.read_text(encoding="utf-8")
    problem = "" if dumps.with_dumps(spec) == spec else "they are not those of the vectors; run dumps.py --write"
    report.check("dumps in FORMAT.md", problem)


def told(value):
    """Streams without their records: those are compared by conformance/run."""
    if isinstance(value, list):
        return [{key: fact for key, fact in row.items() if key != "json"} for row in value]
    return value


def test_verdicts(report, vectors):
    for facts, path in vectors:
        status, found = run("verify", path, "--json", *limit_arguments(facts))
        if facts["expect"] == "accept" or facts["code"] in DECODED:
            compared = COMPARED if facts["expect"] == "accept" else ()
            wrong = f"refused: {found}" if status else ""
            wrong = wrong or ", ".join(
                f"{key} is {found[key]}" for key in compared if told(found[key]) != told(facts[key])
            )
        else:
            right = status == 2 and (found["code"], found["kind"]) == (facts["code"], facts["kind"])
            wrong = "" if right else f"expected {facts['code']}, found {found}"
        report.check(f"verify {facts['id']}", wrong)


def test_single_entries(report, vectors):
    """Reads each entry alone, last ones first, and all records."""
    for facts, path in accepted(vectors):
        with open(path, "rb") as file:
            archive, problem = reader.Archive(file), ""
            for entry in reversed(archive.entries()):
                content = archive.read(entry)
                if entry.digest and hashlib.sha256(content).digest() != entry.digest:
                    problem = f"{entry.path} has another content"
            for stream in facts["streams"]:
                if len(list(archive.records(stream["name"]))) != stream["records"]:
                    problem = f"stream {stream['name']} has another number of records"
        report.check(f"read {facts['id']}", problem)


def test_extraction(report, vectors):
    for facts, path in vectors:
        with tempfile.TemporaryDirectory() as folder:
            target = Path(folder) / "out"
            status, found = run("extract", path, "--json", "-C", target, *limit_arguments(facts))
            if facts.get("code") in DECODED:
                continue
            refusal = facts if facts["expect"] != "accept" else facts.get("extract")
            if status == 2 and found["code"] == "policy.name":
                problem = os.listdir(folder)  # this host cannot hold the names, which is no fault of the reader
            elif refusal:
                problem = "" if status == 2 and found["code"] == refusal["code"] else f"found {found}"
                problem = problem or os.listdir(folder)
            else:
                problem = f"refused: {found}" if status else tree_problem(target, facts["entries"])
                for base, names, _ in os.walk(folder):
                    for name in names:
                        os.chmod(os.path.join(base, name), 0o700)
            report.check(f"extract {facts['id']}", problem)


def tree_problem(root, entries):
    for entry in entries:
        path = root / entry["path"]
        status = path.lstat()
        kind = {stat.S_IFREG: "file", stat.S_IFDIR: "directory", stat.S_IFLNK: "symlink"}[stat.S_IFMT(status.st_mode)]
        if kind != entry["kind"] or kind != "symlink" and stat.S_IMODE(status.st_mode) != entry["mode"]:
            return f"{entry['path']} has another kind or mode"
        if abs(entry["mtime"]) < 1 << 31:
            if status.st_mtime_ns != entry["mtime"] * 1_000_000_000 + entry["nanoseconds"]:
                return f"{entry['path']} has another time"
        if kind == "symlink" and os.readlink(path) != entry["target"]:
            return f"{entry['path']} has another target"
        if kind == "file" and os.access(path, os.R_OK):
            if hashlib.sha256(path.read_bytes()).hexdigest() != entry["sha256"]:
                return f"{entry['path']} has another content"
    return ""


def refuses(data):
    try:
        reader.Archive(io.BytesIO(data)).verify()
    except reader.Refused:
        return True
    return False


def test_damage(report):
    """Every truncation of the empty archive is refused, and every flip of one bit of a sample."""
    data = (VECTORS / "empty.rtar").read_bytes()
    taken = [length for length in range(len(data)) if not refuse_cut(data[:length])]
    report.check("truncations", f"accepted at {taken}" if taken else "")
    step = 1 if "--all-bits" in sys.argv else 13
    taken = []
    for bit in range(0, 8 * len(data), step):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        if not refuses(bytes(damaged)):
            taken.append(bit)
    report.check("flipped bits", f"accepted at {taken}" if taken else "")


def refuse_cut(data):
    """Like `refuses`; a file that is cut off has lost its seek table, at the latest."""
    try:
        reader.Archive(io.BytesIO(data))
    except reader.Refused as error:
        return error.code == ("envelope.truncated" if len(data) < 29 else "seek-table.footer")
    return False


def test_tarfile(report, vectors):
    types = {tarfile.REGTYPE: "file", tarfile.DIRTYPE: "directory", tarfile.SYMTYPE: "symlink"}
    for facts, path in accepted(vectors):
        problem, names = "", []
        with tarfile.open(fileobj=io.BytesIO(reader.zstd.decompress(path.read_bytes()))) as tar:
            members = [member for member in tar if not member.name.startswith(".rosettar/")]
            for member, entry in zip(members, facts["entries"]):
                found = (member.name, types[member.type], member.size, member.mode, float(member.mtime))
                stated = tuple(entry[key] for key in ("path", "kind", "size", "mode")) + (float(entry["mtime"]),)
                if found != stated or member.issym() and member.linkname != entry["target"]:
                    problem = f"{found} instead of {stated}"
                elif member.isfile() and hashlib.sha256(tar.extractfile(member).read()).hexdigest() != entry["sha256"]:
                    problem = f"{member.name} has another content"
                names.append(member.name)
        if not problem and (len(members) != len(facts["entries"])):
            problem = f"{len(members)} entries instead of {len(facts['entries'])}"
        report.check(f"tarfile {facts['id']}", problem)


def unescaped(name):
    """A name as bsdtar prints it: backslashes are doubled, bytes of unusual characters octal."""
    out = re.sub(rb"\\(\\|[0-7]{3})", lambda m: b"\\" if m[1] == b"\\" else bytes([int(m[1], 8)]), name.encode())
    return out.decode()


def test_programs(report, vectors):
    """zstd, GNU tar and bsdtar list what the vectors say, as far as they are installed."""
    commands = {"zstd": ["-q", "-t"], "tar": ["--quoting-style=literal", "-tf", "-"], "bsdtar": ["-tf", "-"]}
    for program, arguments in commands.items():
        if not shutil.which(program):
            print(f"skipped: {program}: {program} not found")
            continue
        if program == "tar" and b"GNU" not in subprocess.run(["tar", "--version"], capture_output=True).stdout:
            print("skipped: tar: GNU tar not found")
            continue
        for facts, path in accepted(vectors):
            data = path.read_bytes()
            data = reader.zstd.decompress(data) if program == "tar" else data
            environment = os.environ | {"LC_ALL": "C.UTF-8"}
            done = subprocess.run([program, *arguments], input=data, capture_output=True, env=environment)
            problem = done.stderr.decode(errors="replace") if done.returncode or done.stderr else ""
            if not problem and program != "zstd":
                names = done.stdout.decode().split("\n")[:-1]
                if program == "bsdtar":  # it escapes what it does not print, and composes what it does
                    names = [unescaped(name) for name in names]
                names = [name for name in names if not name.startswith(".rosettar/")]
                stated = [entry["path"] + "/" * (entry["kind"] == "directory") for entry in facts["entries"]]
                if program == "bsdtar":
                    names, stated = ([unicodedata.normalize("NFC", n) for n in some] for some in (names, stated))
                problem = "" if names == stated else f"lists {names}"
            report.check(f"{program} {facts['id']}", problem)


def test_magic(report, vectors):
    """file(1) knows archives by spec/magic, and nothing else for one."""
    magic = HERE.parent / "spec" / "magic"
    if not magic.exists() or not shutil.which("file"):
        print("skipped: magic: spec/magic is not there" if not magic.exists() else "skipped: magic: file not found")
        return
    known = [
        (facts, path) for facts, path in vectors if path.read_bytes()[:25] == reader.EMPTY_FRAME + reader.HEADER_START
    ]
    others = [(facts, path) for facts, path in vectors if (facts, path) not in known]
    for option in ("--mime-type", "--extension", "--no-pad"):
        paths = [path for _, path in known + others]
        command = ["file", "--brief", option, "-m", str(magic), *map(str, paths)]
        lines = subprocess.run(command, capture_output=True, text=True).stdout.splitlines()
        for (facts, path), line in zip(known + others, lines, strict=True):
            version = "".join(f"{number}." for number in path.read_bytes()[25:27])[:-1]
            told = {"--mime-type": "application/vnd.rosettar", "--extension": "rtar"}.get(option, "Rosettar archive")
            whole = option != "--no-pad" or line.startswith(f"Rosettar archive, version {version}")
            right = line.startswith(told) and whole if (facts, path) in known else "osettar" not in line
            report.check(f"magic {option} {facts['id']}", "" if right else f"file says {line}")


def main():
    report, vectors = Report(), load_vectors()
    test_generator(report)
    test_schema(report, vectors)
    test_index(report, vectors)
    test_matrix(report)
    test_dumps(report)
    test_verdicts(report, vectors)
    test_single_entries(report, vectors)
    test_extraction(report, vectors)
    test_damage(report)
    test_tarfile(report, vectors)
    test_programs(report, vectors)
    test_magic(report, vectors)
    test_mutants(report)
    print(f"{report.passed} passed, {report.failed} failed")
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
