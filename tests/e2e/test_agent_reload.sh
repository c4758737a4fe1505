#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# SIGHUP pushes the configured file; a broken one changes nothing. What systemd
# is told meanwhile (sd_notify).
# shellcheck disable=SC2317 # functions are called by soon, yes and no
. "$(dirname "$0")/lib.sh"
sandbox
two_hosts
echo_server a 80 81
start a "$SANDBOX/notified" socat -u UNIX-RECV:"$SANDBOX/notify" STDOUT
until_ok 5 test -S "$SANDBOX/notify" || fail "no socket"
export NOTIFY_SOCKET=$SANDBOX/notify
policy "$SANDBOX/a/policy.yaml" enforce 80
agent_start a 'failsafe: []'
unset NOTIFY_SOCKET
told() { tr '\n' ' ' <"$SANDBOX/notified" | grep -q "$1"; }
soon "ready" 5 told READY=1
G=$(gen_of a)
is "file in force" "$(metric a moat_policy_file_differs)" 0

policy "$SANDBOX/a/policy.yaml" enforce 80 81
differs() { [ "$(metric a moat_policy_file_differs)" = "$1" ]; }
soon "differs" 8 differs 1
is "status tells" "$(status a .policy_file_differs)" true
: >"$SANDBOX/notified"
kill -HUP "${AGENT_PID[a]}"
newer() { [ "$(gen_of a)" -gt "$G" ]; }
soon "pushed" 5 newer
yes "as the file says" tcp b 10.1.0.1 81
soon "told" 3 told 'RELOADING=1 MONOTONIC_USEC=[0-9]* *READY=1 STATUS=reload: done'
soon "no difference" 3 differs 0

G=$(gen_of a)
sed -i 's/mode: enforce/mode: bogus/' "$SANDBOX/a/policy.yaml"
: >"$SANDBOX/notified"
kill -HUP "${AGENT_PID[a]}"
soon "told of the failure" 5 told 'READY=1 STATUS=reload: the policy is refused'
yes "and why, in the log, line by line" grep -q '^<3>policy:3:7: error' "$SANDBOX/a/moatd.log"
yes "with the line" grep -q '^<3>    3 | mode: bogus$' "$SANDBOX/a/moatd.log"
is "nothing changed" "$(gen_of a)" "$G"
yes "still open" tcp b 10.1.0.1 81
is "reload as a command" "$(field a '{"cmd":"reload"}' .code)" 4
# Behind a NUL stands what would be lost: refused, not cut (R-18).
policy "$SANDBOX/a/policy.yaml" enforce 80
printf '\0      - {rule: nonsense}\n' >>"$SANDBOX/a/policy.yaml"
is "a NUL in it" "$(field a '{"cmd":"reload"}' .code)" 4
yes "is named" grep -q 'NUL' <<<"$(field a '{"cmd":"reload"}' .error)"
is "nothing changed" "$(gen_of a)" "$G"
soon "and the file differs" 8 differs 1
rm "$SANDBOX/a/policy.yaml"
is "no file" "$(field a '{"cmd":"reload"}' .code)" 4
is "nothing changed" "$(gen_of a)" "$G"
: >"$SANDBOX/notified"
agent_stop a
soon "stopping" 3 told STOPPING=1
done_testing
