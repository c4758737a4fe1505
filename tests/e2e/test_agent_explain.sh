#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# explain by the programs: loaded once for many requests, and yet what is said
# is of the policy in force. That they go again is in bpf/test_explain.c.
# shellcheck disable=SC2317 # functions are called by soon, yes and no
. "$(dirname "$0")/lib.sh"
sandbox
two_hosts
agent_start a 'failsafe: []'
policy "$SANDBOX/p80.yaml" enforce 80
policy "$SANDBOX/p81.yaml" enforce 81

# ask DIR LOCAL PORT [MORE FIELDS]: verdict and rule
ask() {
	field a "{\"cmd\":\"explain\",\"engine\":\"kernel\",\"probes\":[{\"dir\":\"$1\",\"local\":\"$2\",
		\"remote\":\"10.1.0.2\",\"proto\":\"tcp\",\"dport\":$3}]${4-}}"
}
# As in lib.sh, of requests on many lines.
field() { ctl "$1" "$(tr -d '\n\t' <<<"$2")" | jq -r "${3-.answers[0] | .verdict + \" \" + .rule}"; }
# Numbers of the programs that the agent holds.
programs() {
	cat /proc/"${AGENT_PID[a]}"/fdinfo/* 2>/dev/null | awk '$1 == "prog_id:" { print $2 }' | sort -n
}

is "before the first policy" "$(ask ingress 10.1.0.1 80)" "allow "
push_ok a "$SANDBOX/p80.yaml"
is "80" "$(ask ingress 10.1.0.1 80)" "allow base/tcp"
before=$(programs)
is "81" "$(ask ingress 10.1.0.1 81)" "drop "
is "80 again" "$(ask ingress 10.1.0.1 80)" "allow base/tcp"
is "nothing was loaded" "$(programs)" "$before"
is "the other hook" "$(ask egress 10.1.0.1 80)" "drop "
is "takes one program more" "$(programs | wc -l)" $(($(wc -l <<<"$before") + 1))
before=$(programs)

push_ok a "$SANDBOX/p81.yaml"
is "80, pushed" "$(ask ingress 10.1.0.1 80)" "drop "
is "81, pushed" "$(ask ingress 10.1.0.1 81)" "allow base/tcp"
is "its generation" "$(field a '{"cmd":"explain","probes":[]}' .generation)" "$(gen_of a)"
is "another address" "$(ask ingress 10.1.0.50 81)" "drop "
[ "$(field a '{"cmd":"member","op":"add","group":"base","addresses":["10.1.0.50/32"]}' .ok)" = true ] ||
	fail "member"
is "a member now" "$(ask ingress 10.1.0.50 81)" "allow base/tcp"
push_ok a "$SANDBOX/p80.yaml" '"confirm_seconds": 60'
is "80, pending" "$(ask ingress 10.1.0.1 80)" "allow base/tcp"
[ "$(field a '{"cmd":"rollback"}' .ok)" = true ] || fail "rollback"
is "80, rolled back" "$(ask ingress 10.1.0.1 80)" "drop "
is "81, rolled back" "$(ask ingress 10.1.0.1 81)" "allow base/tcp"

# A document in between is not what is in force.
document=$(jq -Rs . "$SANDBOX/p80.yaml")
is "80, of a document" "$(ask ingress 10.1.0.1 80 ",\"document\":$document")" "allow base/tcp"
is "80, in force" "$(ask ingress 10.1.0.1 80)" "drop "
is "81, in force" "$(ask ingress 10.1.0.1 81)" "allow base/tcp"
is "nothing was loaded for all that" "$(programs)" "$before"

# Nobody takes another's token: what is asked is whether a rule allows.
sed 's/ports: \[80\]}/ports: [80], limit: {new_connections: 1\/second, burst: 1, per: source}}/' \
	"$SANDBOX/p80.yaml" >"$SANDBOX/limited.yaml"
push_ok a "$SANDBOX/limited.yaml"
for _ in 1 2 3; do
	is "within its limit" "$(ask ingress 10.1.0.1 80)" "allow base/tcp"
done
probe='{"dir":"ingress","local":"10.1.0.1","remote":"10.1.0.2","proto":"tcp","dport":80}'
is "each of a batch" "$(field a "{\"cmd\":\"explain\",\"probes\":[$probe,$probe,$probe]}" \
	'[.answers[].verdict] | join(" ")')" "allow allow allow"

# One that does not fit in what was made.
{
	cat "$SANDBOX/p80.yaml"
	echo '      - {name: many, protocol: tcp, ports: [443], to: ['
	seq 30000 | awk '{ printf "          \"2001:%x:%x::/48\",\n", $1 * 40503 % 65536, $1 }'
	echo '          "2001:db8::/32"]}'
} >"$SANDBOX/large.yaml"
push_ok a "$SANDBOX/large.yaml"
is "80, of a large one" "$(ask ingress 10.1.0.1 80)" "allow base/tcp"
is "81, of a large one" "$(ask ingress 10.1.0.1 81)" "drop "
done_testing
