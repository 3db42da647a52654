# Installs the Debian packages named as arguments, as root, and starts and enables none of their services.
# Debian asks /usr/sbin/policy-rc.d before it starts a service. Ours stands there only for this run and goes again
# by the trap of this shell, also when cargo was killed meanwhile.
set -eu
policy=/usr/sbin/policy-rc.d
mark='# placed by "cargo ci setup" of syncd while it installs'

if [ -e "$policy" ] && ! grep -qF "$mark" "$policy"; then
    answer=0
    "$policy" keepalived start >/dev/null 2>&1 || answer=$?
    if [ "$answer" -ne 101 ]; then
        echo "$policy is there and would let services start; nothing was installed" >&2
        exit 3
    fi
else
    trap 'rm -f "$policy"' EXIT
    trap 'exit 130' HUP INT TERM
    printf '#!/bin/sh\n%s\nexit 101\n' "$mark" >"$policy"
    chmod 755 "$policy"
fi

export DEBIAN_FRONTEND=noninteractive
install() {
    apt-get -q -y -o DPkg::Lock::Timeout=120 install --no-install-recommends "$@"
}
# The package lists may be missing or older than the archive.
install "$@" || { apt-get -q update && install "$@"; }

# Nor shall the next start of the machine bring up a daemon that nobody configured.
for package in "$@"; do
    if [ -e "/etc/init.d/$package" ]; then
        update-rc.d "$package" disable
    fi
done
