#!/bin/sh
# Stands in for systemctl on the routers of a lab, which have no systemd: does what the units beside it, or the host's, say.
# The real one is asked in `cargo ci package --try`, which boots two Debians.
set -e
beside=/run/standin

fail() { echo "systemctl (standing in): $*" >&2; exit 1; }
# The lines of a unit's file that set a field. What a variable of systemd would hold is nothing here.
field() {
    for directory in "$beside" /usr/lib/systemd/system; do
        if [ -f "$directory/$2.service" ]; then
            sed -n "s/^$1=//p" "$directory/$2.service"
            return
        fi
    done
    fail "there is no unit $2.service"
}
# A command of a unit without the directory of its program, which is looked for where this lab has it.
strip() { first=${1%% *}; echo "${first##*/}${1#"$first"}"; }
runs() { [ -f "$beside/$1.pid" ] && kill -0 "$(cat "$beside/$1.pid")" 2>/dev/null; }
ready() {
    case $1 in
        syncd) syncd show conntrack-sync status ;;
        conntrackd) conntrackd -s ;;
        keepalived) pgrep --parent "$(cat "$beside/keepalived.pid")" ;;
        *) true ;;
    esac >/dev/null 2>&1
}

start() {
    command=$(strip "$(field ExecStart "$1")")
    if [ "$(field Type "$1")" = oneshot ]; then
        sh -c "$command" || fail "$1: $command"
        return
    fi
    ! runs "$1" || return 0
    setsid sh -c "exec $command" </dev/null >>"$beside/$1.log" 2>&1 &
    echo $! >"$beside/$1.pid"
    tries=0
    until ready "$1"; do
        runs "$1" || fail "$1 has ended: $(tail -n 5 "$beside/$1.log")"
        tries=$((tries + 1))
        [ "$tries" -lt 200 ] || fail "$1 is not ready"
        sleep 0.05
    done
}

stop() {
    runs "$1" || return 0
    kill "$(cat "$beside/$1.pid")"
    while runs "$1"; do sleep 0.02; done
}

verb='' now='' units=''
for word; do
    case $word in
        --now) now=yes ;;
        --quiet) ;;
        -*) fail "what is $word?" ;;
        *) if [ -z "$verb" ]; then verb=$word; else units="$units ${word%.service}"; fi ;;
    esac
done
for unit in $units; do
    case $verb in
        start) start "$unit" ;;
        stop) stop "$unit" ;;
        restart) stop "$unit"; start "$unit" ;;
        enable) field ExecStart "$unit" >/dev/null; [ -z "$now" ] || start "$unit" ;;
        disable) field ExecStart "$unit" >/dev/null; [ -z "$now" ] || stop "$unit" ;;
        reload)
            command=$(strip "$(field ExecReload "$unit")")
            if [ "$(field Type "$unit")" != oneshot ]; then
                runs "$unit" || fail "$unit does not run"
                MAINPID=$(cat "$beside/$unit.pid")
                export MAINPID
            fi
            sh -c "$command" || fail "$unit: $command"
            ;;
        is-active) if runs "$unit"; then echo active; else echo inactive; exit 3; fi ;;
        *) fail "what is $verb?" ;;
    esac
done
