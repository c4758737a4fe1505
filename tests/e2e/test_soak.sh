#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Everything at once: traffic, pushes good, bad and unconfirmed, the agent
# killed and restarted, links flapped and made anew, addresses, the clock, a
# full disk, full tables, no memory, foreign programs. An observer with sockets
# at both ends asserts throughout that no allowed flow loses a packet and no
# denied packet arrives; then the counters are added up and what the agent
# holds is compared with what it held (R-43, R-48).
# SOAK_MINUTES (3), SOAK_SEED (of the clock): `make soak` takes 30 minutes.
# shellcheck disable=SC2317 # soak_clean is called by a trap
. "$(dirname "$0")/lib.sh"
sandbox
MINUTES=${SOAK_MINUTES:-3}
SEED=${SOAK_SEED:-$EPOCHSECONDS}
D=$SANDBOX/host

soak_clean() {
	local rc=$?
	[ -z "${SOAK_PID:-}" ] || { kill "$SOAK_PID" && wait "$SOAK_PID"; } 2>/dev/null
	umount "$D/state" 2>/dev/null
	return "$rc"
}
trap 'soak_clean; sandbox_clean' EXIT

ns_add host peer
for n in host peer; do
	in_ns $n sysctl -qw net.ipv6.conf.all.keep_addr_on_down=1 \
		net.ipv6.conf.default.keep_addr_on_down=1 \
		net.ipv4.tcp_early_retrans=0 net.core.somaxconn=4096 \
		net.ipv4.icmp_ratelimit=0 || fail "sysctl"
done
for i in 0 1 2; do
	veth host eth$i peer eth$i
	addr host eth$i 10.9.$i.1/24 fd00:9:$i::1/64
	addr peer eth$i 10.9.$i.2/24 fd00:9:$i::2/64
done
addr host eth1 10.9.1.77/24 fd00:9:1::77/64
# One frame, one packet: what is counted can be compared.
for n in host peer; do
	in_ns $n ethtool -K eth0 tso off gso off gro off >/dev/null 2>&1
done

mkdir "$D/state"
mount -t tmpfs -o size=2m,mode=700 tmpfs "$D/state" || fail "tmpfs"
gcc -shared -fPIC -O2 -o "$D/clock.so" "$ROOT/tests/e2e/soak_clock.c" ||
	fail "soak_clock.c"
head -c 8 /dev/zero >"$D/clock"
agent_config host "failsafe: []
xdp: $([ $((SEED % 2)) = 0 ] && echo none || echo generic)
timeouts: {udp: 8s, tcp_closing: 10s, tcp_half_open: 10s}
tables: {flows: 1024, udp: 2048, embryonic: 1024, closing: 1024, other: 1024, fragments: 256, denied: 1024, memory: 512MiB}"

echo "seed $SEED, $MINUTES minutes"
/usr/bin/python3 -B "$ROOT/tests/e2e/soak.py" $((MINUTES * 60)) "$SEED" \
	"$(ns host)" "$(ns peer)" "$D" "$SANDBOX/bpf/host" "$MOATD" &
SOAK_PID=$!
wait "$SOAK_PID"
rc=$?
SOAK_PID=
[ $rc = 0 ] || fail "repeat it: SOAK_SEED=$SEED SOAK_MINUTES=$MINUTES bash tests/e2e/test_soak.sh"
CHECKS=$((CHECKS + 1))
done_testing
