#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# make install and make uninstall, into a folder of their own.
# Called through yes:
# shellcheck disable=SC2317
. "$(dirname "$0")/lib.sh"
DEST=$(mktemp -d "${TMPDIR:-/tmp}/moat-install.XXXXXX") || exit 1
trap 'rm -rf "$DEST"' EXIT
# An outer make's job server is not ours.
unset MAKEFLAGS MAKELEVEL MFLAGS
install_to() { make -s -C "$ROOT" "$1" DESTDIR="$DEST" PREFIX=/usr >/dev/null; }

yes "make install" install_to install
for f in usr/bin/moat usr/sbin/moatd usr/share/man/man1/moat.1 \
	usr/share/man/man5/moat-policy.5 usr/share/man/man8/moatd.8 \
	usr/share/moat/policy.schema.json usr/lib/systemd/system/moatd.service \
	usr/lib/sysusers.d/moat.conf \
	usr/share/bash-completion/completions/moat etc/moat/moatd.yaml; do
	yes "installs $f" [ -s "$DEST/$f" ]
done
yes "the installed moat runs" "$DEST/usr/bin/moat" version
yes "the configuration is valid" "$DEST/usr/sbin/moatd" --check-config \
	--config "$DEST/etc/moat/moatd.yaml"
yes "a first install drops nothing" grep -qx 'max_mode: audit' \
	"$DEST/etc/moat/moatd.yaml"
no "no name is left to fill in" grep -qE '@[A-Z]+@' \
	"$DEST/usr/lib/systemd/system/moatd.service"
yes "the unit starts the installed agent" grep -q \
	'^ExecStart=/usr/sbin/moatd ' "$DEST/usr/lib/systemd/system/moatd.service"
echo "# mine" >>"$DEST/etc/moat/moatd.yaml"
yes "make install again" install_to install
yes "keeps the configuration" grep -qx '# mine' "$DEST/etc/moat/moatd.yaml"
yes "make uninstall" install_to uninstall
is "what stays" "$(cd "$DEST" && find . -type f)" ./etc/moat/moatd.yaml
done_testing
