#!/usr/bin/python3
"""The curves of results.json as pictures: docs/plots/NAME.svg, the same bytes for the same results.

    tests/bench/plots.py --results build/bench/results.json --out docs/plots

A point is the median of the runs, its bar goes from the least to the most. Needs gnuplot (Debian: gnuplot-nox)."""

import argparse
import json
import os
import shutil
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
COLOURS = ("#1f5fa8", "#c0501a", "#2b7a3d", "#7a3e9d", "#8a6d00", "#333333")
SHAPES = (7, 5, 9, 13, 4, 6)  # gnuplot's filled circle, square, triangle, diamond; then hollow ones: to tell without colour
HEAD = """set terminal svg size 760,460 font 'sans-serif,13' background '#ffffff'
set encoding utf8
set border 3 linecolor '#808080'
set tics nomirror textcolor '#303030'
set grid linecolor '#e4e4e4' linetype 1
set key outside top center horizontal Left reverse noenhanced
set bmargin 5
"""


def quoted(text):
    return "'" + str(text).replace("'", "''") + "'"


def axis(name, label, is_log, values):
    """Marks at the measured x; a linear y begins at zero, so that a rise is not made to look steep."""
    lines = [f"set {name}label {quoted(label)} noenhanced"]
    if is_log:
        lines.append(f"set logscale {name}")
    elif name == "y":
        lines.append("set yrange [0:]")
    if name == "x":
        lines += [f"set xrange [{min(values) * (0.8 if is_log else 1)}:{max(values) * (1.25 if is_log else 1.05)}]",
                  "set xtics (" + ", ".join(f"{quoted(f'{value:,}')} {value}" for value in values) + ")"]
    return lines


def script(curve, machine):
    xs = sorted({point[0] for one in curve["series"] for point in one["points"]})
    lines = [HEAD, f"set title {quoted(curve['title'])} noenhanced"]
    lines += axis("x", curve["x"], curve["log_x"], xs) + axis("y", curve["y"], curve.get("log_y", False), xs)
    small = f"commit {curve['commit']}, {machine['cores']} cores, {machine['cpu']}; median, least and most of {curve['runs']} runs"
    lines.append(f"set label 1 {quoted(small)} at screen 0.01,0.03 font ',9' textcolor '#707070' noenhanced")
    parts = []
    for i, one in enumerate(curve["series"]):
        lines += [f"$data{i} << END", *(" ".join(map(str, point)) for point in one["points"]), "END"]
        colour = f"linecolor rgb '{COLOURS[i % len(COLOURS)]}'"
        parts += [f"$data{i} using 1:2 with lines {colour} linewidth 1.2 notitle",
                  f"$data{i} using 1:2:3:4 with yerrorbars {colour} pointtype {SHAPES[i % len(SHAPES)]} pointsize 0.8 title {quoted(one['label'])}"]
    return "\n".join([*lines, "plot " + ", ".join(parts)]) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", default=f"{ROOT}/build/bench/results.json", help="what make bench-growth wrote (build/bench/results.json)")
    parser.add_argument("--out", default=f"{ROOT}/docs/plots", help="folder of the pictures (docs/plots)")
    options = parser.parse_args()
    if shutil.which("gnuplot") is None:
        sys.exit("plots: there is no gnuplot: `deploy/install bench` installs Debian's package gnuplot-nox")
    try:
        with open(options.results, encoding="utf-8") as file:
            results = json.load(file)
    except OSError as error:
        sys.exit(f"plots: {error}: `make bench-growth` writes the results")
    if not results.get("curves"):
        sys.exit(f"plots: there are no curves in {options.results}: `make bench-growth` measures them")
    os.makedirs(options.out, exist_ok=True)
    for curve in results["curves"]:
        path = f"{options.out}/{curve['name']}.svg"
        drawn = subprocess.run(["gnuplot"], input=script(curve, results["machine"]), stdout=subprocess.PIPE, text=True, check=True).stdout
        with open(path, "w", encoding="utf-8") as file:
            file.writelines(f"{line.rstrip()}\n" for line in drawn.splitlines())
        print(f"plots: {path}")


if __name__ == "__main__":
    main()
