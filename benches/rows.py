# SPDX-License-Identifier: Apache-2.0
"""What a row of the report is, and what becomes of it once everything is measured."""

import statistics
from dataclasses import dataclass, field

# How a row compares, and whether more is better.
SPEED = "speed"  # the peer's seconds divided by ours
SIZE = "size"  # our bytes divided by the peer's
LIMIT = "limit"  # a value of ours, which must not be above the aim


@dataclass
class Row:
    """A line of the report. `ours` and each of `peers` are keys of measurements, or of facts; of several peers the
    best counts."""

    part: str
    what: str
    data: str
    ours: str
    peers: list = field(default_factory=list)
    aim: float | None = None
    kind: str = SPEED
    unit: str = "ms"
    note: str = ""


def spread(results, value):
    """The median of a value of some Results, its quartiles, and its extremes."""
    values = sorted(value(result) for result in results)
    if len(values) > 1:
        low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    else:
        low = high = values[0]
    return {
        "median": statistics.median(values),
        "quartiles": [low, high],
        "range": [values[0], values[-1]],
        "count": len(values),
        "measured": True,
    }


def resolve(row, found, facts):
    """The row as a dictionary with its numbers; `None` where it was not measured."""

    def side(key):
        if key in facts:
            value = facts[key]
            return {
                "median": value,
                "quartiles": [value, value],
                "range": [value, value],
                "count": 1,
                "measured": False,
            }
        if not found.get(key):
            return None
        return spread(found[key], lambda result: result.seconds * 1000)

    ours = side(row.ours)
    peers = {key: side(key) for key in row.peers}
    if ours is None or any(peer is None for peer in peers.values()):
        return None
    out = {"part": row.part, "what": row.what, "data": row.data, "kind": row.kind, "unit": row.unit, "note": row.note}
    out |= {"aim": row.aim, "ours": {"key": row.ours} | ours, "peer": None}
    if peers:
        best = min(peers, key=lambda key: peers[key]["median"])
        out["peer"] = {"key": best} | peers[best]
    if row.kind == LIMIT:
        out["value"] = ours["median"]
        out["met"] = None if row.aim is None else ours["median"] <= row.aim
        return out
    mine, theirs = ours["median"], out["peer"]["median"]
    out["value"] = theirs / mine if row.kind == SPEED else mine / theirs
    met = out["value"] >= row.aim if row.kind == SPEED and row.aim is not None else None
    out["met"] = out["value"] <= row.aim if row.kind == SIZE and row.aim is not None else met
    return out
