#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Every C file is as clang-format makes it (`make format`).
set -u
cd "$(dirname "$0")/../.." || exit 2
mapfile -t code < <(find include bpf user tests vmtest -name '*.[ch]' | sort)
[ ${#code[@]} -gt 0 ] || exit 2
printf '%d files\n' "${#code[@]}"
clang-format --dry-run -Werror "${code[@]}"
