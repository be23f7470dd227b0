#!/bin/sh
# distributions.sh [--quick] [--mirror URL] DIR [SUITE...]: Hekla on other Debian releases, each command of README.md on a
# machine that has git and a shell. By hand, as root; needs debootstrap, some 6 GB in DIR for a suite, and hours (20 to 40 minutes a suite).
#
# For each SUITE (bookworm trixie sid unless named) debootstrap makes DIR/SUITE/base; for each command a copy of it gets a
# clone of this checkout as committed, and is deleted afterwards:
#   quickstart    tools/quickstart without a terminal: one question to the model in the box
#   by hand       tools/install-packages; cmake -S . -B DIR && cmake --build DIR; DIR/hekla --version
#   check         tools/check; with --quick without the tests that need a device, and then the self-test on lavapipe
# Output goes to DIR/SUITE/<command>.log; packages are kept in DIR/SUITE/archives, and a base that is there is used again.
# The last words are a table. Exit status: 1 when a command failed.
#
# --mirror: where packages come from; unless said, where this machine's apt gets Debian's. Its proxies are taken over.
set -eu

usage()
{
    sed -n '2,3s/^# //p' "$0" >&2
    exit 2
}
source=$(cd "$(dirname "$0")/.." && pwd)
quick=no
mirror=
while [ $# -gt 0 ]; do
    case $1 in
    --quick) quick=yes ;;
    --mirror)
        [ $# -ge 2 ] || usage
        mirror=$2
        shift ;;
    -*) usage ;;
    *) break ;;
    esac
    shift
done
[ $# -ge 1 ] || usage
mkdir -p "$1"
dir=$(cd "$1" && pwd)
shift
[ $# -gt 0 ] || set -- bookworm trixie sid

fail()
{
    echo "distributions.sh: $*" >&2
    exit 1
}
[ "$(id -u)" -eq 0 ] || fail "not root: debootstrap and chroot need it"
command -v debootstrap >/dev/null || fail "no debootstrap here: install it (Debian, Ubuntu: apt install debootstrap)"
case $dir/ in "$source"/*) fail "$dir: in the checkout: a folder outside of it expected" ;; esac
if [ -z "$mirror" ]; then
    mirror=$(apt-get indextargets --format '$(ORIGIN) $(REPO_URI)' 'Created-By: Packages' |
        awk '$1 == "Debian" && $2 !~ /security/ { print $2; exit }')
    [ -n "$mirror" ] || fail "this machine's apt knows no Debian: --mirror URL expected (or apt-get update)"
fi

# make_base SUITE: git, a shell and what every Debian has
make_base()
{
    base=$dir/$1/base
    [ ! -e "$base/made" ] || return 0
    rm -rf "$base"
    mkdir -p "$dir/$1/archives"
    debootstrap --variant=minbase --include=git,ca-certificates --cache-dir="$dir/$1/archives" "$1" "$base" "$mirror" || return 1
    {
        echo 'Acquire::Check-Valid-Until "false";'
        apt-config dump | grep -iE '^Acquire::[a-z]+::Proxy' || :
    } >"$base/etc/apt/apt.conf.d/10host"
    touch "$base/made"
}

# run_in SUITE NAME COMMAND: in a fresh copy of the base. Mounts are this command's own and end with it.
run_in()
{
    root=$dir/$1/run
    rm -rf "$root"
    cp -a --reflink=auto "$dir/$1/base" "$root"
    cp -L /etc/resolv.conf "$root/etc/resolv.conf"
    git clone -q "$source" "$root/root/hekla"
    began=$(date +%s)
    status=0
    # shellcheck disable=SC2016
    unshare --mount sh -c '
        set -e
        mount -t proc proc "$1/proc"
        mount -t tmpfs tmpfs "$1/dev/shm"
        mount --bind "$2" "$1/var/cache/apt/archives"
        mkdir -p "$2/partial"
        exec env -i HOME=/root LANG=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
            ${HEKLA_JOBS:+HEKLA_JOBS="$HEKLA_JOBS"} chroot "$1" sh -c "cd /root/hekla && $3"' \
        sh "$root" "$dir/$1/archives" "$3" >"$dir/$1/$2.log" 2>&1 </dev/null || status=$?
    took=$(($(date +%s) - began))
    if [ $status -eq 0 ]; then result="ok, $took s"; else
        result="**failed**, $took s"
        failed=1
        echo "distributions.sh: $1: $2 failed (exit status $status): $dir/$1/$2.log" >&2
        tail -n 15 "$dir/$1/$2.log" >&2
    fi
    echo "distributions.sh: $1: $2: $result" >&2
}

# versions SUITE: those of the copy in which check ran, as cells of the table
versions()
{
    chroot "$dir/$1/run" sh -c '
        echo "$(gcc -dumpfullversion) | $(clang --version | sed -n "1s/.*version \([0-9.]*\).*/\1/p") |" \
            "$(glslangValidator --version | sed -n "s/Glslang Version: [0-9]*://p") |" \
            "$(dpkg-query -W -f "\${source:Upstream-Version}" mesa-vulkan-drivers)"' 2>/dev/null || echo "? | ? | ? | ?"
}

check='tools/check'
[ $quick = no ] || check="tools/check -LE gpu && ctest --preset release -R '^test_gpu_selftest@lavapipe\$' </dev/null"
failed=0
table="| Debian | gcc | clang | glslang | mesa | quickstart | by hand | check |
|---|---|---|---|---|---|---|---|"
for suite in "$@"; do
    mkdir -p "$dir/$suite"
    if ! make_base "$suite" >"$dir/$suite/debootstrap.log" 2>&1; then
        echo "distributions.sh: $suite: debootstrap failed: $dir/$suite/debootstrap.log" >&2
        failed=1
        table="$table
| $suite | **debootstrap failed** | | | | | | |"
        continue
    fi
    run_in "$suite" quickstart tools/quickstart
    row=$result
    run_in "$suite" by-hand 'tools/install-packages && cmake -S . -B build/by-hand && cmake --build build/by-hand && build/by-hand/hekla --version'
    row="$row | $result"
    run_in "$suite" check "$check"
    table="$table
| $suite ($(cat "$dir/$suite/base/etc/debian_version")) | $(versions "$suite") | $row | $result |"
    rm -rf "$dir/$suite/run"
done
echo "$table"
exit $failed
