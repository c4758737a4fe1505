# SPDX-License-Identifier: BSD-2-Clause
"""What bar.c is for programs, for the benchmarks that are scripts.

bar.py bar NAME WHAT LIMIT [--better lower|higher] [--fixed VALUE]
           [--figure NAME=VALUE]... [--ours NAME] [--theirs NAME]
    adds a bar to $MOAT_BENCH_OUT/bars.json. On stdin one run a line: "OURS
    THEIRS", the ratio is ours / theirs; with --fixed "MEASURED" alone, against
    that value. --ours and --theirs name figures that hold the medians.
bar.py plot NAME < SCRIPT
    writes NAME.gp with the common head.
"""
import argparse
import json
import os
import statistics
import sys

HEAD = """set terminal svg size 720,400 dynamic background 'white'
set output '{}.svg'
set datafile separator '\\t'
set key autotitle columnhead
set grid
"""


def runs_of(args):
    runs = []
    for line in filter(str.strip, sys.stdin):
        values = [float(v) for v in line.split()]
        if args.fixed is not None:
            values.append(args.fixed)
        if len(values) != 2 or values[1] <= 0:
            sys.exit(f"bar.py: {args.name}: no pair: {line.strip()}")
        runs.append(values)
    if not runs:
        sys.exit(f"bar.py: {args.name}: no runs")
    return runs


def figures_of(args, runs):
    figures = {}
    for figure in args.figure:
        name, value = figure.split("=", 1)
        figures[name] = float(value)
    for side, name in enumerate((args.ours, args.theirs)):
        if name:
            figures[name] = statistics.median(r[side] for r in runs)
    return figures


def bar(folder, args):
    runs = runs_of(args)
    ratios = [ours / theirs for ours, theirs in runs]
    path = os.path.join(folder, "bars.json")
    bars = {}
    if os.path.exists(path):
        with open(path) as f:
            bars = json.load(f)
    if args.name in bars:
        sys.exit(f"bar.py: {args.name} is there already")
    bars[args.name] = {
        "ratio": statistics.median(ratios),
        "bar": args.limit,
        "min": min(ratios),
        "max": max(ratios),
        "runs": len(ratios),
        "better": args.better,
        "what": args.what,
        "figures": figures_of(args, runs),
    }
    with open(path, "w") as f:
        json.dump(bars, f, indent=1)
        f.write("\n")


def plot(folder, args):
    with open(os.path.join(folder, f"{args.name}.gp"), "w") as f:
        f.write(HEAD.format(args.name) + sys.stdin.read())


def arguments():
    parser = argparse.ArgumentParser(prog="bar.py")
    commands = parser.add_subparsers(required=True)
    b = commands.add_parser("bar")
    b.set_defaults(run=bar)
    b.add_argument("name")
    b.add_argument("what")
    b.add_argument("limit", type=float)
    b.add_argument("--better", choices=("lower", "higher"), default="lower")
    b.add_argument("--fixed", type=float)
    b.add_argument("--figure", action="append", default=[])
    b.add_argument("--ours")
    b.add_argument("--theirs")
    p = commands.add_parser("plot")
    p.set_defaults(run=plot)
    p.add_argument("name")
    return parser.parse_args()


def main():
    folder = os.environ.get("MOAT_BENCH_OUT")
    if not folder:
        sys.exit("bar.py: MOAT_BENCH_OUT names no folder for the results")
    args = arguments()
    args.run(folder, args)


main()
