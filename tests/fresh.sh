#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# make test-fresh: a minimal Debian 12 in .output/fresh, in it what `make deps`
# installs and nothing else, the tracked files as they are, built and tested
# (`make test-unprivileged`) by a user without rights and without a network: no
# package that this machine happens to have is needed. As root.
#
# Packages come from this machine's own Debian mirror, by its own way there;
# they are kept in .output/fresh-packages, which may be removed at any time.
set -u
cd "$(dirname "$0")/.." || exit 2
out=$PWD/.output/fresh root=$PWD/.output/fresh/root
packages=$PWD/.output/fresh-packages
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
suite=bookworm
began=$SECONDS

die() {
	echo "test-fresh: $*" >&2
	exit 1
}
say() { printf '%4d s  %s\n' $((SECONDS - began)) "$*"; }

# run WHAT COMMAND...: its output is shown when it failed
run() {
	say "$1"
	"${@:2}" >"$out/log" 2>&1 </dev/null && return
	grep -v '^ok ' "$out/log" | tail -n 120
	die "$1: failed"
}
# No step without an end
bounded() { timeout -k 10 2400 "$@"; }

# inside COMMAND...: as root, in the new system, with nothing of ours around it
inside() {
	bounded env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 \
		${proxy:+http_proxy="$proxy"} ${proxy:+https_proxy="$proxy"} \
		chroot "$root" "$@"
}
# as_user SHELL-COMMAND: in the sources, with no network but lo
as_user() {
	bounded unshare --net sh -c 'ip link set lo up && exec "$@"' - \
		env -i PATH=/usr/bin:/bin HOME=/home/user LC_ALL=C.UTF-8 \
		/usr/sbin/chroot --userspec=user "$root" sh -c "cd /home/user/moat && $1"
}

# mirrors: of this machine's sources those of Debian itself, "URI suite"
mirrors() {
	local here codename uri
	here=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
	# shellcheck disable=SC2016 # apt's own placeholders
	apt-get indextargets --format '$(CODENAME) $(REPO_URI)' \
		'Created-By: Packages' 'Origin: Debian' 'Component: main' |
		while read -r codename uri; do
			case $codename in
			"$here" | "$here-updates" | "$here-security")
				echo "$uri $suite${codename#"$here"}"
				;;
			esac
		done
}

# What apt of this machine knows of the way to the mirrors
apt_settings() {
	local uri=$1
	mirrors | sed "s,^,deb [signed-by=$keyring] ,;s,\$, main," \
		>"$root/etc/apt/sources.list"
	apt-config dump | grep '^Acquire::' |
		grep -vE '^Acquire::(IndexTargets|Changelogs)|Proxy-Auto-Detect' \
		>"$root/etc/apt/apt.conf.d/10here"
	cat >>"$root/etc/apt/apt.conf.d/10here" <<-'EOT'
		Dir::Cache::archives "/packages";
		APT::Keep-Downloaded-Packages "true";
		APT::Sandbox::User "root";
	EOT
	cp /etc/resolv.conf /etc/hosts "$root/etc/"
	if [ -e /etc/ssl/certs/ca-certificates.crt ]; then
		mkdir -p "$root/etc/ssl/certs"
		cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
	fi
}

# Everything that is mounted goes with the mount namespace, every process with
# that of the pids.
stages() {
	local uri proxy
	uri=$(mirrors | awk -v s=$suite '$2 == s { print $1; exit }')
	[ -n "$uri" ] || die "no Debian mirror in this machine's apt sources"
	proxy=$(/usr/lib/apt/apt-helper auto-detect-proxy "$uri" |
		sed -n "s/^Using proxy '\([^']*\)'.*/\1/p")
	run "debootstrap of a minimal $suite" bounded \
		env ${proxy:+http_proxy="$proxy"} ${proxy:+https_proxy="$proxy"} \
		debootstrap --variant=minbase --keyring=$keyring \
		--cache-dir="$packages" "$suite" "$root" "$uri"
	apt_settings "$uri"
	mkdir -p "$root/packages/partial"
	mount --bind "$packages" "$root/packages" || die "no bind mount"
	mount -t proc proc "$root/proc" || die "no /proc"
	mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts" ||
		die "no /dev/pts"
	mount -t tmpfs tmpfs "$root/dev/shm" || die "no /dev/shm"

	inside useradd --create-home user || die "no user"
	inside install -d -o user /home/user/moat
	git ls-files -z | tar -c --null --files-from=- |
		inside tar -x --no-same-owner -C /home/user/moat ||
		die "sources not copied"
	inside chown -R user /home/user/moat
	# The README's premise; git, the other half of it, has done its part.
	run "make" inside sh -c \
		'apt-get update && apt-get install -y --no-install-recommends make'
	run "make deps" inside make -C /home/user/moat deps
	say "$(inside dpkg-query -W -f '.\n' | wc -l) packages, $(du -shx "$root" | cut -f 1)"
	run "make" as_user "make -j$(nproc)"
	run "make test-unprivileged" as_user "make test-unprivileged"
	grep -E '^(ok|SKIP|FAIL)|passed' "$out/log"
	if grep '^SKIP' "$out/log" | grep -qv 'needs root'; then
		die "skipped for want of something else than root"
	fi
	say "done"
}

if [ "${1:-}" = --stages ]; then
	stages
	exit
fi
[ "$(id -u)" = 0 ] || die "needs root"
mkdir -p .output
exec {lock}>.output/fresh.lock
flock -w 60 "$lock" || die "another one is at work here"
stages_pid=
clean() {
	[ -z "$stages_pid" ] || kill -KILL "$stages_pid" 2>/dev/null
	wait
	rm -rf --one-file-system "$out"
}
trap clean EXIT
trap 'exit 130' INT TERM
clean
mkdir -p "$out" "$packages/partial" || exit 2
unshare --mount --propagation private --pid --fork --kill-child \
	"$PWD/tests/fresh.sh" --stages &
stages_pid=$!
wait "$stages_pid"
