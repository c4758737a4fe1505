#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# The guest's first process: runs what /vmtest/tests names, one command a
# line, and says on the console how each ended. Scripts run two at a time, as
# tests/run.sh has it; programs alone, since some want both CPUs.
export PATH=/usr/bin:/usr/sbin:/bb HOME=/root LC_ALL=C.UTF-8
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t tmpfs tmp /tmp
mount -t tmpfs run /run
mkdir -p /run/netns /run/vmtest /dev/shm /dev/pts /bb
mount -t cgroup2 cgroup /sys/fs/cgroup
mount -t tmpfs shm /dev/shm
mount -t devpts pts /dev/pts
ln -s /proc/self/fd /dev/fd
busybox --install -s /bb
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

# say RC TOOK LOG COMMAND: how it ended, and of its output what matters
say() {
	local rc=$1 took=$2 log=$3 command=$4
	case $rc in
	0) echo "ok    $command (${took}s)" ;;
	77) echo "SKIP  $command: $(tail -n 1 "$log")" ;;
	*) echo "FAIL  $command (exit $rc, ${took}s)" ;;
	esac
	# cmocka counts what a kernel had no way to be asked.
	[ "$rc" = 77 ] || grep -h '\[  SKIPPED \].*:' "$log"
	case $rc:$command in
	0:*verifier* | 0:*test_agent_kernel*) cat "$log" ;;
	0:* | 77:*) ;;
	*) tail -n 60 "$log" ;;
	esac
}

# run SECONDS COMMAND
run() {
	local seconds=$1 command=$2 start=$SECONDS log rc
	log=$(mktemp /run/vmtest/XXXXXX)
	timeout -s KILL "$seconds" sh -c "$command" >"$log" 2>&1 </dev/null
	rc=$?
	say $rc $((SECONDS - start)) "$log" "$command" >"$log.said"
	cat "$log.said"
	[ $rc = 0 ] || [ $rc = 77 ] || : >/run/vmtest/failed
	rm -f "$log" "$log.said"
}

while read -r seconds command; do
	case $command in
	bash\ *)
		while [ "$(jobs -rp | wc -l)" -ge 2 ]; do
			wait -n
		done
		run "$seconds" "$command" &
		;;
	*)
		wait
		run "$seconds" "$command"
		;;
	esac
done </vmtest/tests
wait
failed=0
[ ! -e /run/vmtest/failed ] || failed=1
echo "vmtest: exit $failed"
busybox poweroff -f
