#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Holds the JSON Schemas of policies/ in step with the parser.

The parser's tables of keys are read out of its preprocessed source, so a key
that one of the two learns and the other does not is found, in both
directions. Then the shipped policies must validate, and of the invalid ones
all that break a rule which a schema can express must not.
"""
import json
import pathlib
import re
import subprocess
import sys

import jsonschema
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
problems = []


def problem(text):
    problems.append(text)
    print(text)


def preprocessed(path):
    """The file's own lines after cpp, without those of its headers."""
    out = subprocess.run(
        ["gcc", "-E", "-D_GNU_SOURCE", "-Iinclude", "-Iuser", str(path)],
        cwd=ROOT, check=True, capture_output=True, text=True).stdout
    own, lines = False, []
    for line in out.splitlines():
        mark = re.match(r'# \d+ "([^"]+)"', line)
        if mark:
            own = mark.group(1) == str(path)
        elif own:
            lines.append(line)
    return " ".join(lines)


def key_tables(text):
    """Name, place and entries of each `static const struct key_def` table."""
    for m in re.finditer(
            r"static const struct key_def (\w+)\[\w*\] = \{(.*?)\};", text):
        entries = re.findall(
            r'\{\s*("[\w-]+"|\w+)\s*,\s*(\w+)\s*,\s*(.*?)\s*\}(?=\s*,|\s*$)',
            m.group(2))
        yield m.group(1), m.end(), entries


def parser_objects(paths):
    """what -> set of (accepted keys, needed keys), from the OBJECT_DEFs."""
    objects = {}
    for path in paths:
        text = preprocessed(path)
        tables = list(key_tables(text))
        for m in re.finditer(r'\{\s*"([^"{}]+)"\s*,\s*(\w+)\s*,\s*\(sizeof',
                             text):
            what, name = m.groups()
            # Tables inside functions share a name: the nearest one above.
            near = [t for t in tables if t[0] == name and t[1] < m.start()]
            if not near:
                problem(f"{path.name}: no table {name} for {what!r}")
                continue
            accepted, needed = set(), set()
            for key, need, refusal in near[-1][2]:
                key = key.strip('"')
                if not refusal.startswith(("((void *)0)", "NULL")):
                    continue
                accepted.add(key)
                if need in ("true", "1"):
                    needed.add(key)
            objects.setdefault(what, set()).add(
                (frozenset(accepted), frozenset(needed)))
    return objects


def schema_objects(node, objects=None):
    """The same, from every object of a schema that lists its properties."""
    if objects is None:
        objects = {}
    if isinstance(node, dict):
        if isinstance(node.get("properties"), dict) and \
                node.get("additionalProperties") is False:
            objects.setdefault(node.get("title"), set()).add(
                (frozenset(node["properties"]),
                 frozenset(node.get("required", ()))))
        for child in node.values():
            schema_objects(child, objects)
    elif isinstance(node, list):
        for child in node:
            schema_objects(child, objects)
    return objects


def same_objects(name, parser, schema):
    if not parser:
        problem(f"{name}: no table of keys found in the parser")
    for what in sorted(parser.keys() | schema.keys(), key=str):
        mine, its = parser.get(what, set()), schema.get(what, set())
        if mine == its:
            continue
        for keys, needed in mine - its:
            problem(f"{name}: parser, {what}: {sorted(keys)}, "
                    f"needed {sorted(needed)}: not so in the schema")
        for keys, needed in its - mine:
            problem(f"{name}: schema, {what}: {sorted(keys)}, "
                    f"needed {sorted(needed)}: not so in the parser")


def table_names(path, table):
    """First strings of the entries of a table of names."""
    body = re.search(r"\b%s\[\] = \{(.*?)\};" % table, preprocessed(path))
    return re.findall(r'\{\s*"([a-z0-9-]+)"', body.group(1))


def same_names(what, parser, schema):
    if not parser or set(parser) != set(schema):
        problem(f"{what}: only the parser's {set(parser) - set(schema)}, "
                f"only the schema's {set(schema) - set(parser)}")


def load(path):
    schema = json.loads((ROOT / "policies" / path).read_text())
    jsonschema.Draft7Validator.check_schema(schema)
    return schema


def errors(validator, text):
    return [e.message for e in validator.iter_errors(yaml.safe_load(text))]


# What the parser says of faults that no schema can see: how names, numbers
# and places go together.
UNSEEN = re.compile(
    r"""host\ bits|is\ named|stands\ twice|defined\ twice|both\ apply
    |is\ a\ (group|network\ ACL)|reversed|can't\ read|holds\ no\ address
    |no\ type\ of|mean\ different|two\ families|these\ addresses
    |a\ policy\ needs|read\ as\ an\ address|same\ path|pairs\ of\ peer
    |two\ failsafe|(rate|window|rotate|memory|tcp_established)\ `""", re.X)
# Faults of form that YAML libraries read away, and two of addresses whose
# grammar a pattern does not hold.
READ_AWAY = {
    "ports-float", "ports-hex", "ports-leading-zero", "top-version-float",
    "yaml-anchor", "yaml-merge-key", "yaml-duplicate-in-rule", "essentials-yes",
    "list-v4-mapped", "rule-from-any-quoted-v6", "protocol-twice-by-number",
}


def check_invalid(validator, folder):
    """Invalid files whose fault a schema can see are refused by it."""
    seen = refused = 0
    for path in sorted(folder.glob("*.yaml")):
        said = path.with_suffix(".err").read_text(errors="replace")
        seen += 1
        try:
            bad = errors(validator, path.read_text())
        except (yaml.YAMLError, ValueError):
            refused += 1
            continue
        refused += bool(bad)
        if not bad and path.stem not in READ_AWAY and \
                not UNSEEN.search(said):
            problem(f"{path.name}: the parser refuses it, the schema does "
                    f"not: {said.splitlines()[0]}")
    print(f"{folder.name}: {refused} of {seen} invalid files refused")
    if not seen:
        problem(f"{folder}: no invalid files")


# The agent's defaults as the manual writes them: every key but tls.
DEFAULTS = """
version: 1
interfaces: auto
exclude: []
before_first_policy: pass
max_mode: enforce
xdp: none
unassigned: deny
forwarding: pass
midstream: judge
failsafe:
  - {name: ssh, direction: ingress, protocol: tcp, ports: [22],
     peers: [10.0.0.0/8, 172.16.0.0/12, "fc00::/7", "fe80::/10"]}
essentials: {ipv6-nd: true, ipv6-ra: true, dhcp: true, dhcpv6: true,
  icmp-errors: true}
timeouts: {tcp_established: 432000s, tcp_half_open: 60s,
  tcp_half_closed: 3600s, tcp_closing: 120s, udp: 30s, udp_stream: 180s,
  icmp: 30s, other: 600s}
tables: {flows: 1048576, udp: 262144, embryonic: 65536, closing: 65536,
  other: 65536, fragments: 16384, denied: 65536, memory: 512MiB}
control: {socket: /run/moat/control.sock, read_socket: /run/moat/read.sock,
  group: moat}
metrics: {listen: "127.0.0.1:9849", flows_max_series: 200}
flow_log: {format: vpc, to: none, window: 60s, rotate: 100MiB, keep: 5,
  account_id: "-", interface_id: name}
state: /var/lib/moat
bpffs: /sys/fs/bpf/moat
policy: /etc/moat/policy.yaml
"""
BAD_AGENT = [
    "xdp: fast", "max_mode: off", "state: var/lib", "interface: auto",
    "timeouts: {udp: 30}", "tables: {flows: 1}", "failsafe: [{name: a}]",
    "essentials: {arp: true}", "metrics: {listen: localhost:1}",
    "metrics: {tls: {cert: /c}}", "flow_log: {to: here}", "version: 2",
    "control: {sock: /run/x}",
]


def main():
    policy_dir = ROOT / "user" / "policy"
    policy = load("policy.schema.json")
    same_objects("policy.schema.json",
                 parser_objects(sorted(policy_dir.glob("read_*.c"))),
                 schema_objects(policy))
    same_names("ICMP names", table_names(policy_dir / "icmp.c", "names"),
               policy["definitions"]["icmp"]["anyOf"][0]["enum"])
    same_names("services", table_names(policy_dir / "services.c", "table"),
               policy["definitions"]["serviceName"]["examples"])
    same_names("services", table_names(policy_dir / "services.c", "table"),
               policy["properties"]["services"]["propertyNames"]["not"]
               ["enum"])

    validator = jsonschema.Draft7Validator(policy)
    shipped = sorted((ROOT / "policies").glob("*.yaml"))
    if len(shipped) < 9:
        problem("policies are missing")
    for path in shipped:
        for message in errors(validator, path.read_text()):
            problem(f"{path.name}: {message}")
    check_invalid(validator, ROOT / "tests" / "invalid" / "policy")

    agent = load("moatd.schema.json")
    same_objects("moatd.schema.json",
                 parser_objects(sorted(policy_dir.glob("config*.c"))),
                 schema_objects(agent))
    validator = jsonschema.Draft7Validator(agent)
    files = sorted((ROOT / "user" / "agent").glob("*.yaml"))
    for name, text in [("defaults", DEFAULTS)] + \
            [(path.name, path.read_text()) for path in files]:
        for message in errors(validator, text):
            problem(f"{name}: {message}")
    check_invalid(validator, ROOT / "tests" / "invalid" / "config")
    for text in BAD_AGENT:
        if not errors(validator, text):
            problem(f"moatd.schema.json takes {text!r}")
    return 1 if problems else 0


sys.exit(main())
