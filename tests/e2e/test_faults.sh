#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# System calls of the agent that fail, at start, push, confirm, rollback,
# member, reload, news of devices and scrape (faults.py): old or new, never
# half, never silent, and again as soon as they work (F26, G2, G4, R-02).
# XDP is never attached without a record of it (G17).
# A sample, others by MOAT_FAULTS=N, larger ones by MOAT_FAULTS_TIMES=N;
# `make faults`: every one.
. "$(dirname "$0")/lib.sh"
command -v strace >/dev/null || skip "no strace"
sandbox
two_hosts
addr b eth0 10.1.0.3/24
agent_config a 'failsafe: []
xdp: generic'
start a "$SANDBOX/serve" /usr/bin/python3 -B "$ROOT/tests/e2e/faults.py" \
	"$SANDBOX" "$(ns a)" "$(ns b)" "$MOATD" serve
until_ok 20 listening a 83 || fail "no listener"
/usr/bin/python3 -B "$ROOT/tests/e2e/faults.py" "$SANDBOX" "$(ns a)" "$(ns b)" \
	"$MOATD" "$@" || fail "a promise is broken"
