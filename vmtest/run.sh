#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# usage: vmtest/run.sh [KERNEL...]     names of kernels.txt; none: all
# Boots Debian kernels under qemu and runs the tests that need a kernel in
# them. VMTEST_TESTS: commands of the guest instead of the usual ones, one a
# line, each after its limit in seconds. VMTEST_ACCEL: kvm where that works.
# Exits 0 if every test passed or was skipped on every kernel.
set -u
shopt -s nullglob
cd "$(dirname "$0")/.." || exit 2
here=vmtest
out=$PWD/.output/vmtest
mkdir -p "$out/apt/lists/partial" "$out/deb" || exit 2

die() {
	echo "vmtest: $*" >&2
	exit 2
}
# timeout passes the signal on to its guest
trap 'pkill -TERM -P $$; exit 130' INT TERM

for tool in qemu-system-x86_64 busybox dpkg-deb apt-get gzip unxz; do
	command -v "$tool" >/dev/null ||
		die "needs $tool: apt-get install qemu-system-x86 busybox-static xz-utils"
done

# This machine's own Debian mirror, other suites.
private_apt() {
	local tool=$1
	shift
	"$tool" -q -o Dir::Etc::SourceList="$out/apt/sources.list" \
		-o Dir::Etc::SourceParts=/nonexistent \
		-o Dir::State::Lists="$out/apt/lists" \
		-o APT::Sandbox::User=root "$@"
}

fetch_lists() {
	local uri suite
	[ -z "${lists_fetched:-}" ] || return 0
	# shellcheck disable=SC2016 # apt's own placeholder
	uri=$(apt-get indextargets --format '$(REPO_URI)' \
		'Created-By: Packages' 'Origin: Debian' \
		"Codename: $(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)" |
		head -n 1)
	[ -n "$uri" ] || die "no Debian mirror in this machine's apt sources"
	while read -r _ suite _; do
		printf 'deb [signed-by=%s] %s %s main\n' \
			/usr/share/keyrings/debian-archive-keyring.gpg \
			"$uri" "$suite"
	done < <(grep -v '^#' $here/kernels.txt) | sort -u >"$out/apt/sources.list"
	private_apt apt-get update >"$out/apt/log" 2>&1 ||
		die "apt-get update: $(tail -n 3 "$out/apt/log")"
	lists_fetched=1
}

# The kernel behind a suite's metapackage, unpacked in tree/NAME. Downloaded
# once: a new one is fetched after `rm -r .output/vmtest`.
fetch_kernel() {
	local name=$1 suite=$2 meta=$3 version image
	[ -e "$out/tree/$name/done" ] && return 0
	fetch_lists
	version=$(private_apt apt-cache madison "$meta" |
		awk -v s="$suite/main" '$5 ~ "/?" s "$" || $6 == s { print $3; exit }')
	image=$(private_apt apt-cache show "$meta=$version" |
		sed -n 's/^Depends: \(linux-image-[^ ,]*\).*/\1/p' | head -n 1)
	[ -n "$image" ] || die "$suite has no $meta"
	(cd "$out/deb" && rm -f "${image}"_*.deb &&
		private_apt apt-get download "$image/$suite") \
		>"$out/apt/log" 2>&1 ||
		die "$image: $(tail -n 3 "$out/apt/log")"
	rm -rf "$out/tree/$name"
	if ! { mkdir -p "$out/tree/$name" &&
		dpkg-deb -x "$out/deb/${image}"_*.deb "$out/tree/$name" &&
		find "$out/tree/$name" -name '*.ko.xz' -exec unxz {} + &&
		touch "$out/tree/$name/done"; }; then
		die "$image: not unpacked"
	fi
}

MODULES='veth dummy 8021q bonding tun cls_bpf sch_ingress sch_clsact act_gact'

# Copies the modules named and what they need.
add_modules() {
	local tree=$1 root=$2 release=$3 m file
	local dir=lib/modules/$release
	[ -d "$tree/$dir" ] || dir=usr/$dir
	mkdir -p "$root/lib/modules/$release"
	busybox depmod -b "${tree}${dir%lib/modules/*}" "$release" 2>/dev/null
	[ -s "$tree/$dir/modules.dep" ] ||
		die "no modules.dep for $release"
	for m in $MODULES; do
		file=$(grep -E "(^|/)$m\.ko:" "$tree/$dir/modules.dep") ||
			continue
		echo "$m" >>"$root/vmtest/modules"
		for file in ${file/:/ }; do
			(cd "$tree/$dir" && cp --parents "${file#/"$dir"/}" \
				"$root/lib/modules/$release/") ||
				die "module $file"
		done
	done
	cp "$tree/$dir"/modules.{order,builtin} "$root/lib/modules/$release/" \
		2>/dev/null
	busybox depmod -b "$root" "$release" || die "depmod"
}

add_program() {
	local root=$1 to=$2 file=$3 lib
	mkdir -p "$root$(dirname "$to")"
	cp -L "$file" "$root$to" || die "$file"
	for lib in $(ldd "$file" 2>/dev/null | grep -o '/[^ ]*'); do
		[ -e "$root$lib" ] && continue
		mkdir -p "$root$(dirname "$lib")"
		cp -L "$lib" "$root$lib" || die "$lib"
	done
}

denied() {
	awk -v k="$1" -v t="$2" '$1 == t && ($2 == k || $2 == "all") {
		found = 1 } END { exit !found }' $here/DENYLIST
}

# One command of the guest a line, after its limit in seconds.
list_tests() {
	local kernel=$1 t
	if [ -n "${VMTEST_TESTS:-}" ]; then
		printf '%s\n' "$VMTEST_TESTS"
		return
	fi
	echo "120 /t/verifier"
	for t in .output/tests/bpf/test_* .output/tests/diff/test_*; do
		t=${t#.output/tests/}
		denied "$kernel" "$t" && continue
		case $t in
		diff/test_differential)
			echo "600 /t/$t --seed 1 --comparisons 4000" ;;
		*) echo "300 /t/$t" ;;
		esac
	done
}

build_root() {
	local name=$1 root=$2 tree=$3 release t
	release=$(basename "$tree"/boot/vmlinuz-*)
	release=${release#vmlinuz-}
	rm -rf "$root"
	mkdir -p "$root"/{bin,sbin,proc,sys,dev,tmp,run,root,vmtest,t}
	cp "$(command -v busybox)" "$root/bin/busybox"
	for t in $(busybox --list); do
		[ -e "$root/bin/$t" ] || ln -s busybox "$root/bin/$t"
	done
	# Not busybox's shell: it prefers its own ip to the one beside it.
	for t in sh ip tc strace; do
		rm -f "$root/bin/$t"
		[ -z "$(command -v $t)" ] ||
			add_program "$root" "/bin/$t" "$(command -v $t)"
	done
	for t in .output/tests/bpf/test_* .output/tests/diff/test_*; do
		add_program "$root" "/t/${t#.output/tests/}" "$t"
	done
	add_program "$root" /t/verifier .output/vmtest/verifier
	add_modules "$tree" "$root" "$release"
	list_tests "$name" >"$root/vmtest/tests"
	install -m 755 $here/init.sh "$root/init"
	(cd "$root" && find . | busybox cpio -o -H newc 2>/dev/null |
		gzip -1) >"$root.gz" || die "initramfs"
}

boot() {
	local root=$1 tree=$2 log=$3
	timeout -s KILL "${VMTEST_TIMEOUT:-3000}" qemu-system-x86_64 \
		-accel "${VMTEST_ACCEL:-tcg}" -cpu max -smp 2 -m 3072 -nodefaults \
		-display none -serial stdio -no-reboot \
		-kernel "$tree"/boot/vmlinuz-* -initrd "$root.gz" \
		-append "console=ttyS0 panic=-1 quiet loglevel=4" \
		</dev/null 2>&1 | tee "$log" | grep -a --line-buffered -v '^ *$'
}

run_kernel() {
	local name=$1 suite=$2 meta=$3 try
	local log=$out/$name.log tree=$out/tree/$name root=$out/root-$name
	fetch_kernel "$name" "$suite" "$meta"
	build_root "$name" "$root" "$tree"
	for try in 1 2 3 4 5; do
		echo "== $name ($suite), boot $try"
		boot "$root" "$tree" "$log"
		grep -aq '^vmtest: init on' "$log" && break
		echo "== $name: died before its first process (boot $try of 5)"
	done
	awk -v k="$name" '!/^#/ && NF && ($2 == k || $2 == "all") {
		t = $1; $1 = $2 = ""; print "not run: " t ":" $0 }' \
		$here/DENYLIST
	grep -aq '^vmtest: exit 0' "$log"
}

failed=
while read -r name suite meta; do
	case $name in '' | '#'*) continue ;; esac
	[ $# = 0 ] || [[ " $* " = *" $name "* ]] || continue
	run_kernel "$name" "$suite" "$meta" <&3 || failed="$failed $name"
	ran="${ran:-} $name"
done 3</dev/null <$here/kernels.txt
[ -n "${ran:-}" ] || die "no such kernel in $here/kernels.txt: $*"
echo "kernels run:$ran; failed:${failed:- none}"
[ -z "$failed" ]
