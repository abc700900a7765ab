#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Prints the matrix of requirements and vectors, and fails where it has a gap.

    python conformance/matrix.py [--gaps] [--update]

A requirement is a sentence, or a row of a table, of FORMAT.md with one of its requirement words (must, may, should),
with `refuse` in any form, or with the code of an error; and each that says what bytes have to be. requirements.json has
an entry for each, in their order: its section, its leading words, a digest of all of it, and either the vectors that
show it, or the reason why none can. A gap is a requirement without an entry, an entry whose sentence is no longer there
or has changed, or one that names a vector that does not exist; also a code of FORMAT.md that no vector has, and a
vector that no entry names.

`--update` takes in sentences that are new and digests of those that changed: their entries are then to be reviewed.
"""

import argparse
import hashlib
import json
import re
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
SPEC = HERE.parent / "spec" / "FORMAT.md"
ERRORS = HERE.parent / "spec" / "ERRORS.md"
TABLE = HERE / "requirements.json"
VECTORS = HERE / "vectors"
WORDS = re.compile(r"\b(must|may|should|refus\w*)\b", re.IGNORECASE)
CODE = re.compile(r"`([a-z][a-z0-9-]*\.[a-z][a-z0-9-]*)`")
# Sections of which every sentence counts: they say what bytes are, and one code, elsewhere, is for all of them.
WHOLE = ("5.2", "5.3", "6", "10.2")
LEADING = 72  # characters of a sentence that an entry repeats, so that people find it
# Codes of FORMAT.md that no archive can show a reader of archives, and why.
NO_VECTOR = {
    "policy.name": "depends on the host and on what its user asks for (section 13)",
    "policy.link": "is what extraction says: the field `extract` of the vectors named symlink-…",
}


class Requirement:
    def __init__(self, section, text):
        self.section, self.text = section, text
        self.digest = hashlib.sha256(text.encode()).hexdigest()[:12]
        self.codes = CODE.findall(text)

    def leading(self):
        if len(self.text) <= LEADING:
            return self.text
        return self.text[:LEADING].rsplit(" ", 1)[0] + " …"


def codes_of_readers():
    """The codes that ERRORS.md lists, by which a file name in backticks is told from a code."""
    found = re.findall(r"^\| `([a-z0-9-]+\.[a-z0-9-]+)` \|", ERRORS.read_text(encoding="utf-8"), re.MULTILINE)
    return {code for code in found if not code.startswith(("c1z.", "usage.", "io."))}


def units(text):
    """(section, paragraph or row of a table, whether it is an item of a list), without what is generated and notes."""
    text = re.sub(r"<!-- generated: .*?<!-- end -->", "", text, flags=re.DOTALL)
    section, lines, item, out, all_lines = "", [], False, [], [*text.splitlines(), ""]
    for number, line in enumerate(all_lines):
        heading = re.match(r"#+ ([0-9]+(?:\.[0-9]+)?)\.? ", line)
        marker = re.match(r" *(?:- |[0-9]+\. )", line)
        if heading or marker or not line.strip() or line.startswith(("|", "#", ">")):
            if lines:
                out.append((section, " ".join(" ".join(lines).split()), item))
            lines, item = [], bool(marker)
        if heading:
            section = heading[1]
        elif line.startswith("|"):
            head = all_lines[number + 1].startswith("|--")
            if not head and not set(line) <= set("|- :"):
                out.append((section, "| " + " | ".join(cell.strip() for cell in line.strip("|").split(" | ")), False))
        elif marker:
            lines.append(line[marker.end() :])
        elif line.strip() and not line.startswith(("#", ">")) and (lines or not line.startswith("    ")):
            lines.append(line)
    return out


def sentences(text):
    """A paragraph in sentences; what stands in parentheses after one belongs to it."""
    if text.startswith("|"):
        return [text]
    parts, out = re.split(r"(?<=[.:)]) (?=[A-Z`*(0-9])", text), []
    for part in parts:
        opened = out and out[-1].count("(") > out[-1].count(")")
        abbreviated = out and re.search(r"(?:RFC|section|e\.g\.|i\.e\.|step)$", out[-1])
        continues = out and not re.search(r"[.:)]$", out[-1])
        whole = out and (re.fullmatch(r"\(`[^)]*\)\.?", part) or out[-1].endswith(":"))
        after = out and re.search(r"\. \([^()]*\)$|\.\)$", out[-1])
        ended = out and out[-1].endswith(")") and not after
        if opened or abbreviated or continues or whole or ended:
            out[-1] += " " + part
        else:
            out.append(part)
    return out


def requirements():
    """All of them, in the order of the document."""
    known, out, listed = codes_of_readers(), [], False
    for section, text, item in units(SPEC.read_text(encoding="utf-8")):
        if text.startswith("|"):
            # What a table of sections 3 to 9 says of a byte or a number is compared or checked, with or without a code.
            if "2" < section.split(".")[0] < "9" or section == "9" or known & set(CODE.findall(text)):
                out.append(Requirement(section, text))
            continue
        rules, parts = listed and item or section in WHOLE, sentences(text)
        if not item:
            # "Rules, all `code`:" is about the items of the list that follows.
            listed = text.endswith(":") and bool(known & set(CODE.findall(text)))
        waiting = []
        for sentence in parts:
            waiting.append(sentence)
            if rules or WORDS.search(sentence) or known & set(CODE.findall(sentence)):
                # A code that stands behind a full stop is that of all sentences since the last code.
                all_of_them = re.search(r"\. \(`[^()]*`\)$", sentence)
                out += [Requirement(section, one) for one in (waiting if all_of_them else waiting[-1:])]
                waiting = []
    return out


def load():
    table = json.loads(TABLE.read_text(encoding="utf-8")) if TABLE.exists() else []
    vectors = {}
    for path in sorted(VECTORS.glob("*.rtar")):
        vectors[path.stem] = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    return table, vectors


def problems():
    """Every gap, as a line each."""
    (table, vectors), known, out = load(), codes_of_readers(), []
    entries = {(entry["section"], entry["digest"]): entry for entry in table}
    found = requirements()
    for one in found:
        entry = entries.pop((one.section, one.digest), None)
        if entry is None:
            out.append(f"section {one.section}: a requirement that is new or was changed: {one.text}")
        elif not entry.get("vectors") and not entry.get("reason"):
            out.append(f"section {one.section}: neither a vector nor a reason: {one.text}")
    out += [f"section {entry['section']}: a stale entry: {entry['text']}" for entry in entries.values()]
    named = {name for entry in table for name in entry.get("vectors", ())}
    out += [f"a vector that does not exist: {name}" for name in sorted(named - vectors.keys())]
    out += [f"a vector that shows no requirement: {name}" for name in sorted(vectors.keys() - named)]
    used = {code for one in found for code in one.codes} & known
    shown = {facts.get("code") for facts in vectors.values()}
    out += [f"a code that no vector has: {code}" for code in sorted(used - shown - NO_VECTOR.keys())]
    return out


def update():
    table, _ = load()
    by_digest = {(entry["section"], entry["digest"]): entry for entry in table}
    by_words = {(entry["section"], entry["text"]): entry for entry in table}
    out = []
    for one in requirements():
        entry = by_digest.get((one.section, one.digest)) or by_words.get((one.section, one.leading())) or {}
        rest = {key: entry[key] for key in ("vectors", "reason") if key in entry}
        out.append({"section": one.section, "text": one.leading(), "digest": one.digest, **rest})
    save(out)


def save(table):
    TABLE.write_text(json.dumps(table, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description="Prints the matrix of requirements and vectors.")
    parser.add_argument("--gaps", action="store_true", help="print gaps only")
    parser.add_argument("--update", action="store_true", help="take new and changed sentences into requirements.json")
    options = parser.parse_args()
    if options.update:
        update()
    table, vectors = load()
    if not options.gaps:
        for entry in table:
            names = entry.get("vectors", ())
            print(f"{entry['section']:5} {entry['text']}")
            print(f"      {', '.join(names) or 'no vector: ' + entry.get('reason', '?')}")
        shown = sum(bool(entry.get("vectors")) for entry in table)
        print(f"{len(table)} requirements: {shown} shown by {len(vectors)} vectors, {len(table) - shown} with a reason")
    found = problems()
    for problem in found:
        print(f"gap: {problem}")
    print(f"{len(found)} gaps")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
