#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Leaves out each check of the Python reader in turn, and tells whether the vectors notice.

    python conformance/mutants.py [--step N] [--only TEXT] [--list]

A mutant is the reader with one check less: a call of `require`, or of another function that takes a condition, is
skipped; one part of a condition that has several is left out; an `if` that only raises never does. Each runs the
vectors until one comes out otherwise than it says. What no vector notices is printed, and fewer than 95 of 100 fail.
`--step 7` tries every seventh mutant only.
"""

import argparse
import ast
import copy
import importlib.abc
import importlib.util
import io
import json
import signal
import sys
import tempfile
import types
from pathlib import Path

HERE = Path(__file__).resolve().parent
READER, VECTORS = HERE / "reader", HERE / "vectors"
# What writes is not what reads; the driver checks nothing of an archive.
SKIPPED = {"driver", "rosettar_write"}
# Functions that judge no archive: they serve the command line, or say what the system said.
SKIPPED_FUNCTIONS = ("main", "parse_limit", "Archive._read_at", "taker.take")
# What reading one entry alone finds.
ALONE = ("tar.header", "tar.padding", "entry.digest")
SECONDS = 10  # for one vector
# Checks that no archive can show, and why. A key is the module, the function, and the beginning of the check.
LIBRARY = "what else is malformed is left to a protobuf library (FORMAT.md, section 4.2)"
SAME = "what comes after it refuses the same archives with the same code; it saves work, or bounds it"
REBUILT = "the header that is rebuilt from what was read differs from the one that is there, with the same code"
HOST = "is about the system or the caller, not about an archive"
NO_FORM = "the value has no canonical JSON: what is shown instead is left to a reader"
EQUIVALENT = {
    "protojson.Pool.__init__: check(message.fields.keys() == {1, 2}": LIBRARY,
    "protojson.Pool._add_symbol: full not in self.packages": LIBRARY,
    "protojson.Pool._add_file: check(package not in self.symbols": LIBRARY,
    "protojson.Pool._add_field: check(1 <= descriptor.label <= 3": LIBRARY,
    "protojson.Pool._add_field: check(0 <= field.kind <= SINT64": LIBRARY,
    "protojson.Pool._resolve: check(is_enum == (field.kind == ENUM_TYPE)": LIBRARY,
    "protojson.Pool._resolve: check(not field.type_name": LIBRARY,
    "protojson.Pool._print_json_value: if number == 2": NO_FORM,
    "protojson.Pool._print_timestamp": NO_FORM,
    "protojson.Pool._print_duration": NO_FORM,
    "protojson.Pool._print_field_mask": NO_FORM,
    "rosettar_reader.section_head: kind.isascii()": "`isalpha` of bytes is about ASCII alone",
    "rosettar_reader.decode_frame: if not zstd": HOST,
    "rosettar_reader.decode_frame: require(len(content) == size": "the zstd library compares the two",
    "rosettar_reader.PathTable.add: require(few": "it takes an archive of a million directories",
    "rosettar_reader.check_features: require(set(names).isdisjoint": "an unknown feature is refused first",
    "rosettar_reader.page_entries: require(offset < 1 << 64": SAME,
    "rosettar_reader.Archive._find_index: require(self.size >= 29 + 17": SAME,
    "rosettar_reader.Archive._accept_index: stored[2] >= 48": SAME,
    "rosettar_reader.Archive.verify: require(not self._rest": "pages and index leave no other place for it",
    "rosettar_reader.extract: if": HOST,
    "rosettar_reader.extract: os.path": HOST,
    "rosettar_recover.Indexed.__init__: require(end - at - 48": SAME,
    "rosettar_recover.parse_members.take": "the payload ends there, too",
    "rosettar_recover.members_by_chain: require(content_size": SAME,
    "rosettar_recover.members_by_chain: require(size": "section 11.3 leaves it open",
    "rosettar_recover.Salvage._sections_by_index: require(size": SAME,
    "rosettar_recover.Salvage._records: if error.code": "no other code comes there",
    "rosettar_stream.walk_frame: require(frame[:4]": "it is only called where they are right",
    "rosettar_stream.walk_frame: require(1 <= size": SAME,
    "rosettar_stream.pax_facts: require(right and": REBUILT,
    "rosettar_stream.pax_facts: right of": REBUILT,
    "rosettar_stream.pax_facts: key in": REBUILT,
    "rosettar_stream.read_header: require(size <= 2": SAME,
    "rosettar_stream.read_header: require(kind": REBUILT,
    "rosettar_stream.read_header: require(0 <= size": REBUILT,
    "rosettar_stream.read_header: 0 <= size": REBUILT,
    "rosettar_stream.read_header: -(1 << 63)": REBUILT,
    "rosettar_stream.ArchiveStream._begin: require(magic": SAME,
    "rosettar_stream.ArchiveStream._next_chunk: self.decoded of": SAME,
    "rosettar_stream.ArchiveStream._late_schema: require(self.awaited": SAME,
    "rosettar_stream.ArchiveStream.read: require(self.awaited": SAME,
    "rosettar_stream.ArchiveStream.read: require(offset": SAME,
    "rosettar_stream.ArchiveStream._content: if scanner.fault": SAME,
    "rosettar_stream.ArchiveStream._tail: require(length - 40": SAME,
    "rosettar_stream.ArchiveStream._tail: require(len(self.seen)": SAME,
    "rosettar_stream.ArchiveStream._limit_index": SAME,
    "rosettar_stream.ArchiveStream._confirm: require(count ==": SAME,
    "rosettar_stream.ArchiveStream._confirm: require(len(self.schemas)": SAME,
    "rosettar_stream.ArchiveStream._confirm: require(len(entries)": SAME,
    "wire.varint: shift > 63": SAME,
    "wire.varint: if value >> 64": "a reader may do as its library does (section 1)",
    "wire.wire_fields: tag >> 32": "a reader may do as its library does (section 1)",
}


# ---------------------------------------------------------------------------------------------------------------------
# Finding checks
# ---------------------------------------------------------------------------------------------------------------------


class Check:
    """A place in a module where something can be left out: a node by its number, and which part of its condition."""

    def __init__(self, module, function, node, number, part, text):
        self.module, self.function, self.node, self.number, self.part = module, function, node, number, part
        self.text = " ".join(text.split())

    def __str__(self):
        return f"{self.module}.{self.function}: {self.text}"


def checkers(tree):
    """Functions whose first parameter is a condition."""
    names = {"require"}
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.args.args and node.args.args[0].arg == "condition":
            names.add(node.name)
    return names


def parts_of(condition, kind):
    return condition.values if isinstance(condition, ast.BoolOp) and isinstance(condition.op, kind) else []


def find(name, source):
    """All checks of a module."""
    tree, out = ast.parse(source), []
    names, number = checkers(tree), -1

    def visit(node, function):
        nonlocal number
        number += 1
        mine = number
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            function = f"{function}.{node.name}".lstrip(".")
        call = node.value if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) else None
        if call and isinstance(call.func, ast.Name) and call.func.id in names and call.args:
            condition = call.args[0]
            out.append(Check(name, function, node, mine, None, ast.unparse(node)))
            for part, one in enumerate(parts_of(condition, ast.And)):
                out.append(Check(name, function, node, mine, part, f"{ast.unparse(one)} of {ast.unparse(node)}"))
        if isinstance(node, ast.If) and len(node.body) == 1 and isinstance(node.body[0], ast.Raise):
            out.append(Check(name, function, node, mine, None, f"if {ast.unparse(node.test)}: raise"))
            for part, one in enumerate(parts_of(node.test, ast.Or)):
                out.append(
                    Check(name, function, node, mine, part, f"{ast.unparse(one)} of if {ast.unparse(node.test)}")
                )
        for child in ast.iter_child_nodes(node):
            visit(child, function)

    visit(tree, "")
    return out


def without(source, check):
    """The module's code without the check."""
    tree, number = ast.parse(source), -1

    def visit(node):
        nonlocal number
        number += 1
        if number == check.number:
            condition = node.test if isinstance(node, ast.If) else node.value.args[0]
            if check.part is None:
                new = ast.Constant(not isinstance(node, ast.If))
            else:
                new = copy.copy(condition)
                new.values = [one for part, one in enumerate(condition.values) if part != check.part]
                new = new.values[0] if len(new.values) == 1 else new
            if isinstance(node, ast.If):
                node.test = new
            else:
                node.value.args[0] = new
            return True
        return any(visit(child) for child in ast.iter_child_nodes(node))

    assert visit(tree)
    return compile(ast.fix_missing_locations(tree), f"{check.module}.py", "exec")


# ---------------------------------------------------------------------------------------------------------------------
# Running
# ---------------------------------------------------------------------------------------------------------------------


class Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds the modules of the reader among compiled ones."""

    def __init__(self, compiled):
        self.compiled = compiled

    def find_spec(self, name, path=None, target=None):
        return importlib.util.spec_from_loader(name, self) if name in self.compiled else None

    def exec_module(self, module):
        module.__file__ = str(READER / f"{module.__name__}.py")
        exec(self.compiled[module.__name__], module.__dict__)


class Reader:
    """The modules of the reader, one of them changed perhaps, driven as conformance/run does, but in this process."""

    def __init__(self, compiled):
        kept, finder = {name: sys.modules.pop(name) for name in compiled if name in sys.modules}, Finder(compiled)
        sys.meta_path.insert(0, finder)
        try:
            self.driver = importlib.import_module("driver")
            for name in compiled:
                importlib.import_module(name)
            self.refused = sys.modules["rosettar_reader"].Refused
            self.modules = {name: sys.modules.pop(name) for name in compiled}
        finally:
            sys.meta_path.remove(finder)
            for name in compiled:
                sys.modules.pop(name, None)
            sys.modules.update(kept)

    def answer(self, action, *arguments, data=b""):
        """What the driver prints, or the code of a refusal, or what went wrong with it."""
        kept, stdin = {name: sys.modules.get(name) for name in self.modules}, sys.stdin
        alarm(SECONDS)
        sys.modules.update(self.modules)  # the driver imports some of them when it needs them
        sys.stdin = types.SimpleNamespace(buffer=io.BytesIO(data))
        try:
            return self.driver.run(action, [str(argument) for argument in arguments])
        except self.refused as error:
            return error.code
        except (Exception, TooLong) as error:  # a check less may end in anything
            return f"crash: {type(error).__name__}"
        finally:
            alarm(0)
            sys.stdin = stdin
            for name, module in kept.items():
                if module is None:
                    sys.modules.pop(name, None)
                else:
                    sys.modules[name] = module


class TooLong(BaseException):
    """A call took longer than any vector should."""


def alarm(seconds):
    """Ends a call that a mutant leads astray; where the system has no alarm, nothing does."""

    def ring(signum, frame):
        raise TooLong

    if hasattr(signal, "SIGALRM"):
        signal.signal(signal.SIGALRM, ring)
        signal.alarm(seconds)


def load():
    """The vectors: facts, path, limits as arguments."""
    out = []
    for path in sorted(VECTORS.glob("*.rtar")):
        facts = json.loads(path.with_suffix(".json").read_text())
        limits = [f"{name}={value}" for name, value in facts.get("limits", {}).items()]
        out.append((facts, path, limits))
    return out


def alone(facts, path, limits, reader):
    """Whether entries that are read one by one, without verifying the archive, come out otherwise."""
    module = reader.modules["rosettar_reader"]
    with open(path, "rb") as file:
        try:
            archive = module.Archive(file, {name: value for name, value in facts.get("limits", {}).items()})
            for entry in reversed(archive.entries()):
                archive.read(entry)
            found = None
        except module.Refused as error:
            found = error.code
        except Exception as error:
            found = f"crash: {type(error).__name__}"
    return found != facts.get("code")


def extracted(facts, path, reader):
    module = reader.modules["rosettar_reader"]
    with tempfile.TemporaryDirectory() as folder, open(path, "rb") as file:
        try:
            module.extract(module.Archive(file), str(Path(folder) / "out"))
            return True
        except module.Refused as error:
            return error.code != facts["extract"]["code"]
        except Exception:
            return True


def differs(facts, path, limits, reader, action):
    """Whether a reader answers otherwise than a vector says."""
    if action == "alone":
        return alone(facts, path, limits, reader)
    if action == "extract":
        return extracted(facts, path, reader)
    if action == "recover":
        if "recovered" not in facts:
            return False
        with tempfile.TemporaryDirectory() as folder:
            found = reader.answer("recover", path, Path(folder) / "out.rtar", *limits)
        wanted = facts["recovered"]
        if "code" in wanted:
            return found != wanted["code"]
        return isinstance(found, str) or any(found.get(key) != wanted[key] for key in wanted)
    expected = facts
    if action == "stream":
        found = reader.answer("stream", *limits, data=path.read_bytes())
        expected = facts | facts.get("streamed", {})
    else:
        found = reader.answer(action, path, *limits)
    if expected["expect"] != "accept":
        codes = expected["code"]
        return not isinstance(found, str) or found not in (codes if isinstance(codes, list) else [codes])
    if isinstance(found, str):
        return True
    left_out = {"list": ("sha256", "json"), "read": ("json",)}.get(action, ())

    def rows(told):
        return [{key: fact for key, fact in row.items() if key not in (*left_out, "schema_version")} for row in told]

    facts_of_all = ("root", "attributes") if action == "list" else ("root", "attributes", "content")
    same = all(found.get(key) == facts[key] for key in facts_of_all)
    return not same or any(rows(found[key]) != rows(facts[key]) for key in ("entries", "streams"))


def actions_for(module):
    """Where a module is at work."""
    if module == "rosettar_stream":
        return ("stream",)
    if module == "rosettar_recover":
        return ("recover",)
    if module == "protojson":
        return ("records",)
    return ("records", "list", "alone", "extract", "stream", "recover")


def run(step=1, only="", show=False, log=lambda text: None):
    """Tries the mutants; returns how many were caught, and those that were not."""
    sources = {path.stem: path.read_text() for path in sorted(READER.glob("*.py"))}
    if "driver" not in sources:
        return 0, []
    vectors = load()
    compiled = {name: compile(source, f"{name}.py", "exec") for name, source in sources.items()}
    sound = Reader(compiled)
    levels = {"list": 0, "records": 2, "stream": 3, "recover": 3}
    asked = {action: [v for v in vectors if v[0]["level"] <= level] for action, level in levels.items()}
    asked["recover"] = [v for v in vectors if "recovered" in v[0]]
    asked["alone"] = [v for v in vectors if v[0].get("code", "tar.padding") in ALONE]
    asked["extract"] = [v for v in vectors if "extract" in v[0]]
    usual = {action: [v for v in asked[action] if not differs(*v, sound, action)] for action in actions_for("")}
    for action, right in usual.items():
        if len(right) < len(asked[action]) and action != "alone":  # who reads one entry may meet no fault
            log(f"{action}: {len(asked[action]) - len(right)} vectors are not answered rightly, and left out")
    checks = [check for name in sources if name not in SKIPPED for check in find(name, sources[name])]
    checks = [check for check in checks if check.function not in SKIPPED_FUNCTIONS and only in str(check)][::step]
    caught, missed, equal, stale = 0, [], 0, set(EQUIVALENT)
    for check in checks:
        if reasons := [key for key in EQUIVALENT if str(check).startswith(key)]:
            equal += 1
            stale -= set(reasons)
            continue
        reader = Reader(compiled | {check.module: without(sources[check.module], check)})
        by = next(
            (
                f"{vector[0]['id']} ({action})"
                for action, vector in order(check, usual)
                if differs(*vector, reader, action)
            ),
            None,
        )
        if by:
            caught += 1
            if show:
                log(f"caught: {check} by {by}")
        else:
            missed.append(str(check))
            log(f"not caught: {check}")
    for key in sorted(stale if step == 1 and not only else ()):
        log(f"no such check any more: {key}")
    log(f"{caught} of {caught + len(missed)} mutants are caught, {equal} more change nothing that an archive can show")
    return caught, missed


def order(check, usual):
    """The vectors, those first whose code stands in the check."""
    for near in (True, False):
        for action in actions_for(check.module):
            for vector in usual[action]:
                code = vector[0].get("code") or "accepted"
                if (repr(code) in check.text or code.split(".")[0] in check.function) == near:
                    yield action, vector


def main():
    parser = argparse.ArgumentParser(description="Leaves out each check of the Python reader in turn.")
    parser.add_argument("--step", type=int, default=1, help="try every Nth mutant only")
    parser.add_argument("--only", default="", help="try those only that contain this text")
    parser.add_argument("--list", action="store_true", help="print by what each mutant is caught")
    options = parser.parse_args()
    caught, missed = run(options.step, options.only, options.list, lambda text: print(text, flush=True))
    return 100 * caught < 95 * (caught + len(missed))


if __name__ == "__main__":
    sys.exit(main())
