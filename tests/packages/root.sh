# Clean roots of Debian, for tests of packages. Sourced after check.sh.
# shellcheck shell=bash
# shellcheck disable=SC2154  # scratch is check.sh's
root_cache=/var/cache/temporal-slab
roots=()

# What is mounted in the roots only this test sees: runs the script again where that is not so yet.
enter_roots() {
    if [[ ${IN_ROOTS-} == "$PPID" ]]; then
        unset IN_ROOTS
        trap leave_roots EXIT
        return
    fi
    if ((EUID != 0)); then skip 'a clean root needs root'; fi
    if ! type -P debootstrap >/dev/null; then skip 'debootstrap is not installed'; fi
    if ! unshare --mount true 2>/dev/null; then skip 'this machine permits no mounts'; fi
    local status=0
    IN_ROOTS=$$ unshare --mount "$0" "$@" || status=$?
    exit $status
}

# make_root SUITE: a new root of this Debian, as `root`. How it came, and what is installed into it, is kept for the next.
make_root() {
    local suite=$1 kept=$root_cache/$1.tar archives=$root_cache/$1.archives
    mkdir -p "$archives/partial"
    root=$scratch/$suite
    if [[ -z $(find "$kept" -mtime -7 2>/dev/null) ]]; then
        if ! debootstrap --variant=minbase "$suite" "$root" >"$scratch/debootstrap.log" 2>&1; then
            skip "debootstrap made no root of $suite here: $(tail -n 1 "$scratch/debootstrap.log")"
        fi
        tar -C "$root" -cf "$kept.$$" .
        mv "$kept.$$" "$kept"
    else
        mkdir "$root"
        tar -C "$root" -xf "$kept"
    fi
    cp /etc/resolv.conf "$root/etc/resolv.conf"
    # Packages of servers ask this file whether they may start their service.
    printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
    chmod 755 "$root/usr/sbin/policy-rc.d"
    mount -t proc proc "$root/proc"
    mount --bind "$archives" "$root/var/cache/apt/archives"
    roots+=("$root")
    check "the package lists of $suite" in_root "$root" apt-get update
}

# in_root ROOT COMMAND…: runs a command there, as after a login.
in_root() {
    local where=$1
    shift
    env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 chroot "$where" "$@"
}

leave_roots() {
    local where
    for where in "${roots[@]}"; do umount "$where/var/cache/apt/archives" "$where/proc"; done
    rm -rf --one-file-system "$scratch"
}
