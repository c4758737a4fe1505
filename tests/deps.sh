#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Installs what building and testing need. On a distribution without apt the
# names are printed and the build stops.
set -eu
packages='make gcc libc6-dev clang llvm libclang-rt-14-dev pkg-config
libbpf-dev bpftool libelf-dev zlib1g-dev libyaml-dev libjansson-dev
libmicrohttpd-dev libgnutls28-dev libmnl-dev libcmocka-dev libcap2-bin iproute2
iputils-ping iperf3 netcat-openbsd openssl nftables ethtool procps curl jq
socat strace systemd universal-ctags shellcheck cppcheck clang-tidy
clang-format python3 python3-jsonschema python3-yaml python3-prometheus-client
pyflakes3 gnuplot-nox iptables ipset xdp-tools nmap thc-ipv6
qemu-system-x86 busybox-static xz-utils debootstrap man-db'
missing=
if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
	for tool in gcc clang bpftool ip iperf3 nft; do
		command -v $tool >/dev/null || missing="$missing $tool"
	done
	[ -z "$missing" ] && exit 0
	echo "moat: missing:$missing" >&2
	echo "moat: install the equivalents of these Debian packages:" >&2
	echo "$packages" >&2
	exit 1
fi
for p in $packages; do
	dpkg-query -W -f '${db:Status-Status}\n' "$p" 2>/dev/null |
		grep -qx installed || missing="$missing $p"
done
[ -z "$missing" ] && exit 0
if [ "$(id -u)" != 0 ]; then
	echo "moat: missing packages:$missing" >&2
	echo "moat: run 'make deps' as root, or install them by hand" >&2
	exit 1
fi
echo "moat: installing$missing"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
# shellcheck disable=SC2086 # a list of names
apt-get install -y -qq --no-install-recommends $missing >/dev/null
