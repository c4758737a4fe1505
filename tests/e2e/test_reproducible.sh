#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Two builds of one source in two folders, with other locales, time zones,
# umasks and numbers of jobs, give the same bytes of what ships.
set -u
cd "$(dirname "$0")/../.." || exit 2
scratch=$(mktemp -d) || exit 2
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT TERM
# A cache would hand the second build the first one's objects; make's own
# variables are those of the make that called this test.
export CCACHE_DISABLE=1
unset MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES

# build FOLDER JOBS NAME=VALUE...
build() {
	local folder=$1 jobs=$2
	shift 2
	mkdir -p "$folder" || return 1
	cp -R Makefile bpf include user policies "$folder/" || return 1
	env -C "$folder" "$@" make -j"$jobs" all >"$folder/log" 2>&1 || {
		tail -n 20 "$folder/log"
		echo "the build in $folder failed"
		return 1
	}
}
one=$scratch/one two=$scratch/a/folder/with-a-much-longer-name/two
(umask 022 && build "$one" 2 LC_ALL=C TZ=UTC) &&
	(umask 077 && build "$two" 3 LC_ALL=C.UTF-8 TZ=Asia/Tokyo) || exit 1

bad=0
# The date of two builds is mostly the same one.
if grep -rnwE '__DATE__|__TIME__|__TIMESTAMP__' bpf include user; then
	echo 'when it was built is in the program'
	bad=1
fi
for file in moat moatd moat.bpf.o; do
	cmp "$one/.output/$file" "$two/.output/$file" || bad=1
	# Equal by luck of equal lengths is not enough: no path is in there.
	if grep -qaF "$scratch" "$one/.output/$file"; then
		echo "$file: holds the path of the folder it was built in"
		bad=1
	fi
done
(cd "$one/.output" && sha256sum moat moatd moat.bpf.o)
[ $bad = 0 ]
