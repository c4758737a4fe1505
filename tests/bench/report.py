# SPDX-License-Identifier: BSD-2-Clause
"""Puts the results of the benchmarks together.

report.py merge DIR     DIR/*/bars.json become DIR/results.json; the table to
                        DIR/results.md, and in 80 columns to stdout
report.py install DIR   the same into tests/bench, with the plots, and the
                        table into the README between its two markers
report.py check DIR     exits 0 if results.json has the shape that is promised
"""
import glob
import json
import os
import platform
import re
import shutil
import sys
import time

TREE = os.path.join(os.path.dirname(__file__), "..", "..")
BEGIN, END = "<!-- bench:begin -->", "<!-- bench:end -->"
KEYS = {"ratio", "bar", "min", "max", "runs", "better", "what", "figures"}


def order(name):
    """P2 before P10, P1-cold before P1-hot."""
    return [int(t) if t.isdigit() else t for t in re.split(r"(\d+)", name)]


def met(bar):
    if bar["better"] == "higher":
        return bar["ratio"] >= bar["bar"]
    return bar["ratio"] <= bar["bar"]


def collect(folder):
    bars = {}
    for path in sorted(glob.glob(os.path.join(folder, "*", "bars.json"))):
        with open(path) as f:
            more = json.load(f)
        for name in bars.keys() & more.keys():
            sys.exit(f"report.py: {path}: {name} is another's bar")
        bars.update(more)
    return {name: bars[name] for name in sorted(bars, key=order)}


def number(value):
    """Three digits that count."""
    if value == 0 or abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.{2 if abs(value) >= 1 else 3}f}"


def row(name, bar):
    sign = ">=" if bar["better"] == "higher" else "<="
    return [
        name,
        number(bar["ratio"]),
        f"{number(bar['min'])}-{number(bar['max'])}",
        f"{sign} {number(bar['bar'])}",
        "met" if met(bar) else "MISSED",
    ]


def text_table(bars):
    rows = [["bar", "ratio", "spread", "asked", ""]]
    rows += [row(name, bar) for name, bar in bars.items()]
    widths = [max(len(r[c]) for r in rows) for c in range(len(rows[0]))]
    lines = []
    for r, what in zip(rows, ["what"] + [b["what"] for b in bars.values()]):
        line = "  ".join(f"{t:{w}}" for t, w in zip(r, widths))
        room = 80 - len(line) - 2
        if len(what) > room:
            what = what[: room - 3].rstrip() + "..."
        lines.append(f"{line}  {what}".rstrip())
    return "\n".join(lines)


def figures_of(bar):
    return ", ".join(
        f"{name.replace('_', ' ')} {number(value)}"
        for name, value in bar["figures"].items()
    )


def markdown_table(bars):
    lines = [
        "| bar | what | ratio (min-max) | asked | |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name, bar in bars.items():
        r = row(name, bar)
        asked = r[3].replace(">=", "≥").replace("<=", "≤")
        verdict = "met" if met(bar) else "**missed**"
        what = bar["what"].replace("|", "\\|")
        lines.append(
            f"| {name} | {what} | {r[1]} ({r[2]}) | {asked} | {verdict} |"
        )
    return "\n".join(lines)


def markdown_figures(bars):
    lines = ["| bar | runs | figures |", "| --- | --- | --- |"]
    for name, bar in bars.items():
        lines.append(f"| {name} | {bar['runs']} | {figures_of(bar)} |")
    return "\n".join(lines)


def first_line(path, default="?"):
    try:
        with open(path) as f:
            return f.readline().strip()
    except OSError:
        return default


def machine():
    cpu, caches, memory = "?", [], 0
    with open("/proc/cpuinfo") as f:
        for line in f:
            if line.startswith("model name"):
                cpu = line.split(":", 1)[1].strip()
                break
    base = "/sys/devices/system/cpu/cpu0/cache"
    for index in sorted(glob.glob(f"{base}/index*")):
        if first_line(f"{index}/type") != "Instruction":
            level = first_line(f"{index}/level")
            caches.append(f"L{level} {first_line(f'{index}/size')}")
    with open("/proc/meminfo") as f:
        memory = int(f.readline().split()[1]) / 1048576
    virtual = "virtual machine" if hypervisor() else "bare metal"
    return [
        f"- kernel {platform.release()}, {platform.machine()}, {virtual}",
        f"- {os.cpu_count()} CPUs: {cpu}; {', '.join(caches) or 'caches ?'}",
        f"- {memory:.0f} GiB of memory",
        f"- mitigations: {mitigations()}",
    ]


def hypervisor():
    with open("/proc/cpuinfo") as f:
        return bool(re.search(r"^flags.*\bhypervisor\b", f.read(), re.M))


def mitigations():
    base = "/sys/devices/system/cpu/vulnerabilities"
    found = []
    for path in sorted(glob.glob(f"{base}/*")):
        text = first_line(path)
        if text.startswith("Mitigation"):
            found.append(os.path.basename(path))
    return ", ".join(found) or "none"


def results_page(bars):
    day = time.strftime("%Y-%m-%d", time.gmtime())
    return "\n".join(
        [
            "# Results",
            "",
            f"Written by `make bench` on {day}. Ratios are moat divided by",
            "what the line names; median, least and most of paired runs.",
            "",
            *machine(),
            "",
            markdown_table(bars),
            "",
            "Figures behind the ratios; the unit ends the name.",
            "",
            markdown_figures(bars),
            "",
        ]
    )


def write(path, text):
    with open(path, "w") as f:
        f.write(text)


def merge(folder):
    bars = collect(folder)
    if not bars:
        sys.exit(f"report.py: no bars below {folder}")
    text = json.dumps(bars, indent=1) + "\n"
    write(os.path.join(folder, "results.json"), text)
    write(os.path.join(folder, "results.md"), results_page(bars))
    print(text_table(bars))


def plots_of(folder):
    return sorted(glob.glob(os.path.join(folder, "*", "*.svg")))


def into_readme(bars, plots):
    path = os.path.join(TREE, "README.md")
    with open(path) as f:
        text = f.read()
    if BEGIN not in text or END not in text:
        sys.exit("report.py: README.md has lost the markers of the results")
    head, rest = text.split(BEGIN, 1)
    tail = rest.split(END, 1)[1]
    lines = [BEGIN, *machine(), "", markdown_table(bars), ""]
    for plot in plots:
        name = os.path.basename(plot)
        lines.append(f"![{name[:-4]}](tests/bench/plots/{name})")
    write(path, head + "\n".join(lines) + "\n" + END + tail)


def install(folder):
    here = os.path.join(TREE, "tests", "bench")
    with open(os.path.join(folder, "results.json")) as f:
        bars = json.load(f)
    for name in ("results.json", "results.md"):
        shutil.copy(os.path.join(folder, name), here)
    shutil.rmtree(os.path.join(here, "plots"), ignore_errors=True)
    os.mkdir(os.path.join(here, "plots"))
    for plot in plots_of(folder):
        shutil.copy(plot, os.path.join(here, "plots"))
    into_readme(bars, plots_of(folder))


def wrong(name, bar):
    """What is wrong with a bar, or None."""
    if bar.keys() != KEYS:
        return f"keys are {sorted(bar)}"
    if bar["better"] not in ("lower", "higher"):
        return f"better is {bar['better']}"
    if not 0 <= bar["min"] <= bar["ratio"] <= bar["max"]:
        return "median is not between min and max"
    if bar["bar"] < 0 or not isinstance(bar["runs"], int):
        return "no bar, or no number of runs"
    if not bar["what"] or "\n" in bar["what"]:
        return "what is not one line"
    if any(not isinstance(v, (int, float)) for v in bar["figures"].values()):
        return "a figure is no number"
    if not re.fullmatch(r"P[1-9](-[a-z0-9-]+)?", name):
        return "name is not that of a bar of the design"
    return None


def check(folder):
    with open(os.path.join(folder, "results.json")) as f:
        bars = json.load(f)
    bad = [f"{n}: {w}" for n, b in bars.items() if (w := wrong(n, b))]
    print("\n".join(bad) or f"{len(bars)} bars, all of them well formed")
    return 1 if bad or not bars else 0


COMMANDS = {"merge": merge, "install": install, "check": check}
sys.exit(COMMANDS[sys.argv[1]](sys.argv[2]))
