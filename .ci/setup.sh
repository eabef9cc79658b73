#!/bin/sh
# Sets up what `make demo` or `make test` needs, and nothing that is there already:
#   .ci/setup.sh demo    a virtual environment in .venv with the project and its Python packages, and a synthesizer
#   .ci/setup.sh test    the same, and the stock tools that the tests check the recording with
# Runs as root or with sudo on Debian 12 and newer and on Raspberry Pi OS; elsewhere it names what is missing.
# A second run finds everything and installs nothing. PYTHON chooses another interpreter than the distribution's own,
# which comes first because devices run it (and because it is built with profiles: a tenth less CPU for a recording).
set -eu

purpose=${1:?usage: .ci/setup.sh demo|test}
cd "$(dirname "$0")/.."
here=$(pwd)
# mkfs and its kin stand there, and an ordinary user's PATH lacks them.
PATH=$PATH:/usr/sbin:/sbin
installed=no
system_python=${SYSTEM_PYTHON:-/usr/bin/python3}

say() { printf 'setup: %s\n' "$*"; }
fail() { printf 'setup: %s\n' "$*" >&2; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif have sudo; then
        sudo "$@"
    else
        fail "needs root for: $*; run as root, or install sudo"
    fi
}

# Another installation may hold the package lists; apt itself waits for dpkg's lock only.
update_lists() {
    tries=0
    until as_root apt-get -qq -o DPkg::Lock::Timeout=600 update; do
        tries=$((tries + 1))
        [ "$tries" -lt 5 ] || fail "the package lists cannot be updated; is there a network?"
        say "the package lists are locked or out of reach; trying again in 15 s"
        sleep 15
    done
}

install_packages() {
    have apt-get || fail "missing: $*. This is no Debian: install what these packages hold, then run again."
    say "installing with apt: $*"
    update_lists
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -y -o DPkg::Lock::Timeout=600 -o Dpkg::Use-Pty=0 \
        install --no-install-recommends "$@" >/dev/null
}

recent_enough() {
    have "$1" && "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

# Debian keeps ensurepip apart: without it `python3 -m venv` makes an environment that has no pip.
makes_environments() {
    "$1" -c 'import ensurepip, venv' >/dev/null 2>&1
}

find_python() {
    found=
    for candidate in ${PYTHON:-} "$system_python" python3 python3.11 python3.12 python3.13 python3.14; do
        if recent_enough "$candidate"; then
            if makes_environments "$candidate"; then
                printf '%s\n' "$candidate"
                return
            fi
            found=${found:-$candidate}
        fi
    done
    printf '%s\n' "$found"
}

missing_packages() {
    python=$(find_python)
    if [ -z "$python" ]; then
        printf 'python3 python3-venv '
    elif [ ! -x .venv/bin/python ] && ! makes_environments "$python"; then
        printf 'python3-venv '
    fi
    have espeak-ng || printf 'espeak-ng '
    [ "$purpose" = test ] || return 0
    have ffmpeg && have ffprobe || printf 'ffmpeg '
    have age || printf 'age '
    have chromium || have chromium-browser || printf 'chromium '
    have losetup || printf 'mount '
    have mkfs.xfs || printf 'xfsprogs '
    have mkfs.ext4 || printf 'e2fsprogs '
    have jq || printf 'jq '
}

fingerprint() {
    { cat pyproject.toml; .venv/bin/python -V; } | sha256sum
}

# Scripts in an environment name the checkout by its full path: a checkout that was moved needs a new one.
environment_works() {
    .venv/bin/python -c '' >/dev/null 2>&1 && head -n 1 .venv/bin/pip 2>/dev/null | grep -qF "$here/.venv/"
}

set_up_environment() {
    stamp=.venv/liuhen-set-up
    if environment_works; then
        [ "$(cat $stamp 2>/dev/null)" != "$(fingerprint)" ] || return 0
    else
        python=$(find_python)
        [ -n "$python" ] || fail "Python 3.11 or newer is needed and was not found; set PYTHON to one"
        "$python" -m venv --clear .venv
    fi
    say "installing the Python packages into .venv (some minutes the first time)"
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --use-pep517 -e '.[device,store,tests]'
    fingerprint > $stamp
    installed=yes
}

main() {
    packages=$(missing_packages)
    if [ -n "$packages" ]; then
        # The list is split into words on purpose.
        # shellcheck disable=SC2086
        install_packages $packages
        installed=yes
    fi
    set_up_environment
    [ "$installed" = yes ] || say "nothing is missing"
}

# Two makes at once must not set up the same environment.
if have flock && [ "${LIUHEN_SETUP_LOCKED:-}" != yes ]; then
    LIUHEN_SETUP_LOCKED=yes exec flock .ci/setup.sh sh .ci/setup.sh "$purpose"
fi
main
