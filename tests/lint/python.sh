#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# pyflakes over every Python file: syntax, names that are not there or unused.
set -u
cd "$(dirname "$0")/../.." || exit 2
mapfile -t code < <(find . \( -name .git -o -name .output \) -prune -o \
	-type f -name '*.py' -print | sort)
printf '%d files\n' ${#code[@]}
[ ${#code[@]} = 0 ] || pyflakes3 "${code[@]}"
