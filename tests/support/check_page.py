# SPDX-License-Identifier: BSD-2-Clause
"""Reads a Prometheus page on stdin with the official parser and checks what
`promtool check metrics` would complain about. Prints the complaints."""
import re
import sys
from prometheus_client.parser import text_string_to_metric_families

NAME = re.compile(r"^[a-z][a-z0-9_]*$")
UNITS = ("milliseconds", "minutes", "hours", "kilobytes", "megabytes")


def complaints(text):
    helps = re.findall(r"^# HELP (\S+) (.*)$", text, re.M)
    types = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.M))
    if len({h[0] for h in helps}) != len(helps):
        yield "a family appears twice"
    for name, words in helps:
        if not words.strip():
            yield f"{name}: no help text"
        if name not in types:
            yield f"{name}: no type"
        if types.get(name) == "counter" and not name.endswith("_total"):
            yield f"{name}: a counter without _total"
        if types.get(name) != "counter" and name.endswith("_total"):
            yield f"{name}: _total, but no counter"
        if not NAME.match(name) or name.endswith(UNITS):
            yield f"{name}: bad name"
    seen = set()
    for family in text_string_to_metric_families(text):
        for s in family.samples:
            series = (s.name, tuple(sorted(s.labels.items())))
            if series in seen:
                yield f"{series}: twice"
            seen.add(series)
            base = re.sub(r"_(bucket|sum|count)$", "", s.name)
            if s.name not in types and types.get(base) != "histogram":
                yield f"{s.name}: sample without a family"
    if not seen:
        yield "no samples"


def main():
    found = list(complaints(sys.stdin.read()))
    print("\n".join(found) or "clean")
    return 1 if found else 0


sys.exit(main())
