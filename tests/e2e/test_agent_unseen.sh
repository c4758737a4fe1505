#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# What no packet filter of the kernel sees is said to be so (G15): RDMA devices
# in status, metrics and doctor, and never as enforced.
# shellcheck disable=SC2317 # functions are called by soon, yes and no
. "$(dirname "$0")/lib.sh"
sandbox
two_hosts

# The agent's view of /sys/class: a tree of our own, in its mount namespace
mkdir -p "$SANDBOX/class/infiniband/mlx5_0" "$SANDBOX/class/infiniband/efa_0"
REAL=$MOATD
MOATD=$SANDBOX/moatd
cat >"$MOATD" <<EOT
#!/bin/sh
exec unshare --mount --propagation private sh -c '
	mount --bind $SANDBOX/class /sys/class && exec "\$@"' - $REAL "\$@"
EOT
chmod +x "$MOATD"
agent_start a
policy "$SANDBOX/p.yaml" enforce 80
push_ok a "$SANDBOX/p.yaml"
is "the interface" "$(enforcing a)" 1
for dev in mlx5_0 efa_0; do
	is "$dev in the metrics" "$(metric a moat_unenforced_device device=$dev kind=rdma)" 1
	is "$dev in the status" "$(ctl a '{"cmd":"status"}' | jq -c "[.. | strings | select(. == \"$dev\")] | length")" 1
	no "$dev is never enforcing" metric a moat_interface_enforcing interface=$dev
	yes "doctor names $dev" sh -c "'$MOAT' --socket '$(sock a)' doctor | grep -q $dev"
done

# Without such devices none is named.
agent_stop a
rm -r "$SANDBOX/class/infiniband"
agent_run a
no "none" metric a moat_unenforced_device
done_testing
