#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# The scripts of lint/ and static/ find what they are for: each is run in a
# small tree that is clean, and then with one fault at a time.
set -u
cd "$(dirname "$0")/../.." || exit 2
source=$PWD
tree=$(mktemp -d) || exit 2
trap 'rm -rf "$tree"' EXIT
failed=0

fresh() {
	rm -rf "${tree:?}"/* "$tree/.output"
	mkdir -p "$tree"/{include/moat,bpf,tests,vmtest,user/{base,cli,kern,policy}}
	cp "$source"/.clang-{format,tidy} "$tree/"
	cp -r "$source"/tests/{lint,static} "$tree/tests/"
	local licence='/* SPDX-License-Identifier: BSD-2-Clause */'
	printf '%s\n#include <linux/types.h>\n' "$licence" >"$tree/include/moat/base.h"
	printf '%s\n#include "moat/base.h"\n' "$licence" >"$tree/bpf/maps.h"
	printf '%s\n#include "base/text.h"\nint f(int a);\nint f(int a)\n{\n\treturn a;\n}\n' \
		"$licence" >"$tree/user/cli/main.c"
	printf '%s\n#include "maps.h"\n' "$licence" >"$tree/bpf/moat.bpf.c"
	mkdir "$tree/.output"
	echo '/* the skeleton */' >"$tree/.output/moat.skel.h"
	printf '%s\nint g(void);\n' "$licence" >"$tree/user/base/text.h"
	printf '# SPDX-License-Identifier: BSD-2-Clause\n' >"$tree/Makefile"
	for d in include/moat tests user/cli vmtest; do
		echo "what lives here" >"$tree/$d/README.md"
	done
}

# expect CODE SCRIPT WHAT: the script's verdict on the tree, and its words.
expect() {
	local rc out
	out=$(bash "$(find "$tree/tests" -name "$2.sh")" 2>&1)
	rc=$?
	if [ "$rc" != "$1" ] || ! grep -qF -- "$3" <<<"$out"; then
		printf '%s.sh: exit %d, expected %d with "%s":\n%s\n' \
			"$2" "$rc" "$1" "$3" "$out"
		failed=1
	fi
}

fault() {
	fresh
	cat >>"$tree/$1"
}

fresh
expect 0 includes '0 break the rule'
expect 0 headers '2 headers with gcc'
expect 0 budget '0 findings'
expect 0 shell 'scripts'
expect 0 format '5 files'
expect 0 cppcheck '3 files'
expect 0 python '0 files'
expect 0 clang_tidy '2 files'
expect 0 gcc_analyzer '1 files'

fault user/cli/main.c <<<'#include "kern/stats.h"'
expect 1 includes 'user/cli/main.c:8: includes "kern/stats.h"'
fault user/cli/main.c <<<'#include <bpf/libbpf.h>'
expect 1 includes 'includes <bpf/libbpf.h>: not allowed in user/cli'
fault include/moat/base.h <<<'#include <stdint.h>'
expect 1 includes 'include/moat/base.h:3: includes <stdint.h>'
fault user/base/text.h <<<'#include "policy/model.h"'
expect 1 includes 'user/base/text.h:3: includes "policy/model.h"'
fault bpf/maps.h <<<'#include "base/text.h"'
expect 1 includes 'bpf/maps.h:3: includes "base/text.h"'

fault user/base/text.h <<<'void h(struct unknown x, size_t y);'
expect 1 headers 'user/base/text.h: does not compile alone (gcc)'
fault bpf/maps.h <<<'static __u99 x;'
expect 1 headers 'bpf/maps.h: does not compile alone (clang -target bpf)'

fault user/cli/main.c <<<'int w(int a, int b, int c, int d, int e, int f)
{
	return a;
}'
expect 1 budget 'w() has 6 parameters, at most 5'
fault user/cli/main.c <<<'int w(int a, int (*b)(int, int), int c, int d, int e)
{
	return a;
}'
expect 0 budget '0 findings'
fault user/cli/main.c < <(echo 'int w(void)'; echo '{'; yes ';' | head -n 58
	echo '}')
expect 1 budget 'w() has 61 lines, at most 60'
fault user/cli/main.c < <(yes '/* */' | head -n 500)
expect 1 budget 'user/cli/main.c: 507 lines, at most 500'
fault bpf/maps.h < <(yes '/* */' | head -n 300)
expect 1 budget 'bpf/maps.h: 302 lines, at most 300'
fault user/cli/text.h <<<'/* SPDX-License-Identifier: BSD-2-Clause */'
expect 1 budget 'two headers named text.h'
fault user/cli/new.c <<<'/* nothing */'
expect 1 budget 'user/cli/new.c: no SPDX-License-Identifier'
fault user/cli/main.c <<<'/* TO''DO: later */'
expect 1 budget 'work left over'
fresh
rm "$tree/user/cli/README.md"
expect 1 budget 'user/cli: no README.md'

fault user/cli/main.c <<<'int  w(void);'
expect 1 format 'user/cli/main.c:8:4: error: code should be clang-formatted'

fault user/cli/main.c <<<'int w(int a);
int w(int a)
{
	int array[2] = { 0 };

	return a ? array[2] : array[1];
}'
expect 1 cppcheck "Array 'array[2]' accessed at index 2"

fault tests/bad.py <<<'import os'
expect 1 python "'os' imported but unused"
fault tests/bad.py <<<'print(1'
expect 1 python 'tests/bad.py:1'

null='static inline int w(int a)
{
	int *p = 0;

	if (a)
		p = &a;
	return *p;
}'
fault user/cli/main.c < <(echo 'int w(int a);'; echo "${null#static inline }")
expect 1 clang_tidy 'clang-analyzer-core.NullDereference'
expect 1 gcc_analyzer 'analyzer-null-dereference'
fault user/base/text.h <<<"$null"
expect 1 clang_tidy 'user/base/text.h:9:9: error: Dereference of null'
fault bpf/maps.h <<<"$null"
expect 1 clang_tidy 'bpf/maps.h:9:9: error: Dereference of null'
fault user/cli/main.c <<<'#include <stdlib.h>
int w(int *p);
int w(int *p)
{
	free(p);
	return *p;
}'
expect 1 gcc_analyzer 'analyzer-use-after-free'
fault user/cli/main.c <<<'#include <unistd.h>
void w(char *p);
void w(char *p)
{
	read(0, p, 1);
}'
expect 1 clang_tidy 'bugprone-unused-return-value'
fault user/cli/main.c <<<'#include <string.h>
void w(int *p);
void w(int *p)
{
	memset(p, '\''0'\'', 4);
}'
expect 1 clang_tidy 'bugprone-suspicious-memset-usage'
fault user/cli/main.c <<<'int w(void) { return x; }'
expect 1 clang_tidy 'clang-diagnostic-error'
fresh
rm "$tree/.output/moat.skel.h"
expect 2 clang_tidy 'build first'
expect 2 gcc_analyzer 'build first'

# What clang alone warns of, in a tree that the real Makefile builds.
fault user/cli/main.c <<<'int main(void) { return f(0); }'
cp "$source/Makefile" "$tree/"
expect 0 clang_build '1 programs'
echo 'static inline void w(void) {}' >>"$tree/user/cli/main.c"
expect 1 clang_build "unused function 'w'"

# shellcheck disable=SC2016 # the fault is the text of a script
fault tests/bad.sh < <(printf '#!/bin/sh\necho $1\n')
expect 1 shell 'SC2086'

# shellcheck disable=SC2016 # the faults are Markdown
table() {
	fresh
	cp "$source/tests/guarantee.sh" "$tree/tests/"
	{
		for n in {1..18}; do
			printf '| G%d | never | `./x.c` `f` | `make guarantee G=%d` |\n' \
				"$n" "$n"
		done
		printf '| behaviour | program | test |\n| --- | --- | --- |\n'
		printf '| b | `x.c` | `%s` |\n' "$1"
	} >>"$tree/tests/README.md"
}
table f
expect 1 table 'no tests/x.c'
echo 'static void f(void **state)' >"$tree/tests/x.c"
expect 0 table '19 rows, 0 wrong'
# shellcheck disable=SC2016 # they are Markdown too
for fault in 's/^| G18 .*//;not one row of G18' 's/G=7/G=8/;G7: the command' \
	's,\(G3.*\)`./x.c` `f`,\1,;G3: no test' \
	's/\(G4.*\)`f`/\1`h`/;tests/./x.c has no h'; do
	table f
	echo 'static void f(void **state)' >"$tree/tests/x.c"
	sed -i "${fault%;*}" "$tree/tests/README.md"
	expect 1 table "${fault##*;}"
done
table g
echo 'static void f(void **state)' >"$tree/tests/x.c"
expect 1 table 'tests/x.c has no g'

[ "$failed" = 0 ]
