#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Every header compiles alone: user/, tests/ and include/moat with gcc,
# include/moat and bpf/ with clang for the BPF target.
set -u
cd "$(dirname "$0")/../.." || exit 2
scratch=$(mktemp -d) || exit 2
trap 'rm -rf "$scratch"' EXIT
multiarch=$(gcc -print-multiarch 2>/dev/null)

host() {
	gcc -std=gnu17 -fsyntax-only -Wall -Wextra -Werror \
		-Wno-unused-parameter -Wno-unused-function -D_GNU_SOURCE \
		-DMOAT_VERSION='"lint"' -DMOAT_SOURCE_DIR='"."' \
		-Iinclude -Iuser -Itests -I.output \
		-x c - <<<"#include \"$PWD/$1\"" 2>&1 ||
		{ echo "$1: does not compile alone (gcc)"; return 1; }
}

bpf() {
	clang -std=gnu17 -fsyntax-only -target bpf -O2 -Wall -Wextra -Werror \
		-Wno-unused-parameter -Wno-unused-function \
		-Wno-address-of-packed-member -Iinclude -Ibpf \
		${multiarch:+-I/usr/include/$multiarch} \
		-x c - <<<"#include \"$PWD/$1\"" 2>&1 ||
		{ echo "$1: does not compile alone (clang -target bpf)"; return 1; }
}
export -f host bpf
export multiarch

find include user tests -name '*.h' | sort >"$scratch/host"
find include bpf -name '*.h' | sort >"$scratch/bpf"
[ -s "$scratch/host" ] && [ -s "$scratch/bpf" ] || exit 2
jobs=$(nproc)
bad=0
for kind in host bpf; do
	xargs -r -P "$jobs" -I{} bash -c "$kind {} || exit 1" \
		<"$scratch/$kind" || bad=1
done
printf '%d headers with gcc, %d for the BPF target\n' \
	"$(wc -l <"$scratch/host")" "$(wc -l <"$scratch/bpf")"
[ "$bad" = 0 ]
