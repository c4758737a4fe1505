#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Somebody attaches ahead of us (F22): ours goes to the head without moving
# theirs (G8), and no packet meanwhile is unjudged, or counted twice (R-43) but
# those few that meet both of ours in the change itself.
. "$(dirname "$0")/lib.sh"
sandbox
two_hosts
agent_start a 'failsafe: []'
cat >"$SANDBOX/p.yaml" <<'EOT'
version: 1
name: ahead
mode: enforce
security_groups:
  base:
    members: [10.1.0.0/24, "fd00:1::/64"]
    ingress: []
    egress: [{name: data, to: any, protocol: udp, ports: 5000}]
EOT
push_ok a "$SANDBOX/p.yaml"
start b /dev/null socat -u UDP4-RECV:5000 OPEN:/dev/null
soon "listener" 20 in_ns b sh -c 'ss -Hlun "sport = :5000" | grep -q .'

counted() {
	ctl a '{"cmd": "metrics"}' | jq -r .text |
		/usr/bin/python3 "$ROOT/tests/e2e/metric.py" moat_packets_total \
			interface=eth0 direction=egress verdict=allow || echo 0
}
sent() { ip -n "$(ns a)" -s -j link show eth0 | jq ".[0].stats64.tx.packets"; }
# beyond: sets MORE, what was counted and not sent; nothing left in between
beyond() {
	local one two
	for _ in {1..100}; do
		one=$(counted)
		MORE=$((one - $(sent)))
		two=$(counted)
		[ "$one" != "$two" ] || return 0
	done
	fail "the counters do not come to rest"
}

LEAST=1000000
for ((i = 0; i < 4 && LEAST > 2; i++)); do
	beyond
	before=$MORE
	list=$(in_ns a /usr/bin/python3 -B "$ROOT/tests/e2e/ahead.py" eth0 \
		egress 10.1.0.2) || fail "ahead.py"
	read -r first second theirs <<<"$list"
	is "theirs is on the hook still, second to ours" "$second" "$theirs"
	[ "$first" != "$theirs" ] || fail "ours is not first: $list"
	beyond
	more=$((MORE - before))
	echo "sent $(sent), counted beyond that: $more"
	[ "$more" -ge 0 ] || fail "$more were not counted"
	[ "$more" -ge "$LEAST" ] || LEAST=$more
done
# A grace period with both would be twenty and more, each time.
yes "hardly a packet is counted twice" [ "$LEAST" -le 2 ]
is "named in the log" "$(grep -c "(foreign) came ahead of ours on egress" \
	"$SANDBOX/a/moatd.log")" "$((i < 3 ? i : 2))"
done_testing
