# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# The guest's file system, an initramfs of two archives: what all kernels
# share (tools, their libraries, the tree with its built programs), and one
# kernel's modules and list of tests. Sourced by run.sh; needs $out, $here, die.
: "${out:?}" "${here:?}"

# Loaded at boot, and what they need.
MODULES='veth dummy 8021q bonding tun cls_bpf sch_ingress act_gact'
# There if the kernel asks for them.
ON_DEMAND='bridge inet_diag tcp_diag udp_diag ip_tables ip6_tables nf_tables
nft_chain_nat nft_ct nft_limit nft_counter nft_compat nf_conntrack ipip sit
sch_fq_codel sch_fq sch_htb'
TOOLS='sh bash ip tc ss bridge ping nc socat jq curl nsenter unshare setpriv
sysctl ethtool iperf3 nft strace openssl bpftool mount umount grep sed awk find
xargs ps pgrep pkill python3 diff cmp getcap capsh prlimit setsid flock kill
dmesg lsns gzip tar'

# add_programs ROOT FILE...: where they lie here, with their libraries
add_programs() {
	local root=$1 f
	shift
	for f in "$@"; do
		mkdir -p "$root${f%/*}"
		[ -e "$root$f" ] || cp -L "$f" "$root$f" || die "$f"
	done
	# Says "not a dynamic executable" of scripts.
	ldd "$@" 2>/dev/null | grep -o '/[^ :]*' | sort -u | while read -r f; do
		[ -e "$root$f" ] && continue
		mkdir -p "$root${f%/*}"
		cp -L "$f" "$root$f" || die "$f"
	done
}

add_tools() {
	local root=$1 t tools=()
	for t in $TOOLS $(dpkg -L coreutils | grep -E '^/(usr/)?s?bin/'); do
		t=$(command -v "${t##*/}") && [ -f "$t" ] && tools+=("$t")
	done
	add_programs "$root" "${tools[@]}"
	cp "$(command -v busybox)" "$root/usr/bin/busybox"
	ln -s ../bin/busybox "$root/usr/sbin/modprobe"
}

# The interpreter's library, and the modules that the tests import.
add_python() {
	local root=$1 lib m
	lib=$(/usr/bin/python3 -c 'import os; print(os.path.dirname(os.__file__))')
	mkdir -p "$root$lib" "$root/usr/lib/python3/dist-packages"
	tar -C "$lib" --exclude=test --exclude=idlelib --exclude=lib2to3 \
		--exclude=ensurepip --exclude=distutils --exclude=pydoc_data \
		--exclude='config-*' --exclude=tkinter -c . | tar -C "$root$lib" -x
	for m in prometheus_client decorator.py yaml; do
		cp -a "/usr/lib/python3/dist-packages/$m" \
			"$root/usr/lib/python3/dist-packages/" || die "python3-$m"
	done
	find "$root$lib" -name '*.so' | sed "s,^$root,," >"$out/so"
	mapfile -t m <"$out/so"
	add_programs "$root" /usr/bin/python3 "${m[@]}"
}

# The tree at its own path, with what was built; debugging symbols stay here.
add_tree() {
	local root=$1 t programs
	local data=${MOAT_CONFORMANCE:-$PWD/../shared/conformance}
	mkdir -p "$root$PWD/.output/tests" "$root$PWD/.output/vmtest"
	cp -r policies tests user bpf include "$root$PWD/" || die "the tree"
	rm -rf "$root$PWD"/tests/{fuzz,bench}
	for t in bpf diff; do
		cp -r ".output/tests/$t" "$root$PWD/.output/tests/" || die "tests"
	done
	cp .output/moat .output/moatd "$root$PWD/.output/"
	cp .output/vmtest/verifier "$root$PWD/.output/vmtest/"
	find "$root$PWD/.output" -type f -perm -100 -exec strip -s {} +
	mapfile -t programs < <(find "$PWD/.output/moat" "$PWD/.output/moatd" \
		"$PWD/.output/tests/bpf" "$PWD/.output/tests/diff" -type f -perm -100)
	add_programs "$root" "${programs[@]}"
	[ ! -d "$data" ] || cp -r "$data" "$root/conformance"
}

add_etc() {
	local root=$1
	printf 'root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65534::/:/bin/sh\n' \
		>"$root/etc/passwd"
	printf 'root:x:0:\nnogroup:x:65534:\n' >"$root/etc/group"
	echo '127.0.0.1 localhost' >"$root/etc/hosts"
	echo 'd06f00d0d06f00d0d06f00d0d06f00d0' >"$root/etc/machine-id"
	cp /etc/protocols /etc/services "$root/etc/" 2>/dev/null
	cp -rL /etc/iproute2 "$root/etc/" 2>/dev/null
	mkdir "$root/usr/lib/locale" &&
		cp -r /usr/lib/locale/C.utf8 "$root/usr/lib/locale/" 2>/dev/null
	return 0
}

pack() { (cd "$1" && find . | busybox cpio -o -H newc 2>/dev/null) >"$1.cpio"; }

# Once a run; /bin and /lib are links to /usr as on Debian itself.
build_common() {
	local root=$out/root d
	rm -rf "$root"
	mkdir -p "$root"/{usr/{bin,sbin,lib,lib64},etc,proc,sys,dev,tmp,run,root} \
		"$root"/var/{lib,log,tmp}
	for d in bin sbin lib lib64; do
		ln -s "usr/$d" "$root/$d"
	done
	add_etc "$root"
	add_tools "$root"
	add_python "$root"
	add_tree "$root"
	install -m 755 "$here/init.sh" "$root/init"
	pack "$root" || die "initramfs"
	rm -rf "$root"
}

# add_modules TREE ROOT RELEASE
add_modules() {
	local tree=$1 root=$2 release=$3 m file
	local dir=lib/modules/$release
	[ -d "$tree/$dir" ] || dir=usr/$dir
	[ -s "$tree/$dir/modules.dep" ] ||
		busybox depmod -b "$tree/${dir%lib/modules/*}" "$release" 2>/dev/null
	[ -s "$tree/$dir/modules.dep" ] || die "no modules.dep for $release"
	mkdir -p "$root/usr/lib/modules/$release"
	for m in $MODULES $ON_DEMAND; do
		file=$(grep -E "(^|/)$m\.ko:" "$tree/$dir/modules.dep") ||
			continue
		[[ " $MODULES " != *" $m "* ]] || echo "$m" >>"$root/vmtest/modules"
		for file in ${file/:/ }; do
			(cd "$tree/$dir" && cp --parents "${file#/"$dir"/}" \
				"$root/usr/lib/modules/$release/") ||
				die "module $file"
		done
	done
	cp "$tree/$dir"/modules.{order,builtin} "$root/usr/lib/modules/$release/" \
		2>/dev/null
	busybox depmod -b "$root/usr" "$release" || die "depmod"
}

# build_initrd NAME TREE: $out/NAME.initrd
build_initrd() {
	local name=$1 tree=$2 root=$out/root-$1 release
	release=$(basename "$tree"/boot/vmlinuz-*)
	[ -n "${common_built:-}" ] || build_common
	common_built=1
	rm -rf "$root"
	mkdir -p "$root/vmtest"
	add_modules "$tree" "$root" "${release#vmlinuz-}"
	list_tests "$name" >"$root/vmtest/tests"
	echo "$PWD" >"$root/vmtest/folder"
	pack "$root" || die "initramfs"
	cat "$out/root.cpio" "$root.cpio" >"$out/$name.initrd"
	rm -rf "$root" "$root.cpio"
}
