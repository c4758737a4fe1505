#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Leases on real frames (moat/lease.h): bulk TCP with GSO and GRO is passed by
# them in both directions, and the flow's counts hold every byte (F38).
# shellcheck disable=SC2317 # functions are called by until_ok
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/net.sh"
sandbox
neighbours
agent_start a
push_ok a "$(policy open '{name: bulk, from: any, protocol: tcp, ports: 5201}')"

# leased DIRECTION: packets counted under leases and not yet handed over. An
# element is four lines of 64 bytes; count[2] is at 48, packets above bit 40.
leased() {
	bpftool -j map dump pinned "$(echo "$SANDBOX"/bpf/a/*/maps/leases)" |
		/usr/bin/python3 -c '
import json, struct, sys
n = 0
for element in json.load(sys.stdin):
    value = bytes(int(b, 16) for b in element["value"])
    for line in range(0, len(value), 64):
        n += struct.unpack_from("<Q", value, line + 48 + 8 * int(sys.argv[1]))[0] >> 40
print(n)' "$1"
}

# nftables counts behind us, by frames: what TCP sends twice is in there too.
in_ns a nft -f - <<-EOT
	table netdev behind {
		counter bulk4 { }
		counter bulk6 { }
		chain in {
			type filter hook ingress device eth0 priority 0;
			ip protocol tcp tcp dport 5201 counter name bulk4
			ip6 nexthdr tcp tcp dport 5201 counter name bulk6
		}
	}
EOT
# payload PACKETS BYTES HEADERS: of segments with timestamps; a SYN has 8 bytes
# of options more (RFC 9293, RFC 7323)
payload() { echo $(($2 - $1 * $3 - 8)); }

# Whether the whole has arrived. What is under leases is looked at all the way:
# it is handed over a second after the last packet.
all_came() {
	local way now
	for way in 0 1; do
		now=$(leased "$way")
		[ "$now" -le "${PEAK[way]}" ] || PEAK[way]=$now
	done
	[ "$(stat -c %s "$SINK")" = "$SIZE" ]
}

# bulk FAMILY ADDRESS HEADERS: 30 MB from b to a
SIZE=30000000
bulk() {
	local sink=$SANDBOX/sink.$1 flow behind
	start a "$SANDBOX/sink.log" socat -u "TCP$1-LISTEN:5201,reuseaddr" \
		"OPEN:$sink,creat"
	until_ok 5 in_ns a sh -c 'ss -Htln "sport = :5201" | grep -q .' ||
		fail "no listener"
	mkfifo "$SANDBOX/hold.$1" # the connection is open until it is written to
	(head -c $SIZE /dev/zero; cat "$SANDBOX/hold.$1") |
		in_ns b timeout 200 socat -u - "TCP$1:$2:5201" &
	PEAK=(0 0) SINK=$sink
	until_ok 10 all_came || fail "IPv$1: not all arrived"
	[ "${PEAK[0]}" -gt 100 ] || fail "IPv$1: nothing came in by a lease"
	[ "${PEAK[1]}" -gt 10 ] || fail "IPv$1: nothing left by a lease"
	flow=$(field a '{"cmd":"flows","port":5201,"table":"flows"}' \
		'.flows[]? | select(.state == "established") | "\(.packets_in) \(.bytes_in)"')
	behind=$(in_ns a nft -j list counter netdev behind "bulk$1" |
		jq -r '.nftables[] | .counter? // empty | "\(.packets) \(.bytes)"')
	# shellcheck disable=SC2086 # two numbers
	is "IPv$1: payload of the flow" "$(payload $flow "$3")" \
		"$(payload $behind "$3")"
	# shellcheck disable=SC2086
	[ "$(payload $flow "$3")" -ge $SIZE ] || fail "IPv$1: less than was sent"
	echo >"$SANDBOX/hold.$1"
	wait $!
}
bulk 4 10.9.0.1 52
bulk 6 '[fd00:9::1]' 72
done_testing
