#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Runs a command as moatd.service would, as far as that goes without systemd:
#   confine.sh UNIT RWDIRS COMMAND...
# its capabilities, its read-only file systems (but for RWDIRS, joined by
# colons), no /root and /home, its seccomp rules by the confine.py beside it.
# The command keeps the pid.
set -eu
unit=$1 writable=$2
shift 2
if [ -z "${CONFINED:-}" ]; then
	CONFINED=1 exec unshare --mount --propagation slave \
		bash "$0" "$unit" "$writable" "$@"
fi
unset CONFINED
IFS=: read -ra folders <<<"$writable"
for d in "${folders[@]}"; do
	mount --bind "$d" "$d"
done
is_writable() {
	local d
	for d in "${folders[@]}"; do
		[ "$1" = "$d" ] && return 0
	done
	return 1
}
while read -r _ _ _ _ point _; do
	is_writable "$point" ||
		mount -o remount,bind,ro "$point" 2>/dev/null || :
done </proc/self/mountinfo
for d in /root /home; do
	mount -t tmpfs -o ro,mode=000 tmpfs "$d"
done
bounding=-all
read -ra caps < <(sed -n 's/^CapabilityBoundingSet=//p' "$unit")
for c in "${caps[@]}"; do
	c=${c#CAP_}
	bounding=$bounding,+${c,,}
done
cd /
umask 077
exec setpriv --no-new-privs --inh-caps=-all --bounding-set="$bounding" -- \
	/usr/bin/python3 "$(dirname "$0")/confine.py" "$unit" "$@"
