#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Metrics beyond loopback: by TLS, or by an explicit word; never by accident.
# shellcheck disable=SC2317 # functions are called by soon, yes and no
. "$(dirname "$0")/lib.sh"
sandbox
two_hosts
D=$SANDBOX/a
key_pair() {
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 \
		-nodes -days 2 -subj "/CN=$1" -addext subjectAltName=IP:10.1.0.1 \
		-keyout "$SANDBOX/$1.key" -out "$SANDBOX/$1.pem" 2>/dev/null ||
		fail "no key pair"
}
use() { cp "$SANDBOX/$1.pem" "$D/cert" && cp "$SANDBOX/$1.key" "$D/key"; }
key_pair first
key_pair second

agent_config a 'metrics: {listen: "10.1.0.1:9849"}'
"$MOATD" --check-config --config "$D/moatd.yaml" 2>"$SANDBOX/err"
is "neither TLS nor a word: exit code" $? 1
yes "where" grep -q 'moatd.yaml:[0-9]*:[0-9]*: error: ' "$SANDBOX/err"
# shellcheck disable=SC2016 # the message has backquotes
yes "and what to do" grep -q 'needs `tls` or `allow_remote: true`' "$SANDBOX/err"

use first
chmod 600 "$D/key"
agent_start a "failsafe: []
metrics: {listen: \"10.1.0.1:9849\", tls: {cert: $D/cert, key: $D/key}}"
# page CERTIFICATE: from another host
page() {
	in_ns b curl -sS --max-time 30 --noproxy '*' --cacert "$SANDBOX/$1.pem" \
		https://10.1.0.1:9849/metrics 2>&1 | grep -c '^moat_build_info'
}
is "TLS" "$(page first)" 1
is "plain on the same port" "$(in_ns b curl -s --max-time 30 --noproxy '*' \
	http://10.1.0.1:9849/metrics | grep -c moat_)" 0
# speaks VERSION: with all that openssl can still do
speaks() {
	in_ns b openssl s_client -connect 10.1.0.1:9849 "$1" -cipher \
		'ALL:@SECLEVEL=0' </dev/null 2>&1 |
		grep -qE '^New, TLSv1.[23], Cipher is [A-Z]'
}
yes "TLS 1.3" speaks -tls1_3
yes "TLS 1.2" speaks -tls1_2
no "TLS 1.1" speaks -tls1_1
no "TLS 1.0" speaks -tls1

policy "$D/policy.yaml" enforce 80 9849
reload() { field a '{"cmd":"reload"}' "$1"; }
cp "$SANDBOX/second.pem" "$D/cert"
is "halves that do not fit: refused" "$(reload .code)" 4
is "and the old pair stays" "$(page first)" 1
is "nor was the policy taken" "$(status a .policy)" null
use second
is "reload" "$(reload .ok)" true
is "the new one" "$(page second)" 1
is "not the old one" "$(page first)" 0
rm "$D/cert"
is "a certificate that is gone" "$(reload .code)" 4
is "the one in memory stays" "$(page second)" 1
agent_stop a

# A word, and loopback without one.
agent_start a 'metrics: {listen: "10.1.0.1:9849", allow_remote: true}'
is "plain, when told" "$(in_ns b curl -s --max-time 30 --noproxy '*' \
	http://10.1.0.1:9849/metrics | grep -c '^moat_build_info')" 1
agent_stop a
agent_start a ''
is "loopback is plain" "$(scrape a | grep -c '^moat_build_info')" 1
no "and nobody else's" in_ns b curl -s --max-time 2 http://10.1.0.1:9849/metrics
done_testing
