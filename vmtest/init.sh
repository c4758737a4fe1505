#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The guest's first process: runs what /vmtest/tests names, one command a
# line, and says on the console how each ended.
export PATH=/usr/bin:/usr/sbin:/bb HOME=/root LC_ALL=C.UTF-8
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t tmpfs tmp /tmp
mount -t tmpfs run /run
mkdir -p /run/netns /dev/shm /dev/pts /bb
mount -t cgroup2 cgroup /sys/fs/cgroup
mount -t tmpfs shm /dev/shm
mount -t devpts pts /dev/pts
ln -s /proc/self/fd /dev/fd
busybox --install -s /bb
# dash has it.
# shellcheck disable=SC3045
ulimit -l unlimited
ip link set lo up
while read -r m; do
	modprobe "$m" || echo "vmtest: no module $m"
done </vmtest/modules
# Waits of the tests end later here: an emulated CPU is slow, and shared.
export MOAT_TEST_SLOW=10 MOAT_DEMO_SLOW=4
[ ! -d /conformance ] || export MOAT_CONFORMANCE=/conformance
cd "$(cat /vmtest/folder)" || echo "vmtest: no tree"
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
	# cmocka counts what a kernel had no way to be asked.
	[ $rc = 77 ] || grep -h '\[  SKIPPED \].*:' /tmp/log
	case $rc:$command in
	0:*verifier* | 0:*test_agent_kernel*) cat /tmp/log ;;
	0:* | 77:*) ;;
	*) tail -n 60 /tmp/log ;;
	esac
done </vmtest/tests
echo "vmtest: exit $failed"
busybox poweroff -f
