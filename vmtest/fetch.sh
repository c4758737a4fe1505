# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# Debian's kernels by apt, with lists and sources of our own: the machine's
# mirror, other suites. Sourced by run.sh; needs $out and die.
: "${out:?}"

# apt verifies what it fetches; a mirror that doesn't answer ends in minutes.
private_apt() {
	local tool=$1
	shift
	timeout 300 "$tool" -q -o Dir::Etc::SourceList="$out/apt/sources.list" \
		-o Dir::Etc::SourceParts=/nonexistent \
		-o Dir::State::Lists="$out/apt/lists" \
		-o APT::Sandbox::User=root \
		-o Acquire::Retries=2 -o Acquire::http::Timeout=30 \
		-o Acquire::https::Timeout=30 "$@"
}

# fetch_lists SUITE: that suite alone, so that another's absence costs nothing
fetch_lists() {
	local suite=$1 uri
	# shellcheck disable=SC2016 # apt's own placeholder
	uri=$(apt-get indextargets --format '$(REPO_URI)' \
		'Created-By: Packages' 'Origin: Debian' \
		"Codename: $(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)" |
		head -n 1)
	[ -n "$uri" ] || die "no Debian mirror in this machine's apt sources"
	mkdir -p "$out/apt/lists/partial"
	printf 'deb [signed-by=%s] %s %s main\n' \
		/usr/share/keyrings/debian-archive-keyring.gpg \
		"$uri" "$suite" >"$out/apt/sources.list"
	if ! private_apt apt-get update >"$out/apt/log" 2>&1 ||
		grep -q '^[EW]:' "$out/apt/log"; then
		die "suite $suite is not to be had from this machine's mirror: $(
			grep '^[EW]:' "$out/apt/log" | head -n 1)"
	fi
}

# fetch_kernel NAME SUITE METAPACKAGE: what stands behind the metapackage,
# unpacked in $out/tree/NAME. Downloaded once: a newer one is fetched after
# `rm -r .output/vmtest`.
fetch_kernel() {
	local name=$1 suite=$2 meta=$3 version image
	[ -e "$out/tree/$name/done" ] && return 0
	mkdir -p "$out/deb"
	fetch_lists "$suite"
	version=$(private_apt apt-cache madison "$meta" |
		awk -v s="$suite/main" '$5 ~ "/?" s "$" || $6 == s { print $3; exit }')
	[ -n "$version" ] || die "$suite has no $meta"
	image=$(private_apt apt-cache show "$meta=$version" |
		sed -n 's/^Depends: \(linux-image-[^ ,]*\).*/\1/p' | head -n 1)
	[ -n "$image" ] || die "$suite: $meta $version names no kernel"
	(cd "$out/deb" && rm -f "${image}"_*.deb &&
		private_apt apt-get download "$image/$suite") \
		>"$out/apt/log" 2>&1 ||
		die "$image: $(tail -n 3 "$out/apt/log")"
	rm -rf "$out/tree/$name"
	if ! { mkdir -p "$out/tree/$name" &&
		dpkg-deb -x "$out/deb/${image}"_*.deb "$out/tree/$name" &&
		find "$out/tree/$name" -name '*.ko.xz' -exec unxz {} + &&
		rm -f "$out/deb/${image}"_*.deb &&
		touch "$out/tree/$name/done"; }; then
		die "$image: not unpacked"
	fi
}
