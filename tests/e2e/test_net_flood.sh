#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# A flood of two packets a flow, many times the tables' size, against an
# established connection: it goes on, and refusals are counted (R-24, R-09). The
# page of metrics has the same series after it (G16, R-42).
# shellcheck disable=SC2317 # functions are called by soon
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/net.sh"
sandbox
neighbours
echo_server a 80
agent_start a
push_ok a "$(policy flood '{name: web, from: any, protocol: tcp, ports: 80}, {name: data, from: any, protocol: udp, ports: 5000}')"
line_open kept b 10.9.0.1 80
yes "echo before the flood" line_says kept before
# Those of peers come with the first packet of each peer that the policy names:
# two here, directions, verdicts, packets and bytes.
series() { scrape a | grep -vE '^#|^moat_peer_' | sed 's/ [^ ]*$//' | sort; }
# A table has its entries once it is counted.
counted() { [ "$(scrape a | grep -c '^moat_table_entries{')" -ge 7 ]; }
soon "the tables are counted" 20 counted
series >"$SANDBOX/series"
in_ns b /usr/bin/python3 "$ROOT/tests/e2e/flood.py" eth0 "$(mac_of a eth0)" 20000
yes "the connection goes on" line_says kept during
is "no established flow was refused" "$(metric a moat_flow_refused_total table=flows || metric a moat_flow_refused_total reason=nomem)" 0
[ "$(metric a moat_packets_total reason=table-full verdict=drop)" -gt 1000 ] ||
	fail "UDP flows over the quota: $(metric a moat_packets_total reason=table-full)"
is "series that traffic made" "$(series | diff "$SANDBOX/series" -)" ""
peers=$(scrape a | grep -c '^moat_peer_')
[ "$peers" -le 24 ] || fail "$peers series of peers"
yes "new connections still come in" tcp b 10.9.0.1 80
done_testing
