#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The guest's first process: runs what /vmtest/tests names, one command a
# line, and says on the console how each ended.
export PATH=/bin:/sbin:/usr/bin:/usr/sbin HOME=/root
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t tmpfs tmp /tmp
mount -t tmpfs run /run
mount -t cgroup2 cgroup /sys/fs/cgroup
mkdir -p /run/netns /dev/shm
# dash has it.
# shellcheck disable=SC3045
ulimit -l unlimited
ip link set lo up
while read -r m; do
	modprobe "$m" || echo "vmtest: no module $m"
done </vmtest/modules
# After the guest's own set-up: what dies before it is booted again.
echo "vmtest: init on $(uname -r)"
failed=0
while read -r seconds command; do
	start=$(date +%s)
	timeout -s KILL "$seconds" sh -c "$command" >/tmp/log 2>&1 </dev/null
	rc=$?
	took=$(($(date +%s) - start))
	case $rc in
	0) echo "ok    $command (${took}s)" ;;
	77) echo "SKIP  $command: $(tail -n 1 /tmp/log)" ;;
	*) echo "FAIL  $command (exit $rc, ${took}s)"; failed=1 ;;
	esac
	case $rc:$command in
	0:*verifier*) cat /tmp/log ;;
	0:* | 77:*) ;;
	*) tail -n 60 /tmp/log ;;
	esac
done </vmtest/tests
echo "vmtest: exit $failed"
poweroff -f
