#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# usage: vmtest/run.sh [--short] [KERNEL...]   names of kernels.txt; none: all
# Boots Debian kernels under qemu, one after the other, and runs tests.txt in
# them; --short: the part of it that `make test` runs. Exits 0 if every test
# passed or was skipped on every kernel, 77 where no such guest can run.
#   VMTEST_TESTS    commands instead of tests.txt, one a line, each after the
#                   seconds it may take
#   VMTEST_ACCEL    kvm where that works; else tcg
#   VMTEST_NICE     niceness of a guest (10)
#   VMTEST_TIMEOUT  seconds a guest may live (7200; --short: 1800)
#   VMTEST_BOOT     seconds until its first line (180)
set -u
shopt -s nullglob
cd "$(dirname "$0")/.." || exit 2
here=vmtest
out=$PWD/.output/vmtest
form=full
accel=${VMTEST_ACCEL:-tcg}
BOOTS=5 # a guest that dies before its first line is booted again
BOOT_SECONDS=${VMTEST_BOOT:-180}

die() {
	echo "vmtest: $*" >&2
	exit 2
}
. $here/fetch.sh
. $here/root.sh

clean() {
	local job
	for job in $(jobs -p); do
		pkill -TERM -P "$job"
		kill "$job"
	done 2>/dev/null
}
trap clean EXIT
trap 'exit 130' INT TERM

# denied KERNEL COMMAND: does DENYLIST name it?
denied() {
	awk -v k="$1" -v t="$2" '!/^#/ && ($2 == k || $2 == "all") &&
		index(" " t " ", $1 " ") { found = 1 } END { exit !found }' \
		$here/DENYLIST
}

# One command of the guest a line, after its limit in seconds.
list_tests() {
	local kernel=$1 seconds forms command t
	if [ -n "${VMTEST_TESTS:-}" ]; then
		printf '%s\n' "$VMTEST_TESTS"
		return
	fi
	while read -r seconds forms command; do
		[[ ",$forms," = *",$form,"* ]] || continue
		set -- "$command"
		# shellcheck disable=SC2086 # a * stands for every such file
		[[ $command != *\** ]] || set -- $command
		for t in "$@"; do
			denied "$kernel" "$t" || echo "$seconds $t"
		done
	done < <(grep -v '^#' $here/tests.txt)
}

began() { grep -aq '^vmtest: init on' "$1"; }

# watch QEMU LOG: until it ends; killed if its first line does not come. One
# that hangs in the kernel (/dev/kvm) may not die of it: it is left behind.
watch() {
	local qemu=$1 log=$2 end=$((SECONDS + BOOT_SECONDS))
	while kill -0 "$qemu" 2>/dev/null; do
		sleep 0.3
		if [ "$SECONDS" -le "$end" ] || began "$log"; then
			continue
		fi
		echo "vmtest: killed, no first line in $BOOT_SECONDS s" >>"$log"
		pkill -KILL -P "$qemu"
		sleep 3
		kill -KILL "$qemu" 2>/dev/null &&
			echo "vmtest: qemu did not die of it" >>"$log"
		return
	done
}

# boot INITRD TREE LOG: what the guest says goes to LOG; its tests' results
# here too.
boot() {
	local initrd=$1 tree=$2 log=$3 cpu qemu
	local limit=7200
	[ "$form" = full ] || limit=1800
	# Without cx16: qemu 7.2 computes the flags of CMPXCHG16B without a lock
	# prefix from stale state, and an interrupt between it and the jump that
	# follows brings them into the guest (a trap flag, virtual 8086 mode).
	# Linux 6.12's slab jumps so at each allocation.
	cpu=max,-cx16
	[ "$accel" = tcg ] || cpu=host
	: >"$log"
	nice -n "${VMTEST_NICE:-10}" timeout -s KILL "${VMTEST_TIMEOUT:-$limit}" qemu-system-x86_64 \
		-accel "$accel" -cpu $cpu -smp 2 -m 3072 -nodefaults \
		-display none -serial stdio -no-reboot \
		-kernel "$tree"/boot/vmlinuz-* -initrd "$initrd" \
		-append "console=ttyS0 panic=-1 quiet loglevel=4 no_timer_check" \
		</dev/null >"$log" 2>&1 &
	qemu=$!
	tail -n +1 -s 0.3 --pid=$qemu -f "$log" |
		sed -u 's/\r$//; /^ *$/d' &
	watch "$qemu" "$log"
	{ wait; } 2>/dev/null
}

# said LOG PATTERN: how many lines
said() { grep -acE "$2" "$1"; }

run_kernel() {
	local name=$1 suite=$2 meta=$3 try began=$SECONDS
	local log=$out/$name.log tree=$out/tree/$name
	fetch_kernel "$name" "$suite" "$meta"
	build_initrd "$name" "$tree"
	for ((try = 1; try <= BOOTS; try++)); do
		echo "== $name ($suite), boot $try"
		boot "$out/$name.initrd" "$tree" "$log"
		began "$log" && break
		echo "== $name: died before its first process (boot $try of $BOOTS)"
		tail -n 5 "$log"
		[ "$accel" = tcg ] || {
			echo "== no guest with VMTEST_ACCEL=$accel here; without it, it is emulated"
			break
		}
	done
	rm -f "$out/$name.initrd"
	awk -v k="$name" '!/^#/ && NF && ($2 == k || $2 == "all") {
		t = $1; $1 = $2 = ""; print "not run on " k ": " t ":" $0 }' \
		$here/DENYLIST
	grep -aq '^vmtest: exit' "$log" ||
		echo "== $name: the guest did not come to its end; $log"
	printf '== %s: %d passed, %d failed, %d skipped; %d boots lost; %d s\n' \
		"$name" "$(said "$log" '^ok    ')" "$(said "$log" '^FAIL  ')" \
		"$(said "$log" '^SKIP  ')" $((try - 1)) $((SECONDS - began))
	tr -d '\r' <"$log" | grep -aq '^vmtest: exit 0$'
}

[ "${1:-}" != --short ] || { form=short; shift; }
if [ "$(uname -m)" != x86_64 ]; then
	echo "the kernels of kernels.txt are built for x86-64"
	exit 77
fi
for tool in qemu-system-x86_64 busybox dpkg-deb apt-get unxz; do
	command -v "$tool" >/dev/null || die "needs $tool: make deps"
done
mkdir -p "$out" || exit 2
set -- "${@##*/}"
while read -r name suite meta; do
	case $name in '' | '#'*) continue ;; esac
	[ $# = 0 ] || [[ " $* " = *" $name "* ]] || continue
	run_kernel "$name" "$suite" "$meta" <&3 || failed="${failed:-} $name"
	ran="${ran:-} $name"
done 3</dev/null <$here/kernels.txt
[ -n "${ran:-}" ] || die "no such kernel in $here/kernels.txt: $*"
echo "kernels run:$ran; failed:${failed:- none}"
[ -z "${failed:-}" ]
