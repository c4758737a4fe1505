#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# gcc -fanalyzer over user/, or over the files named on the command line.
# Leaks are left to LeakSanitizer in the unit tests: gcc 12 loses track of
# memory that a structure behind a pointer owns.
set -u
cd "$(dirname "$0")/../.." || exit 2
[ -s .output/moat.skel.h ] || { echo "build first: make"; exit 2; }
[ $# -gt 0 ] || set -- user/*/*.c

# shellcheck disable=SC2317 # called by xargs
one() {
	gcc -fanalyzer -Wno-analyzer-malloc-leak -Werror -O1 -std=gnu17 \
		-D_GNU_SOURCE -DMOAT_VERSION='"static"' \
		-Iinclude -Iuser -I.output -c "$1" -o /dev/null
}
export -f one
# shellcheck disable=SC2016 # for the inner shell
printf '%s\n' "$@" | xargs -P "$(nproc)" -I{} bash -c 'one "$1"' - {}
rc=$?
printf '%d files\n' $#
[ $rc = 0 ]
