#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# P6: a push from file to in force, beside `nft -f` of the same policy; a
# member that joins a group of 10,000; what a push costs by size.
. "$(dirname "$0")/../e2e/lib.sh"
: "${MOAT_BENCH_OUT:?}"
here=$(dirname "$0")
sandbox
ns_add a b
ip -n "$(ns a)" link add eth0 type veth peer name eth0 netns "$(ns b)" || fail "veth"
ip -n "$(ns a)" link set eth0 up
addr a eth0 10.20.0.1/24
RUNS=7 MEMBERS=25 SIZES="100:1000 1000:10000 10000:100000"
[ -z "${MOAT_BENCH_QUICK:-}" ] || RUNS=5 MEMBERS=5 SIZES="10:100 100:1000"
BIG=${SIZES##* }

bar() { /usr/bin/python3 "$here/bar.py" bar "$@" || fail "bar $1"; }
plot() { /usr/bin/python3 "$here/bar.py" plot "$1" || fail "plot $1"; }
median() { sort -g | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }

# Each size in two forms that differ in a name, so that no push is the one
# before; and once for nft.
make_policy() {
	local n=$1
	/usr/bin/python3 "$here/push_policy.py" "${n%:*}" "${n#*:}" moat >"$SANDBOX/$n.0.yaml" || fail "policy $n"
	/usr/bin/python3 "$here/push_policy.py" "${n%:*}" "${n#*:}" nft >"$SANDBOX/$n.nft" || fail "ruleset $n"
	sed 's/^name: .*/name: bench2/; s/list0\b/list0b/' "$SANDBOX/$n.0.yaml" >"$SANDBOX/$n.1.yaml"
}

# push_file N: the CLI's own command; sets MS (file to in force), REPLY
FORM=0
push_file() {
	local began=$EPOCHREALTIME at
	REPLY=$("$MOAT" --socket "$(sock a)" -o json push --now --allow-unassigned \
		"$SANDBOX/$1.$FORM.yaml" 2>"$SANDBOX/push.err") || fail "push: $(tail -n 3 "$SANDBOX/push.err")"
	[ "$(jq .changed <<<"$REPLY")" = true ] || fail "push changed nothing"
	FORM=$((1 - FORM))
	at=$(date -d "$(jq -r .in_force <<<"$REPLY")" +%s%N)
	MS=$(awk -v a="$began" -v b="$at" 'BEGIN { printf "%.1f", b / 1e6 - a * 1e3 }')
}
timing() { jq ".timings.$1" <<<"$REPLY"; }

nft_load() {
	local began=$EPOCHREALTIME
	in_ns b nft -f "$SANDBOX/$BIG.nft" || fail "nft"
	NFT=$(awk -v a="$began" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.1f", (b - a) * 1e3 }')
	in_ns b nft delete table inet moat_bench
}

for n in $SIZES; do make_policy "$n"; done
agent_start a 'failsafe: []'
push_file "$BIG"
first=$MS

: >"$SANDBOX/push" && : >"$SANDBOX/pairs" && : >"$SANDBOX/steps"
for ((i = 0; i < RUNS; i++)); do
	sleep 1.2
	push_file "$BIG"
	echo "$MS" >>"$SANDBOX/push"
	echo "$(timing read_ms) $(timing compile_ms) $(timing write_ms) $(timing load_ms) $(timing in_force_ms)" >>"$SANDBOX/steps"
	nft_load
	echo "$MS $NFT" >>"$SANDBOX/pairs"
done
step() { cut -d' ' -f"$1" "$SANDBOX/steps" | median; }
bar P6-push "push of ${BIG%:*} rules and ${BIG#*:} CIDRs, file to in force, against 250 ms" 1.0 --fixed 250 \
	--ours push_ms --figure first_push_ms="$first" --figure agent_read_ms="$(step 1)" \
	--figure compile_ms="$(step 2)" --figure disk_ms="$(step 3)" \
	--figure load_and_switch_ms="$(step 4)" --figure agent_ms="$(step 5)" <"$SANDBOX/push"
bar P6-nft "the same push beside nft -f of the same policy" 0.3 --ours push_ms --theirs nft_ms <"$SANDBOX/pairs"

# Joins and leaves, from received to in force as the agent stamps it; and what
# the command takes in all.
: >"$SANDBOX/member" && : >"$SANDBOX/command"
for ((i = 0; i < MEMBERS; i++)); do
	for op in add remove; do
		began=$EPOCHREALTIME
		REPLY=$("$MOAT" --socket "$(sock a)" -o json member $op fleet 12.0.0.$((i + 1))) || fail "member"
		awk -v a="$began" -v b="$EPOCHREALTIME" 'BEGIN { print (b - a) * 1e3 }' >>"$SANDBOX/command"
		jq .in_force_ms <<<"$REPLY" >>"$SANDBOX/member"
	done
done
bar P6-member "a member joins or leaves a group of $((${BIG#*:} / 10)), received to in force, against 5 ms" 1.0 \
	--fixed 5 --ours member_ms --figure command_ms="$(median <"$SANDBOX/command")" <"$SANDBOX/member"

# By size. A settled agent each time: nothing waits for a grace period.
printf 'cidrs\trules\tread ms\tcompile ms\tdisk ms\tload ms\tfile to in force ms\n' >"$MOAT_BENCH_OUT/push_size.tsv"
for n in $SIZES; do
	: >"$SANDBOX/size"
	FORM=0
	for i in 1 2 3; do
		push_file "$n"
		echo "$(timing read_ms) $(timing compile_ms) $(timing write_ms) $(timing load_ms) $MS" >>"$SANDBOX/size"
		sleep 1.2
	done
	printf '%s\t%s\t%s\t%s\t%s\t%s\t%s\n' "${n#*:}" "${n%:*}" \
		"$(cut -d' ' -f1 "$SANDBOX/size" | median)" "$(cut -d' ' -f2 "$SANDBOX/size" | median)" \
		"$(cut -d' ' -f3 "$SANDBOX/size" | median)" "$(cut -d' ' -f4 "$SANDBOX/size" | median)" \
		"$(cut -d' ' -f5 "$SANDBOX/size" | median)" >>"$MOAT_BENCH_OUT/push_size.tsv"
done
plot push_size <<'GP'
set title 'a push by size, a rule for each ten CIDRs'
set xlabel 'CIDRs'
set ylabel 'ms'
set logscale xy
set key left top
plot for [i=3:7] 'push_size.tsv' using 1:i with linespoints
GP
