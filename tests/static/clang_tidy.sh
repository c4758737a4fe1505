#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# clang-tidy with the checks of .clang-tidy over user/ and, as they ship, the
# programs of bpf/; or over the files named on the command line.
#
# The analyzer gives a function up after so many states: this quarter of its
# default found all that the default found, in less than half of the time.
set -u
cd "$(dirname "$0")/../.." || exit 2
[ -s .output/moat.skel.h ] || { echo "build first: make"; exit 2; }
[ $# -gt 0 ] || set -- user/*/*.c bpf/*.c
scratch=$(mktemp -d) || exit 2
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT TERM
multiarch=$(gcc -print-multiarch 2>/dev/null)
arch=$(uname -m | sed 's/x86_64/x86/;s/aarch64/arm64/')

# Its stderr counts what it was told to leave out: shown if it failed.
# shellcheck disable=SC2317 # called by xargs
one() {
	local flags=(-std=gnu17 -D_GNU_SOURCE -DMOAT_VERSION='"static"'
		-Iinclude -Iuser -I.output)

	case $1 in
	bpf/*) flags=(-std=gnu17 -O2 -target bpf "-D__TARGET_ARCH_$arch"
		-Iinclude -Ibpf ${multiarch:+"-I/usr/include/$multiarch"}) ;;
	esac
	clang-tidy --quiet --header-filter='^(user|bpf|include/moat)/' "$1" \
		-- "${flags[@]}" -Xclang -analyzer-opt-analyze-headers \
		-Xclang -analyzer-config \
		-Xclang max-nodes=60000 2>"$scratch/$$" && return
	cat "$scratch/$$"
	return 1
}
export -f one
export multiarch arch scratch
# shellcheck disable=SC2016 # for the inner shell
printf '%s\n' "$@" | xargs -P "$(nproc)" -I{} bash -c 'one "$1"' - {}
rc=$?
printf '%d files\n' $#
[ $rc = 0 ]
