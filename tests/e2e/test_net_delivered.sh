#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# What the kernel delivers to this host though no interface has the address:
# broadcast addresses that IFA_BROADCAST doesn't name, a router's anycast
# address, local routes to addresses and to networks. None of it is forwarded,
# all is judged; packets that really go through pass on.
# shellcheck disable=SC2317 # functions are called by soon, yes and no
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/net.sh"
sandbox
ns_add a b
veth a eth0 b eth0
ip -n "$(ns a)" addr add 10.9.0.1/24 dev eth0 # without "brd +"
addr a eth0 fd00:9::1/64
addr b eth0 10.9.0.2/24 fd00:9::2/64
in_ns a sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
ip -n "$(ns a)" route add local 10.77.0.5 dev eth0
ip -n "$(ns a)" -6 route add local fd00:77::5 dev eth0
ip -n "$(ns b)" route add 10.76.0.0/14 via 10.9.0.1
ip -n "$(ns b)" -6 route add fd00:77::/64 via fd00:9::1
ip -n "$(ns b)" -6 route add fd00:78::/64 via fd00:9::1
ip -n "$(ns b)" -6 neigh replace fd00:9:: lladdr "$(mac_of a eth0)" dev eth0
start a "$SANDBOX/a/datagrams" /usr/bin/python3 -uc '
import select, socket
socks = []
for port in 81, 5000:
    sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    sock.bind(("::", port))
    socks.append(sock)
print("ready")
while True:
    for sock in select.select(socks, [], [])[0]:
        print(sock.recv(100).decode())'
ready() { grep -q ready "$SANDBOX/a/datagrams"; }
soon "a listener" 5 ready

SENT=0
# datagram ADDR PORT: a word of its own from b; prints it
datagram() {
	in_ns b /usr/bin/python3 -c '
import socket, sys
to, port, word = sys.argv[1:]
family = socket.AF_INET6 if ":" in to else socket.AF_INET
sock = socket.socket(family, socket.SOCK_DGRAM)
sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
sock.sendto(word.encode(), (to, int(port)))' "$1" "$2" "$3"
}
came() { grep -qx "$1" "$SANDBOX/a/datagrams"; }
arrives() {
	SENT=$((SENT + 1))
	datagram "$1" "$2" "word$SENT"
	soon "$1 port $2 arrives" 5 came "word$SENT"
}
# dropped ADDR REASON: judged, as the counter says, and never delivered
dropped() {
	local before
	before=$(count a drop "$2")
	SENT=$((SENT + 1))
	datagram "$1" 81 "word$SENT"
	grew "$1 judged" "$before" 1 count a drop "$2"
	no "$1 delivered" came "word$SENT"
}

SHARED="10.9.0.255 fd00:9::"
ADDRESSES="10.77.0.5 fd00:77::5"
for to in $SHARED $ADDRESSES; do arrives "$to" 81; done
agent_start a 'failsafe: []'
sed 's/"fd00:9::\/64"/"fd00:9::\/64", 10.77.0.5, "fd00:77::5"/' \
	"$(policy host '{name: data, from: any, protocol: udp, ports: 5000}')" \
	>"$SANDBOX/p.yaml"
push_ok a "$SANDBOX/p.yaml"
for to in $SHARED $ADDRESSES; do
	dropped "$to" sg-no-match
	arrives "$to" 5000
done
is "nothing forwarded" "$(count a allow forwarded)" 0

# One that comes later; whole networks, of which nobody is in a group.
datagram 10.77.0.6 81 before
[ "$(count a allow forwarded)" -gt 0 ] || fail "not forwarded"
in_ns a ip route add local 10.77.0.6 dev eth0
own() { status a '.addresses[].address' | grep -qx 10.77.0.6; }
soon "a local route is seen" 2 own
dropped 10.77.0.6 unassigned
in_ns a ip route add local 10.78.0.0/16 dev lo
in_ns a ip -6 route add local fd00:78::/64 dev lo
judged() {
	local before
	before=$(count a drop unassigned)
	datagram 10.78.1.2 81 network
	[ "$(count a drop unassigned)" -gt "$before" ]
}
soon "a local network is seen" 5 judged
dropped 10.78.3.4 unassigned
dropped fd00:78::9 unassigned
in_ns a ip route add 10.79.0.0/16 via 10.9.0.2
before=$(count a allow forwarded)
datagram 10.79.0.1 81 elsewhere
grew "what goes through passes" "$before" 1 count a allow forwarded
done_testing
