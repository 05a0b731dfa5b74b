# shellcheck shell=bash disable=SC2034,SC2119,SC2120
# tests/system/lib.sh -- a private daemon for one test, and what the tests say to it.
#
# A test is a bash script: `NAME.sh BIN_DIR [ARGUMENT...]`.  It sources this file, calls the
# functions below and ends with `pass`.  Everything it makes is in $dir, which goes away with it;
# every process it starts, or that those start, is found by $dir in its command line or
# environment, so `pass` can say that none was left, and none outlives the test either way.

set -u -o pipefail

bin=$(cd "$1" && pwd) || exit 1
shift
name=$(basename "$0" .sh)
dir=$(mktemp -d "${TMPDIR:-/tmp}/akssl.XXXXXX") || exit 1
state=$dir/state
export AKSSL_SERVER=unix:$dir/s
export AKSSL_TEST_FOLDER=$dir
fashion=/usr/share/datasets/fashion-mnist
daemon=
starter=() # what akssld is started by: `ip netns exec NAME`, or nothing
uplink=()  # flags by which ranks on another host reach it
namespaces=()
there=''
peer=$bin/../tests/system.peer

say() { printf '%s: %s\n' "$name" "$*"; }

# processes [PATTERN] lists our live processes (not the scripts) whose name matches.
processes() {
    local folder comm status
    for folder in /proc/[0-9]*; do
        { read -r comm <"$folder/comm"; } 2>/dev/null || continue
        case $comm in
        akssl* | mpirun | mpiexec | orted | prte | prted | prterun) ;;
        *) continue ;;
        esac
        # shellcheck disable=SC2254 # a pattern on purpose
        case $comm in ${1:-*}) ;; *) continue ;; esac
        { read -r status <"$folder/stat"; } 2>/dev/null || continue
        [[ $status == *") Z "* ]] && continue
        grep -qsF -- "$dir" "$folder/cmdline" "$folder/environ" && echo "${folder#/proc/}"
    done
}

cleanup() {
    local left
    exec 2>/dev/null # bash tells of each process killed
    for _ in 1 2 3; do
        left=$(processes)
        [ -n "$left" ] || break
        # shellcheck disable=SC2086 # a list
        kill -KILL $left 2>/dev/null
        sleep 0.2
    done
    for left in "$state"/jobs/*/run/*.secret; do # what a guard that was killed leaves
        [ -e "$left" ] && rm -rf "/dev/shm/akssl-$(basename "$left" .secret)"
    done
    mountpoint -q "$dir/small" && umount "$dir/small"
    for left in "${namespaces[@]}"; do ip netns del "$left"; done
    if [ -n "${AKSSL_TEST_KEEP:-}" ]; then say "kept $dir"; else rm -rf "$dir"; fi
}
trap cleanup EXIT
trap 'exit 130' INT TERM HUP

fail() {
    say "FAILED: $*"
    if [ -s "$dir/daemon.log" ]; then
        say "the end of the daemon's log:"
        tail -n 25 "$dir/daemon.log"
    fi
    for log in "$state"/jobs/*/log; do
        [ -s "$log" ] && say "the end of $log:" && tail -n 15 "$log"
    done
    exit 1
}

skip() {
    say "skipped: $*"
    exit 77
}

pass() {
    [ -z "$daemon" ] || stop_daemon
    wait_for 15 no_process || fail "these processes are left: $(describe)"
    say passed
    exit 0
}

no_process() { [ -z "$(processes)" ]; }

describe() {
    for pid in $(processes); do
        printf '\n%s %s' "$pid" "$(tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null)"
    done
}

# make_hosts makes two network namespaces, $here (10.77.0.1) and $there (10.77.0.2), with a link between them,
# the interfaces v$here and v$there; where it cannot, $why says why.
make_hosts() {
    local host
    why="needs root and iproute2"
    [ "$(id -u)" -eq 0 ] && command -v ip >/dev/null || return 1
    why="no network namespaces here"
    ip netns add "aka$$" 2>/dev/null && namespaces=("aka$$") || return 1
    ip netns add "akb$$" && namespaces+=("akb$$") || return 1
    here=aka$$ there=akb$$
    why="no veth pairs here"
    ip link add "v$here" netns "$here" type veth peer name "v$there" netns "$there" || return 1
    ip -n "$here" addr add 10.77.0.1/24 dev "v$here"
    ip -n "$there" addr add 10.77.0.2/24 dev "v$there"
    for host in "$here" "$there"; do
        ip -n "$host" link set lo up
        ip -n "$host" link set "v$host" up
    done
}
two_hosts() { make_hosts || skip "$why"; }

# link up|down
link() { ip -n "$there" link set "v$there" "$1"; }

# mpirun_there has the ranks of launcher `local` run on the other host; they reach akssld by TLS alone.
mpirun_there() {
    local mpirun
    mpirun=$(command -v mpirun) || skip "no mpirun"
    printf '#!/bin/sh\nexec ip netns exec "%s" "%s" "$@"\n' "$there" "$mpirun" >"$dir/mpirun"
    chmod 700 "$dir/mpirun"
    export AKSSL_MPIRUN=$dir/mpirun
    "$bin/akssld" --state-dir "$state" --init-tls --host 10.77.0.1 >/dev/null || fail "no certificates"
    starter=(ip netns exec "$here")
    uplink=(--listen 10.77.0.1:7443 --uplink 10.77.0.1:7443)
}

# wait_for SECONDS COMMAND... repeats a quiet command until it holds.
wait_for() {
    local end=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$end" ] || return 1
        sleep 0.1
    done
}

# has [GREP'S ARGUMENTS]: its input has a match.  All of it is read: behind `grep -q`, which is gone at the first
# match, what still writes is ended by a signal, and with pipefail the pipe fails.
has() { grep "$@" >/dev/null; }

client() { timeout 300 "$bin/akssl-client" "$@"; }

# start_daemon [FLAG...]: on $state, listening on $AKSSL_SERVER.
start_daemon() {
    "${starter[@]}" "$bin/akssld" --state-dir "$state" --socket "$dir/s" --slots "${slots:-4}" "${uplink[@]}" "$@" \
        >>"$dir/daemon.log" 2>&1 &
    daemon=$!
    wait_for 30 client list || fail "the daemon does not answer"
}

# stop_daemon ends the runs too; leave_daemon leaves them to the next one.
stop_daemon() { end_daemon INT; }
leave_daemon() { end_daemon TERM; }

end_daemon() {
    local status=0
    kill "-$1" "$daemon" || fail "the daemon is not running"
    wait_for 60 gone "$daemon" || fail "the daemon still runs 60 s after SIG$1"
    wait "$daemon" || status=$?
    daemon=
    [ "$status" -eq 0 ] || fail "the daemon ended with $status after SIG$1"
}

kill_daemon() {
    kill -KILL "$daemon" || fail "the daemon is not running"
    wait "$daemon" 2>/dev/null
    daemon=
}

gone() {
    local status
    { read -r status <"/proc/$1/stat"; } 2>/dev/null || return 0
    [[ $status == *") Z "* ]]
}

daemon_lives() { client list >/dev/null || fail "the daemon is gone after: $*"; }

# A job that takes seconds: four steps of 64 small images an epoch.
small=(--dataset fashion-mnist --limit-images 256 --image-size 16 --batch 64 --shards 8 --epochs 1
    --optimizer adam --lr 1e-3 --weight-decay 1e-6 --seed 5)

# part NAME COUNT: the first images and labels of one part, as an IDX set in $dir/set.
part() {
    local count
    mkdir -p "$dir/set"
    count=$(printf '\\x%02x\\x%02x' $(($2 >> 8)) $(($2 & 255)))
    {
        printf '\0\0\x08\x03\0\0%b' "$count"
        zcat "$fashion/$1-images-idx3-ubyte.gz" | tail -c +9 | head -c $((8 + $2 * 784))
    } >"$dir/set/$1-images-idx3-ubyte"
    {
        printf '\0\0\x08\x01\0\0%b' "$count"
        zcat "$fashion/$1-labels-idx1-ubyte.gz" | tail -c +9 | head -c "$2"
    } >"$dir/set/$1-labels-idx1-ubyte"
}

# submit FLAG... sets $id.
submit() {
    id=$(client submit --parsable "$@") || fail "submit $* was refused"
    [[ $id =~ ^[0-9]+$ ]] || fail "submit --parsable printed '$id', not an id"
    job=$state/jobs/$id
}

field() { client --json show "$1" | jq -r ".$2 // empty"; }

# finish ID [STATE] waits for the end of a job and checks it.
finish() {
    local got
    client wait "$1" >/dev/null
    got=$(field "$1" state)
    [ "$got" = "${2:-SUCCEEDED}" ] || fail "job $1 ended $got: $(field "$1" reason)"
}

# committed ID STEP holds once the job has a commit at STEP or later.
committed() {
    local step
    step=$(field "$1" committed_step)
    [ -n "$step" ] && [ "$step" -ge "$2" ]
}

last_commit() { find "$1/commits" -mindepth 1 -maxdepth 1 -name 'step-*' | sort -V | tail -n 1; }

# event_steps FILE: the steps of the records of a TensorBoard event file, a line each.
event_steps() {
    python3 - "$1" <<'END'
import struct, sys

with open(sys.argv[1], "rb") as file:
    while head := file.read(12):
        event = file.read(struct.unpack("<Q", head[:8])[0])
        assert len(file.read(4)) == 4, "torn"
        at, step, shift = 10, 0, 0
        while event[9] == 0x10:
            step |= (event[at] & 0x7F) << shift
            if event[at] < 0x80:
                print(step)
                break
            at, shift = at + 1, shift + 7
END
}

# each_step_once JOB_FOLDER STEPS EPOCHS: metrics.jsonl and TensorBoard's events have each once, in their order.
each_step_once() {
    local wrong
    wrong=$(diff <(jq -r .step "$1/metrics.jsonl") <(seq 1 "$2")) || fail "$1/metrics.jsonl has other steps: $wrong"
    wrong=$(diff <(event_steps "$1/tensorboard/metrics/events.out.tfevents.akssl") <(seq 1 "$2")) ||
        fail "TensorBoard's events of $1: $wrong"
    wrong=$(diff <(event_steps "$1/tensorboard/epochs/events.out.tfevents.akssl") <(seq 1 "$3")) ||
        fail "TensorBoard's epochs of $1: $wrong"
}

losses() { jq -r '"\(.step) \(.loss)"' "$1/metrics.jsonl"; }
raw_losses() { grep -o '"loss": *[^,}]*' "$1/metrics.jsonl"; }

# same_run JOB_FOLDER JOB_FOLDER: the same bytes and losses.
same_run() {
    local a b file
    a=$(last_commit "$1")
    b=$(last_commit "$2")
    [ -n "$a" ] && [ "$(basename "$a")" = "$(basename "$b")" ] || fail "commits differ: '$a' '$b'"
    for file in "$a"/*.safetensors; do
        cmp "$file" "$b/$(basename "$file")" || fail "$file differs from $b"
    done
    cmp "$1/export/backbone.safetensors" "$2/export/backbone.safetensors" || fail "exports differ"
    for file in "$1"/pictures/*; do
        cmp "$file" "$2/pictures/$(basename "$file")" || fail "$file differs from that of $2"
    done
    diff <(losses "$1") <(losses "$2") || fail "the steps of $1 and $2 differ"
    diff <(raw_losses "$1") <(raw_losses "$2") || fail "the losses of $1 and $2 differ"
}

# refused STATUS PATTERN COMMAND...: it fails with STATUS, and stderr is one sentence like PATTERN.
refused() {
    local want=$1 pattern=$2 status=0 lines
    shift 2
    timeout 60 "$@" >"$dir/out" 2>"$dir/err" || status=$?
    [ "$status" -eq "$want" ] || fail "$* ended with $status, not $want: $(cat "$dir/err")"
    lines=$(wc -l <"$dir/err")
    [ "$lines" -eq 1 ] || fail "$* said $lines lines on stderr, not one: $(cat "$dir/err")"
    grep -qiE -- "$pattern" "$dir/err" || fail "$* said '$(cat "$dir/err")', which lacks '$pattern'"
    say "$(cat "$dir/err")"
}

# tensors FILE lists the tensors of a safetensors file.
tensors() {
    local length
    length=$(od -An -tu8 -N 8 "$1")
    tail -c +9 "$1" | head -c "$((length))" | jq -r 'keys[]'
}
