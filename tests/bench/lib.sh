# shellcheck shell=bash
# tests/bench/lib.sh -- read by the scripts beside it: an akssld of their own; $bin is where the programs are.

daemon=

# own_daemon STATE_DIR SOCKET [OPTION...]: starts it and waits until it answers; AKSSL_SERVER leads to it.
own_daemon() {
    export AKSSL_SERVER="unix:$2"
    # shellcheck disable=SC2154 # bin is the script's
    "$bin/akssld" --state-dir "$1" --socket "$2" --log-level warn "${@:3}" &
    daemon=$!
    until "$bin/akssl-client" list >/dev/null 2>&1; do
        kill -0 $daemon || exit 1
        sleep 0.2
    done
}

# end_daemon ends it, if it was started; its jobs go on from their last commits another time.
end_daemon() {
    [ -z "$daemon" ] || kill -INT "$daemon" 2>/dev/null || true
    [ -z "$daemon" ] || wait "$daemon" 2>/dev/null || true
}
