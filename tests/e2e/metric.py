# SPDX-License-Identifier: BSD-2-Clause
"""Sums the series of one metric, read by the official parser.

usage: metric.py NAME [LABEL=VALUE...] < scrape. Prints the sum, or nothing
(exit 1) where no series matches.
"""
import sys
from prometheus_client.parser import text_string_to_metric_families


def main():
    name, labels = sys.argv[1], dict(a.split("=", 1) for a in sys.argv[2:])
    values = [
        s.value
        for family in text_string_to_metric_families(sys.stdin.read())
        for s in family.samples
        if s.name == name and labels.items() <= s.labels.items()
    ]
    if not values:
        return 1
    total = sum(values)
    print(int(total) if total == int(total) else total)
    return 0


sys.exit(main())
