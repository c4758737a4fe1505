#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Who may include whom, by folder. Project headers are named "layer/file.h"
# (in bpf/ also by plain file name); libraries belong to the layers below.
# Prints every include that breaks the rule and what the rule is.
set -u
cd "$(dirname "$0")/../.." || exit 2

# Patterns of project headers (between quotes) that a file may include.
quoted_allowed() {
	case $1 in
	include/moat/*) echo 'moat/*' ;;
	bpf/*) echo 'moat/* PLAIN' ;;
	user/base/*) echo 'base/* moat/base.h' ;;
	user/policy/*) echo 'policy/* base/* moat/*' ;;
	user/reference/*) echo 'reference/* policy/* base/* moat/*' ;;
	user/compile/*) echo 'compile/* policy/* base/* moat/*' ;;
	user/kern/*.c) echo 'kern/* base/* moat/* compile/image.h moat.skel.h' ;;
	user/kern/*.h) echo 'kern/* base/* moat/* compile/image.h' ;;
	user/svc/*)
		echo 'svc/* base/* moat/* policy/diag.h kern/stats.h kern/flows.h' ;;
	user/cli/*)
		echo 'cli/* svc/* compile/* reference/* policy/* base/* moat/*' ;;
	user/agent/*)
		echo 'agent/* svc/* kern/* compile/* reference/* policy/* base/* moat/*' ;;
	tests/*) echo '*' ;;
	esac
}

# Patterns of system headers (between < >) that a file may not include. libc
# and the kernel's <linux/…> are open to user space.
angle_refused() {
	local libs='bpf/* libelf.h yaml.h jansson.h microhttpd.h libmnl/* cmocka.h'
	local own
	case $1 in
	user/policy/*.c) own='yaml.h jansson.h' ;;
	user/kern/*.c) own='bpf/* libelf.h libmnl/*' ;;
	user/svc/*) own='jansson.h microhttpd.h' ;;
	user/agent/*) own='jansson.h microhttpd.h libmnl/*' ;;
	user/cli/*) own='jansson.h' ;;
	user/*) own= ;;
	*) return ;;
	esac
	local l o
	set -f
	for l in $libs; do
		for o in $own; do
			[ "$l" = "$o" ] && continue 2
		done
		printf '%s ' "$l"
	done
	set +f
}

# True if a name matches one of the patterns given as one string; PLAIN stands
# for a file name without a folder.
matches() {
	local name=$1 p
	set -f
	for p in $2; do
		[ "$p" = PLAIN ] && [[ $name != */* ]] && { set +f; return 0; }
		# shellcheck disable=SC2053 # the right side is a pattern
		[[ $name == $p ]] && { set +f; return 0; }
	done
	set +f
	return 1
}

# The include name of a system header, checked against the folder's rule.
angle_ok() {
	case $1 in
	include/moat/*) [ "$2" = linux/types.h ] ;;
	bpf/*) matches "$2" 'linux/* bpf/*' ;;
	*) ! matches "$2" "$(angle_refused "$1")" ;;
	esac
}

bad=0
complain() {
	printf '%s: includes %s: %s\n' "$1" "$2" "$3"
	bad=$((bad + 1))
}

count=0
while IFS=: read -r file line text; do
	count=$((count + 1))
	name=$(printf '%s\n' "$text" | sed 's/^[ \t]*#[ \t]*include[ \t]*//')
	case $name in
	\"*)
		name=${name#\"}; name=${name%%\"*}
		matches "$name" "$(quoted_allowed "$file")" ||
			complain "$file:$line" "\"$name\"" \
				"here only: $(quoted_allowed "$file")"
		;;
	\<*)
		name=${name#<}; name=${name%%>*}
		angle_ok "$file" "$name" ||
			complain "$file:$line" "<$name>" \
				"not allowed in ${file%/*} (style: who may include whom)"
		;;
	*) complain "$file:$line" "$name" "neither \"file\" nor <file>" ;;
	esac
done < <(grep -rnE '^[ \t]*#[ \t]*include\b' include bpf user tests \
	--include='*.c' --include='*.h')

if grep -rnE '#[ \t]*include[ \t]*"tests?/' include bpf user; then
	echo 'nothing includes tests/'
	bad=$((bad + 1))
fi
[ "$count" -gt 0 ] || { echo 'includes.sh: no include found'; exit 2; }
printf '%d includes, %d break the rule\n' "$count" "$bad"
[ "$bad" = 0 ]
