#!/bin/bash
# What becomes of a router pair when the package is installed, upgraded and removed: run by syncd-try.service in a
# container that `cargo ci package --try` boots. Router 1 is the container, router 2 a network namespace in it. The end of
# the container is the verdict.
set -eu -o pipefail

finish() {
    local code=$?
    if [ "$code" -ne 0 ]; then
        journalctl --no-pager --no-hostname --lines=80 --unit='syncd*'
        systemctl --no-pager --lines=0 status syncd.service syncd@r2.service || true
        say "FAILED with $code in: $step"
    fi
    systemctl --no-block exit "$code"
}
step='the beginning'
trap finish EXIT

say() { echo "== $*"; }
begin() { step=$*; say "$*"; }
fail() { echo "$*" >&2; exit 1; }
# Waits until a command succeeds.
until_true() {
    local patience=60 since=$SECONDS
    until "$@" >/dev/null 2>&1; do
        [ $((SECONDS - since)) -lt "$patience" ] || fail "not within $patience s: $*"
        sleep 0.1
    done
}
pid() { systemctl show --property=MainPID --value "$1"; }
has() { local want=$1; shift; { "$@" 2>&1 || true; } | grep -E -- "$want" >/dev/null; }
status_of() { syncd show conntrack-sync status --json --socket "$1"; }
r1=/run/syncd/control
r2=/run/syncd/r2/control
in_r2() { ip netns exec r2 "$@"; }
flows() { has "^$1\$" conntrack -C; }

begin 'install'
systemctl disable --now keepalived.service conntrackd.service
dpkg --install /packages/old.deb
[ -z "$(dpkg --verify syncd)" ] || fail 'dpkg --verify syncd finds differences'
syncd --version
labctl --version
has '^conntrackd: ' dpkg --search /usr/sbin/conntrackd || fail "Debian's conntrackd is not Debian's any more"
has 'cannot reach the daemon' /usr/lib/syncd/conntrackd -s || fail "the front does not know conntrackd's letters"
for unit in syncd.service syncd@r2.service; do
    ! systemctl --quiet is-active "$unit" || fail "$unit was started without a configuration"
done

begin 'two routers'
ip netns add r2
ip link add sync type veth peer name sync netns r2
ip address add 192.0.2.1/24 dev sync
ip link set sync up
in_r2 ip link set lo up
in_r2 ip address add 192.0.2.2/24 dev sync
in_r2 ip link set sync up
for name in syncd r2; do
    cat >/etc/syncd/$name.yaml <<END
conntrack-sync:
  interface: { sync: {} }
  ignore-address: [192.0.2.0/24, 127.0.0.0/8]
  failover-mechanism: { vrrp: { sync-group: G1, notify-fifo: /run/keepalived/$name.fifo } }
END
done
# As docs/getting-started.md has it: what the daemons say to each other is no flow.
for run in '' in_r2; do
    $run nft 'table inet untracked {
        chain in { type filter hook prerouting priority raw; iifname sync notrack; }
        chain out { type filter hook output priority raw; oifname sync notrack; }
    }'
done
mkdir -p /etc/systemd/system/syncd@r2.service.d
cp /usr/share/doc/syncd/examples/netns.conf /etc/systemd/system/syncd@r2.service.d/
systemctl daemon-reload
systemctl --quiet enable syncd.service syncd@r2.service

begin 'a conntrackd that runs is respected'
systemctl start conntrackd.service
! systemctl start syncd.service || fail 'syncd runs beside conntrackd'
has "conntrackd is running \(pid $(pid conntrackd.service)\) in this network namespace" journalctl --unit=syncd.service
systemctl stop conntrackd.service
until_true systemctl is-active syncd.service

begin 'two instances, the second in a network namespace of its own'
systemctl start syncd@r2.service
until_true has '"state":"in sync"' status_of $r1
until_true has '"state":"in sync"' status_of $r2
for unit in syncd.service syncd@r2.service; do
    has '^CapEff:.0*1000$' cat "/proc/$(pid $unit)/status" || fail "$unit has other capabilities than CAP_NET_ADMIN"
done
[ "$(cat /proc/sys/net/netfilter/nf_conntrack_events)" = 1 ] || fail 'events are not switched on'

begin 'a changed configuration is read by a reload, and one that is wrong is refused'
before=$(pid syncd@r2.service)
cp /etc/syncd/r2.yaml /etc/syncd/r2.yaml.kept
echo '  cache-limit: 5000' >>/etc/syncd/r2.yaml
systemctl reload syncd@r2.service
echo '  nonsense: 1' >>/etc/syncd/r2.yaml
! systemctl reload syncd@r2.service || fail 'a wrong configuration was taken'
mv /etc/syncd/r2.yaml.kept /etc/syncd/r2.yaml
systemctl reload syncd@r2.service
[ "$(pid syncd@r2.service)" = "$before" ] || fail 'a reload is no restart'

begin '200 flows reach the standby'
echo 'GROUP "G1" MASTER 0' >/run/keepalived/syncd.fifo
echo 'GROUP "G1" BACKUP 0' >/run/keepalived/r2.fifo
until_true has '"role":"primary"' status_of $r1
until_true has '"role":"backup"' status_of $r2
for port in $(seq 1 200); do
    conntrack -I -p udp -s 10.1.0.1 -d 10.1.0.2 --sport "$port" --dport 53 -t 3600 -u SEEN_REPLY,ASSURED 2>/dev/null
done
flows 200
until_true has '"external_flows":200\b' status_of $r2

begin 'a daemon that hangs is killed, and started again'
before=$(pid syncd@r2.service)
kill -STOP "$before"
until_true has 'syncd@r2.service: Watchdog timeout' journalctl --unit=syncd@r2.service
until_true systemctl is-active syncd@r2.service
[ "$(pid syncd@r2.service)" != "$before" ] || fail 'it is the same process'
until_true has '"external_flows":200\b' status_of $r2

begin 'upgrade'
before="$(pid syncd.service) $(pid syncd@r2.service)"
dpkg --install /packages/new.deb
has '\+upgrade' dpkg-query --show syncd
for unit in syncd.service syncd@r2.service; do
    systemctl is-active $unit
    for old in $before; do
        [ "$(pid $unit)" != "$old" ] || fail "$unit was not started again"
    done
done
flows 200 || fail "the kernel has lost flows: $(conntrack -C)"
has '"role":"primary"' status_of $r1 || fail 'router 1 is not primary any more'
has '"role":"backup"' status_of $r2 || fail 'router 2 does not stand by any more'
until_true has '"internal_flows":200\b' status_of $r1
until_true has '"external_flows":200\b' status_of $r2
until_true has '"state":"in sync"' status_of $r1
until_true has '"state":"in sync"' status_of $r2

begin 'what was upgraded takes over'
syncd role primary --socket $r2
has '^200$' in_r2 conntrack -C || fail "the standby has committed $(in_r2 conntrack -C) flows"
until_true has '"SYNCD_COMMITTED":"200"' journalctl --unit=syncd@r2.service --output=json SYNCD_EVENT=commit-done
until_true has 'Committed 200 new entries; commit has taken' syncd show log conntrack-sync --socket $r2
# nft may do under the unit what it must.
until_true has '"SYNCD_EVENT":"gate-open"' journalctl --unit=syncd@r2.service --output=json
has '"SYNCD_EVENT":"gate-closed"' journalctl --unit=syncd@r2.service --output=json || fail 'the gate was not closed'
! has '"SYNCD_EVENT":"gate-failed"' journalctl --output=json || fail "there was no gate: $(journalctl SYNCD_EVENT=gate-failed)"
has 'carried  *200: 200 udp' syncd show failover --socket $r2 || fail "the account: $(syncd show failover --socket $r2)"

begin 'remove'
dpkg --remove syncd
for unit in syncd.service syncd@r2.service; do
    ! systemctl --quiet is-active "$unit" || fail "$unit runs on"
done
flows 200 || fail "the kernel has lost flows: $(conntrack -C)"
for gone in /usr/sbin/syncd /usr/bin/labctl /usr/lib/syncd /run/syncd /etc/systemd/system/multi-user.target.wants/syncd*; do
    [ ! -e "$gone" ] && [ ! -L "$gone" ] || fail "$gone is left"
done
[ -e /etc/syncd/syncd.yaml ] || fail "the operator's configuration is gone"
dpkg --purge syncd
[ -e /etc/syncd/syncd.yaml ] || fail "the operator's configuration is gone"

begin 'everything was as it should be'
touch /packages/passed
