#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Attacks on flows that are: segments injected into connections, half-open and
# closed ones, false answers, errors that quote them (tests/e2e/stateful_run.py,
# attacks 2.2), IPv4 and IPv6, without XDP and with it: verdict, reason, counter
# and state of each, and the connection goes on.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/net.sh"
sandbox
neighbours
quiet 10.9.0.66 10.9.0.67 10.9.0.77 fd00:9::66 fd00:9::67 fd00:9::77

for XDP in none native; do
	agent_start a "xdp: $XDP"
	push_ok a "$(policy injected \
		'{name: web, from: any, protocol: tcp, ports: 80-81}, {name: data, from: any, protocol: udp, ports: 5000}' \
		'{name: https, to: any, protocol: tcp, ports: 443}, {name: dns, to: any, protocol: udp, ports: 5300}, {name: ping, to: any, service: ping}')"
	against "XDP $XDP" stateful_run.py "$(sock a)"
	agent_end a
done
done_testing
