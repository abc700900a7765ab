#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Tests the runner: with the drivers of this project, and with drivers that are wrong on purpose.

    python conformance/test_run.py [--quick | --all]

The driver of the Rust crate is given all vectors, the others a sample; with `--quick` all get a sample, with `--all`
all vectors. The Rust driver is taken from ROSETTAR_CONFORMANCE_DRIVER or from the target directory, if it was built
(`cargo build --example conformance_driver`).
"""

import io
import json
import math
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE / "reader")]

import explain  # noqa: E402
import generate_manifests  # noqa: E402
import protojson  # noqa: E402
import rosettar_reader as reader  # noqa: E402
import rosettar_recover  # noqa: E402
import rosettar_stream  # noqa: E402
import wire  # noqa: E402

RUN = [sys.executable, str(HERE / "run")]
PYTHON_DRIVER = [sys.executable, str(HERE / "reader" / "driver.py")]
SAMPLE = [] if "--all" in sys.argv[1:] else ["--only", "*s-*"]


class Report:
    passed = failed = 0

    def check(self, name, problem):
        """Counts one test; `problem` is empty where it passed."""
        if problem:
            self.failed += 1
            print(f"failed: {name}: {problem}", flush=True)
        else:
            self.passed += 1


def run(*arguments, **options):
    done = subprocess.run([*RUN, *map(str, arguments)], capture_output=True, text=True, errors="replace", **options)
    return done.returncode, done.stdout + done.stderr


# ---------------------------------------------------------------------------------------------------------------------
# Drivers that are right
# ---------------------------------------------------------------------------------------------------------------------


def rust_driver():
    name = "conformance_driver" + (".exe" if os.name == "nt" else "")
    target = Path(os.environ.get("CARGO_TARGET_DIR", HERE.parent / "target"))
    places = [os.environ.get("ROSETTAR_CONFORMANCE_DRIVER"), target / "debug/examples" / name]
    return next(([str(place)] for place in places if place and Path(place).is_file()), None)


def package_driver():
    found = subprocess.run([sys.executable, "-c", "import rosettar, google.protobuf"], capture_output=True).returncode
    return [sys.executable, str(HERE / "drivers" / "python_package.py")] if found == 0 else None


def javascript_driver():
    """None where node or the reader's packages are missing (`npm ci`, which `make test` does)."""
    node, driver = shutil.which("node"), HERE / "javascript" / "driver.mjs"
    if not node or not driver.exists():
        return None
    about = subprocess.run([node, driver, "about"], capture_output=True).returncode
    return [node, str(driver)] if about == 0 else None


def test_drivers(report):
    drivers = {"Python reader": PYTHON_DRIVER, "Rust crate": rust_driver(), "Python package": package_driver()}
    if (HERE / "javascript").exists():
        drivers["JavaScript reader"] = javascript_driver()
    for name, command in drivers.items():
        if not command:
            print(f"skipped: conformance/run on the {name}: not built or not installed")
            continue
        # The readers in Python and JavaScript were given all vectors in one process, by tests of their own.
        sample = [] if name == "Rust crate" and "--quick" not in sys.argv[1:] else SAMPLE
        status, told = run(*sample, *command)
        print("\n".join(line for line in told.splitlines() if line.startswith(("L", "W", "all", "note"))))
        report.check(f"driver of the {name}", "" if status == 0 else told)
    status, told = run("--only", "*name*", "--no-skips", *PYTHON_DRIVER)
    report.check("nothing is skipped with the Python reader", "" if status == 0 else told)


def test_templates(report):
    commands = {"driver.py": [sys.executable], "driver.mjs": [shutil.which("node")]}
    for name, (program,) in commands.items():
        if not program:
            print(f"skipped: template/{name}: node not found")
            continue
        for vector, code in (("magic", "envelope.unknown-magic"), ("no-bytes", "envelope.truncated"), ("empty", None)):
            command = [program, str(HERE / "template" / name), "list", str(HERE / "vectors" / f"{vector}.rtar")]
            done = subprocess.run(command, capture_output=True, text=True)
            if code:
                right = done.returncode == 1 and json.loads(done.stdout)["code"] == code
            else:
                right = done.returncode == 2
            report.check(f"template/{name} on {vector}", "" if right else f"{done.returncode} {done.stdout}")


# ---------------------------------------------------------------------------------------------------------------------
# Drivers that are wrong
# ---------------------------------------------------------------------------------------------------------------------

FAKE = """
import json, os, signal, subprocess, sys, time
sys.path.insert(0, {reader!r})
import driver
mode, action, rest = sys.argv[1], sys.argv[2], sys.argv[3:]
about = {{"name": "fake " + mode, "version": "1", "levels": [0, 1, 2, 3], "writer": True}}
right = driver.run
def say(value, status=0):
    print(json.dumps(value)); sys.stdout.flush(); sys.exit(status)
if mode == "about-hangs": time.sleep(600)
if mode == "about-nothing": sys.exit(0)
if mode == "about-levels": say({{"name": "x", "version": "1", "levels": [7]}})
if action == "about": say(about)
if mode == "hangs": time.sleep(600)
if mode == "child":
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]); say({{}})
if mode == "floods":
    while True: sys.stdout.write("x" * 65536)
if mode == "floods-errors":
    for _ in range(2000): sys.stderr.write("e" * 65536)
    say({{"code": "magic.wrong"}}, 1)
if mode == "no-json": print("all is well"); sys.exit(0)
if mode == "no-object": say([1])
if mode == "nan": print('{{"entries": NaN}}'); sys.exit(0)
if mode == "nested": print("[" * 200000); sys.exit(0)
if mode == "no-code": say({{"message": "no"}}, 1)
if mode == "crashes": os.kill(os.getpid(), signal.SIGSEGV)
if mode == "exit-3": sys.exit(3)
if mode == "raises": raise ValueError("a bug")
if mode == "not-utf8": os.write(1, b'{{"a": "\\xff"}}'); sys.exit(0)
if mode == "skips": sys.exit(2)
if mode == "wrong-code": say({{"code": "path.duplicate"}}, 1)
if mode == "wrong-kind": say({{"code": "envelope.unknown-magic", "kind": "limit"}}, 1)
if mode == "other-code": say({{"code": "envelope.reserved"}}, 1)
try:
    found = right(action, rest)
except driver.reader.Refused as error:
    if mode == "accepts": say({{"entries": [], "streams": [], "attributes": {{}}, "root": ""}})
    say({{"code": error.code, "kind": error.kind}}, 1)
if mode == "no-entry": found["entries"] = found["entries"][1:]
if mode == "wrong-size": found["entries"][0]["size"] += 1
if mode == "wrong-target": found["entries"][0]["target"] = ""
if mode == "wrong-root": found["root"] = "00"
if mode == "wrong-content": found["content"] = None
if mode == "wrong-record": found["streams"][0]["json"][0] = {{"text": 1}}
if mode == "text-size": found["entries"][0]["size"] = str(found["entries"][0]["size"])
if mode == "no-recovery": os.unlink(rest[1])
if mode == "other-recovery": found["whole"] = not found["whole"]
if mode == "not-twice":
    import uuid
    with open(rest[0]) as file: manifest = json.load(file)
    manifest.setdefault("attributes", {{}})["id"] = str(uuid.uuid4())
    import rosettar_write
    with open(rest[1], "wb") as file: found = {{"root": rosettar_write.write_manifest(manifest, file).hex()}}
if mode == "writes-other":
    with open(rest[0]) as file: manifest = json.load(file)
    manifest["entries"][0]["text"] = "other"
    import rosettar_write
    with open(rest[1], "wb") as file: found = {{"root": rosettar_write.write_manifest(manifest, file).hex()}}
if mode == "writes-nothing": os.unlink(rest[1])
if mode == "writes-rubbish": open(rest[1], "wb").write(b"rubbish")
say(found)
"""

# mode: the level to run, the vectors, and what the runner must say.
WRONG = {
    "hangs": (1, "magic", "took longer than 2 s"),
    "child": (1, "magic", "took longer than 2 s"),
    "floods": (1, "magic", "printed more than"),
    "floods-errors": (1, "magic", "expected envelope.unknown-magic, found: refused with magic.wrong"),
    "no-json": (1, "magic", "printed no JSON"),
    "no-object": (1, "magic", "printed JSON that is no object"),
    "nan": (1, "empty", "NaN is not JSON"),
    "nested": (1, "empty", "printed no JSON"),
    "not-utf8": (1, "empty", "printed no JSON"),
    "no-code": (1, "magic", "has no `code`"),
    "crashes": (1, "magic", "ended by signal 11"),
    "exit-3": (1, "magic", "ended with exit code 3"),
    "raises": (1, "magic", "printed nothing"),
    "wrong-code": (1, "magic", "expected envelope.unknown-magic, found: refused with path.duplicate"),
    "wrong-kind": (1, "magic", "expected kind malformed of envelope.unknown-magic, found 'limit'"),
    "accepts": (1, "magic", "expected a refusal with envelope.unknown-magic, found: accepted"),
    "no-entry": (1, "modes", "entries: expected 5, found 4"),
    "wrong-size": (1, "file-and-record", "hello.txt: size: expected 6, found 7"),
    "text-size": (1, "file-and-record", "hello.txt: size: expected 6, found 6"),
    "wrong-target": (1, "file-and-record", "target: expected null"),
    "wrong-root": (1, "empty", "root: expected a6cc1f27"),
    "wrong-content": (1, "empty", "content: expected 72324f37"),
    "not-twice": ("W", "write-file", "different bytes"),
    "writes-other": ("W", "write-file", "hello.txt: size: expected 6, found 5"),
    "writes-nothing": ("W", "write-file", "no archive was written"),
    "writes-rubbish": ("W", "write-file", "envelope.unknown-magic"),
}


def test_wrong_drivers(report, folder):
    fake = folder / "fake.py"
    fake.write_text(FAKE.format(reader=str(HERE / "reader")))
    command = [sys.executable, str(fake)]
    for mode, (level, only, told) in WRONG.items():
        started = time.monotonic()
        status, found = run("--timeout", 2, "--levels", level, "--only", only, *command, mode)
        problem = "" if status == 1 and told in found else f"exit {status}, and not {told!r}: {found}"
        if time.monotonic() - started > 20:
            problem = problem or "it took too long"
        report.check(f"a driver that is wrong: {mode}", problem)
    for mode in ("about-hangs", "about-nothing", "about-levels"):
        status, found = run("--timeout", 2, *command, mode)
        report.check(f"a driver that is wrong: {mode}", "" if status == 2 and "`about`" in found else found)
    status, found = run("--levels", 1, "--only", "magic", *command, "skips")
    report.check("skips are reported", "" if status == 0 and "skipped: 1 ×" in found else found)
    status, found = run("--levels", 1, "--only", "magic", "--no-skips", *command, "skips")
    report.check("--no-skips", "" if status == 1 else found)
    status, found = run("--levels", 1, "--only", "magic", "--kinds", *command, "other-code")
    report.check("--kinds", "" if status == 0 else found)
    status, found = run(folder / "no-such-program")
    report.check("a driver that does not start", "" if status == 2 and "does not start" in found else found)
    status, found = run("--only", "no-such-vector", *PYTHON_DRIVER)
    report.check("no vector", "" if status == 2 else found)
    test_later_fields(report, folder, command)


def test_later_fields(report, folder, command):
    """Fields that not every vector has: `streamed`, `recovered`, `json`."""
    kit = folder / "fields"
    kit.mkdir()
    for name in ("run", "reader", "rosettar.v1.binpb"):
        (shutil.copytree if (HERE / name).is_dir() else shutil.copy2)(HERE / name, (kit / name))
    (kit / "vectors").mkdir()
    facts = json.loads((HERE / "vectors" / "file-and-record.json").read_text())
    facts["level"] = 2
    facts["streams"][0]["json"] = [{"text": "hello"}]
    facts["recovered"] = {"whole": True, "entries": ["hello.txt"], "records": {"greetings": 1, "none": 0}}
    shutil.copy2(HERE / "vectors" / "file-and-record.rtar", kit / "vectors")
    place = kit / "vectors" / "file-and-record.json"

    def try_it(name, expected_status, told, *arguments, **changes):
        place.write_text(json.dumps({**facts, **changes}))
        done = subprocess.run([sys.executable, kit / "run", *arguments], capture_output=True, text=True)
        found = done.stdout + done.stderr
        right = done.returncode == expected_status and told in found
        report.check(f"later fields: {name}", "" if right else f"exit {done.returncode}, not {told!r}: {found}")

    try_it("all", 0, "L3 recovers                              1", *command, "right")
    try_it("json", 1, "json: expected", "--levels", "2", *command, "wrong-record")
    try_it("whole", 1, "whole: expected true, found false", "--levels", "3", *command, "other-recovery")
    try_it("no archive", 1, "no archive was written", "--levels", "3", *command, "no-recovery")
    other = {"whole": True, "entries": [], "records": {"greetings": 2}}
    try_it("records", 1, "greetings", "--levels", "3", *command, "right", recovered=other)
    refused = {"code": "limit.frames"}
    try_it("refusal", 1, "found: accepted", "--levels", "3", *command, "right", recovered=refused)
    streamed = {"expect": "reject", "code": "tar.header"}
    try_it("streamed", 1, "expected a refusal with tar.header", "--levels", "3", *command, "right", streamed=streamed)
    try_it("level", 2, "nothing to run", "--levels", "1", *command, "right")


# ---------------------------------------------------------------------------------------------------------------------
# Reports, copies, explanations
# ---------------------------------------------------------------------------------------------------------------------


def test_reports(report, folder):
    fake = folder / "fake.py"
    files = {name: folder / name for name in ("junit", "badge", "json")}
    options = [part for name, path in files.items() for part in (f"--{name}", path)]
    run("--levels", 1, "--only", "p*", *options, sys.executable, fake, "wrong-code")
    suites = ElementTree.parse(files["junit"]).getroot()
    told = json.loads(files["json"].read_text())
    failures = len(suites.findall(".//failure"))
    right = failures == told["counts"]["failed"] > 0 and len(suites.findall(".//testcase")) == len(told["cases"])
    report.check("--junit and --json agree", "" if right else f"{failures} failures, {told['counts']}")
    badge = "".join(ElementTree.parse(files["badge"]).getroot().itertext())
    report.check("--badge", "" if f"none, {failures} failed" in badge else badge)
    run("--levels", 1, "--only", "p*", "--badge", files["badge"], *PYTHON_DRIVER)
    badge = "".join(ElementTree.parse(files["badge"]).getroot().itertext())
    report.check("--badge of what passed", "" if "L1" in badge and "failed" not in badge else badge)


def test_copy(report, folder):
    """The folder alone, elsewhere, from another directory."""
    copy = folder / "copied kit"
    shutil.copytree(HERE, copy, ignore=shutil.ignore_patterns("__pycache__", "node_modules"))
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [sys.executable, copy / "run", "--only", "path-*", sys.executable, copy / "reader" / "driver.py"]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    report.check("a copy of the kit", "" if done.returncode == 0 else done.stdout + done.stderr)
    command = [sys.executable, copy / "run", "--explain", "empty"]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    report.check("a copy explains", "" if "magic number" in done.stdout else done.stdout + done.stderr)
    shutil.rmtree(copy / "reader")
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    right = done.returncode == 0 and "why: " in done.stdout and "52 4F 53 45 54 54 41 52" in done.stdout
    report.check("a copy without reader/ explains", "" if right else done.stdout + done.stderr)


def test_explain(report, folder):
    for path in sorted((HERE / "vectors").glob("*.json")):
        facts = json.loads(path.read_text())
        if "expect" not in facts:
            continue
        text = explain.explain(path.with_suffix(".rtar"), facts)
        whole = facts["expect"] != "accept" or "from the end" not in text and "not annotated" not in text
        report.check(f"explain {facts['id']}", "" if facts["why"] in text and whole else text[-500:])
    status, told = run("--explain", "magi")
    report.check("--explain of no vector", "" if status == 2 and "magic" in told else told)
    status, told = run("--explain", HERE / "vectors" / "empty.rtar")
    report.check("--explain of a file", "" if status == 0 and "frame 2: section MANI" in told else told)


# ---------------------------------------------------------------------------------------------------------------------
# The Python reader at level 3, and records as JSON
# ---------------------------------------------------------------------------------------------------------------------


def test_damage(report, folder):
    """Cut and damaged archives: a stream is never confirmed, and what is recovered is sound."""
    random_source, path, out = random.Random(11), folder / "damaged.rtar", folder / "salvaged.rtar"
    sound = {name: (HERE / "vectors" / f"{name}.rtar").read_bytes() for name in ("file-and-record", "late-schemas")}
    for number in range(150):
        name = random_source.choice(sorted(sound))
        data = bytearray(sound[name])
        if number % 3:
            at = random_source.randrange(len(data))
            data[at] ^= 1 << random_source.randrange(8)
        else:
            at = random_source.randrange(len(data))
            del data[at:]
        what = f"{name}, {'flipped' if number % 3 else 'cut'} at {at}"
        try:
            rosettar_stream.ArchiveStream(io.BytesIO(data)).read()
            report.check(f"a damaged stream: {what}", "it was accepted")
        except reader.Refused:
            report.check(f"a damaged stream: {what}", "")
        path.write_bytes(data)
        try:
            account = rosettar_recover.recover(path, out)
        except reader.Refused as error:
            answers = ("envelope.truncated", "envelope.unknown-magic", "envelope.unsupported-version")
            report.check(f"recovery: {what}", "" if error.code in answers else str(error))
            continue
        with open(out, "rb") as file:
            archive = reader.Archive(file)
            archive.verify()
            kept = [entry.path for entry in archive.entries() if entry.kind in reader.USER_KINDS]
        with open(HERE / "vectors" / f"{name}.rtar", "rb") as file:
            same = reader.Archive(file).index.content_digest == archive.index.content_digest
        right = kept == account["entries"] and (same or not account["whole"])
        report.check(f"recovery: {what}", "" if right else str(account))


def test_json(report):
    """Records as JSON, against the package `protobuf`."""
    try:
        from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory
    except ImportError:
        print("skipped: JSON of records against protobuf: protobuf not installed")
        return
    files = [kitchen_sink(descriptor_pb2)]
    pool = descriptor_pool.DescriptorPool()
    imported = descriptor_pb2.FileDescriptorSet()
    for name in ("any", "duration", "field_mask", "struct", "timestamp", "wrappers"):
        module = __import__(f"google.protobuf.{name}_pb2", fromlist=["DESCRIPTOR"])
        imported.file.add().ParseFromString(module.DESCRIPTOR.serialized_pb)
    imported.file.extend(files)
    for file in imported.file:
        pool.Add(file)
    ordered = descriptor_pb2.FileDescriptorSet(file=sorted(imported.file, key=lambda file: file.name))
    mine = protojson.Pool(protojson.put_in_order(ordered.SerializeToString()))
    sink = message_factory.GetMessageClass(pool.FindMessageTypeByName("sink.Sink"))
    random_source = random.Random(5)
    for number in range(300):
        message = sink()
        fill(message, random_source, pool)
        data = message.SerializeToString()
        expected = json_format.MessageToDict(message, descriptor_pool=pool)
        found = mine.to_json("sink.Sink", data, 1 << 20)
        # float32: both print the shortest decimal; NaN and infinities are text.
        problem = "" if expected == found else f"expected {expected}, found {found}"
        report.check(f"JSON of record {number}", problem)
    try:
        mine.to_json("sink.Sink", message.SerializeToString() + b"\x0a", 1 << 20)
        report.check("a record that is cut", "accepted")
    except wire.Refused as error:
        report.check("a record that is cut", "" if error.code == "record.decode" else error.code)


def kitchen_sink(descriptor_pb2):
    """A file with fields of every scalar type: alone, optional, repeated, in a oneof; maps; well-known types."""
    file = descriptor_pb2.FileDescriptorProto(name="sink.proto", package="sink", syntax="proto3")
    names = ("any", "duration", "field_mask", "struct", "timestamp", "wrappers")
    file.dependency.extend(f"google/protobuf/{name}.proto" for name in names)
    message = file.message_type.add(name="Sink")
    enum = file.enum_type.add(name="Colour")
    for number, name in enumerate(("NO_COLOUR", "RED", "GREEN")):
        enum.value.add(name=name, number=number)
    message.oneof_decl.add(name="choice")
    kinds = [kind for kind in range(1, 19) if kind not in (10, 11)]
    types = {14: ".sink.Colour"}

    def add(name, kind, **options):
        number = len(message.field) + 1
        return message.field.add(name=name, number=number, type=kind, type_name=types.get(kind), **options)

    for kind in kinds:
        add(f"plain_{kind}", kind, label=1)
        add(f"many_{kind}_things", kind, label=3)
    for kind in (5, 9, 12):
        add(f"choice_{kind}", kind, label=1, oneof_index=0)
    add("self", 11, label=1).type_name = ".sink.Sink"
    add("selves", 11, label=3).type_name = ".sink.Sink"
    known = "Any Duration FieldMask Struct Value ListValue Timestamp"
    wrappers = "Int64Value StringValue BoolValue BytesValue DoubleValue"
    for name in known.split() + wrappers.split():
        add(f"known_{name.lower()}", 11, label=1).type_name = f".google.protobuf.{name}"
    for key, value in ((9, 5), (3, 9), (8, 14), (13, 11)):
        entry = message.nested_type.add(name=f"Map{key}Entry")
        entry.options.map_entry = True
        entry.field.add(name="key", number=1, label=1, type=key)
        entry.field.add(name="value", number=2, label=1, type=value, type_name={**types, 11: ".sink.Sink"}.get(value))
        add(f"map{key}", 11, label=3).type_name = f".sink.Sink.Map{key}Entry"
    for kind in (4, 8, 9):
        message.oneof_decl.add(name=f"_maybe_{kind}")
        add(f"maybe_{kind}", kind, label=1, oneof_index=len(message.oneof_decl) - 1, proto3_optional=True)
    return file


def fill(message, source, pool, depth=0):
    """Sets fields at random."""
    for field in message.DESCRIPTOR.fields:
        if source.random() < 0.6 or depth > 2:
            continue
        name = field.message_type.full_name if field.message_type else ""
        if name.startswith("google.protobuf."):
            fill_known(getattr(message, field.name), name, source, pool, depth)
        elif field.message_type and field.message_type.GetOptions().map_entry:
            values = field.message_type.fields_by_name["value"]
            keys = [scalar(source, field.message_type.fields_by_name["key"].type) for _ in range(3)]
            for key in keys:
                if values.message_type:
                    fill(getattr(message, field.name)[key], source, pool, depth + 1)
                else:
                    getattr(message, field.name)[key] = scalar(source, values.type)
        elif field.message_type:
            targets = [getattr(message, field.name)]
            if field.is_repeated:
                targets = [targets[0].add() for _ in range(source.randrange(3))]
            for target in targets:
                target.SetInParent() if not field.is_repeated else None
                fill(target, source, pool, depth + 1)
        elif field.is_repeated:
            getattr(message, field.name).extend(scalar(source, field.type) for _ in range(source.randrange(4)))
        else:
            setattr(message, field.name, scalar(source, field.type))


def scalar(source, kind):
    if kind in (1, 2):
        numbers = [0.0, -0.0, 0.1, 1 / 3, 1e-30, 3.4028235e38, 16777216.0, source.random(), math.inf, -math.inf]
        return source.choice(numbers)
    bits = {3: -64, 4: 64, 5: -32, 6: 64, 7: 32, 13: 32, 15: -32, 16: -64, 17: -32, 18: -64}.get(kind)
    if bits:
        low, high = (-(1 << -bits - 1), (1 << -bits - 1) - 1) if bits < 0 else (0, (1 << bits) - 1)
        return source.choice([0, 1, low, high, source.randint(low, high)])
    if kind == 8:
        return source.random() < 0.5
    if kind == 14:
        return source.choice([0, 1, 2, 9])
    text = source.choice(["", "a", "ä\0\u2028", "\U0001f600"])
    return text if kind == 9 else text.encode()


def fill_known(target, name, source, pool, depth):
    target.SetInParent()
    kind = name.rpartition(".")[2]
    if kind == "Timestamp":
        target.seconds = source.randint(-62135596800, 253402300799)
        target.nanos = source.choice([0, 1, 120000000, 123456000])
    elif kind == "Duration":
        sign = source.choice([1, -1])
        target.seconds = sign * source.choice([0, 315576000000])
        target.nanos = sign * source.choice([0, 1, 500000000])
    elif kind == "FieldMask":
        target.paths.extend(["a.b_c", "d"])
    elif kind == "Struct":
        target.update({"a": None, "b": [1, "x", {"c": True}]})
    elif kind == "ListValue":
        target.extend([1.5, False])
    elif kind == "Value":
        target.string_value = "v"
    elif kind == "Any":
        if source.random() < 0.5:
            target.type_url = "type.googleapis.com/google.protobuf.Duration"
            target.value = b"\x08\x05"
        else:
            target.type_url = "x/sink.Sink"
            target.value = b""
    elif kind.endswith("Value"):
        target.value = scalar(source, target.DESCRIPTOR.fields_by_name["value"].type)


def test_manifests(report):
    made = generate_manifests.generate()
    there = {path.name: path.read_text(encoding="utf-8") for path in (HERE / "writer").glob("*.json")}
    differ = [name for name in made.keys() | there.keys() if made.get(name) != there.get(name)]
    report.check("the manifests are those that generate_manifests.py makes", ", ".join(differ))


def main():
    report = Report()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        test_manifests(report)
        test_json(report)
        test_explain(report, folder)
        test_damage(report, folder)
        test_templates(report)
        test_wrong_drivers(report, folder)
        test_reports(report, folder)
        test_copy(report, folder)
        test_drivers(report)
    print(f"{report.passed} passed, {report.failed} failed")
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
