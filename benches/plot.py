# SPDX-License-Identifier: Apache-2.0
"""The ratios of a report as a plot: plot.py BENCH.JSON writes BENCH.SVG beside it."""

import json
import sys
from pathlib import Path

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt


def main():
    source = Path(sys.argv[1])
    whole = json.loads(source.read_text())
    rows = [row for row in whole["rows"] if row["kind"] != "limit"]
    if not rows:
        return
    # Better is to the right for all: of sizes, the inverse.
    values = [1 / row["value"] if row["kind"] == "size" else row["value"] for row in rows]
    aims = [row["aim"] and (1 / row["aim"] if row["kind"] == "size" else row["aim"]) for row in rows]
    names = [f"{row['what']}, {row['data']}" + (f" ({row['note']})" if row["note"] else "") for row in rows]
    colours = {True: "#3a7d44", False: "#b3402f", None: "#7a7a7a"}
    figure, axes = plt.subplots(figsize=(11, 0.24 * len(rows) + 1.2))
    places = range(len(rows))
    axes.barh(places, [value - 1 for value in values], left=1, color=[colours[row["met"]] for row in rows], height=0.7)
    for place, aim in zip(places, aims):
        if aim:
            axes.plot([aim, aim], [place - 0.45, place + 0.45], color="black", linewidth=1.5)
    for place, value in zip(places, values):
        axes.annotate(
            f"{value:.2f}", (max(value, 1), place), (4, 0), textcoords="offset points", va="center", fontsize=7
        )
    axes.set_xscale("log")
    axes.axvline(1, color="black", linewidth=0.6)
    axes.set_yticks(places, names, fontsize=7)
    axes.invert_yaxis()
    axes.margins(y=0.01)
    axes.set_xlabel("how many times as fast, or as small, as the peer; the line is the aim")
    figure.tight_layout()
    plt.rcParams["svg.hashsalt"] = "rosettar"
    figure.savefig(source.with_suffix(".svg"), metadata={"Date": None})


if __name__ == "__main__":
    main()
