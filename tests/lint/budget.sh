#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Size budget and manners: functions of at most 60 lines and 5 parameters, .c
# files of at most 500 lines, headers of bpf/ of at most 300, no two headers
# of one name, the licence on the first line, no notes about work left, a
# README.md in each folder.
set -u
cd "$(dirname "$0")/../.." || exit 2
bad=0
complain() {
	printf '%s\n' "$*"
	bad=$((bad + 1))
}
mapfile -t code < <(find include bpf user tests -name '*.[ch]' | sort)
[ ${#code[@]} -gt 0 ] || exit 2

# Functions, by universal-ctags: name, file, first and last line, signature.
# Commas of nested parentheses (function pointers) do not count.
over=$(ctags --languages=C --langmap=C:.c.h --kinds-C=f --fields=+neS \
	-x --_xformat='%{line}	%{end}	%{input}	%{name}	%{signature}' \
	"${code[@]}" | awk -F '\t' '
	$2 - $1 + 1 > 60 {
		printf "%s:%d: %s() has %d lines, at most 60\n", $3, $1, $4, $2 - $1 + 1
	}
	{
		depth = 0; n = 1
		for (i = 1; i <= length($5); i++) {
			c = substr($5, i, 1)
			if (c == "(") depth++
			else if (c == ")") depth--
			else if (c == "," && depth == 1) n++
		}
		# A callback: its signature is fixed by the library.
		if ($3 == "user/svc/http.c" && $4 == "on_request") n = 5
		if (n > 5)
			printf "%s:%d: %s() has %d parameters, at most 5\n", $3, $1, $4, n
		functions++
	}
	END { if (!functions) print "budget.sh: ctags found no function" }')
if [ -n "$over" ]; then
	complain "$over"
fi

for f in "${code[@]}"; do
	lines=$(wc -l <"$f")
	case $f in
	bpf/*.h) max=300 ;;
	*) max=500 ;;
	esac
	[ "$lines" -le $max ] || complain "$f: $lines lines, at most $max"
done

# compile/image.h is the owner in memory of the layout in moat/image.h; every
# include names its folder, so the two are never taken for each other.
twice=$(find include bpf user tests -name '*.h' -printf '%f\n' |
	sort | uniq -d | grep -vx image.h)
for name in $twice; do
	complain "two headers named $name:" \
		"$(find include bpf user tests -name "$name" | tr '\n' ' ')"
done

# Scripts carry the licence on the line after #!.
while IFS= read -r f; do
	if head -n 1 "$f" | grep -q '^#!'; then
		sed -n 2p "$f"
	else
		head -n 1 "$f"
	fi | grep -q 'SPDX-License-Identifier: BSD-2-Clause' ||
		complain "$f: no SPDX-License-Identifier on the first line"
done < <(printf '%s\n' Makefile "${code[@]}"
	find bpf user tests policies vmtest \( -name '*.sh' -o -name '*.py' \) \
		2>/dev/null)

notes='TO''DO|FIX''ME|XX''X'
left=$(grep -rnwE "$notes" Makefile include bpf user tests policies vmtest \
	--include='*.[ch]' --include='*.sh' --include='*.py' --include='*.md' \
	--include='*.yaml' --include=Makefile 2>/dev/null)
if [ -n "$left" ]; then
	complain "$left"
	echo 'work left over in the lines above: finish it'
fi

for d in include/moat tests policies vmtest bpf user/*/; do
	d=${d%/}
	[ -d "$d" ] || continue
	# A folder that holds only an interface so far has nothing to tell.
	case $d in
	user/*) compgen -G "$d/*.c" >/dev/null || continue ;;
	bpf) [ "$(find bpf -name '*.h' | wc -l)" -gt 1 ] || continue ;;
	esac
	[ -s "$d/README.md" ] ||
		complain "$d: no README.md (what lives here, who may include whom)"
done
printf '%d files, %d findings\n' "${#code[@]}" "$bad"
[ "$bad" = 0 ]
