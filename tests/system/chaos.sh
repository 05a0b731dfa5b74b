#!/bin/bash
# tests/system/chaos.sh BIN_DIR [KILLS] [SEED] -- strike at random moments, again and again: every job ends
# SUCCEEDED, with the bytes and the steps of its twin that nobody disturbed.
#
# A strike is kill -9 of a rank, of mpirun, of its guard, of akssld, or of all of them at once; or a
# rank is stopped for a while; or the disk is full for a while (where a small one can be mounted).
# SEED draws the strikes, but not the moments at which they land.  Kills alone count towards KILLS.

# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

kills=${1:-25}
RANDOM=${2:-1}
slots=4
methods=(simclr moco_v2 swav dino)
declare -A twin count
declare -a running=()
done_jobs=0
killed=0

disk=${AKSSL_CHAOS_DISK-yes} # empty: no full disks
if mkdir "$state" && [ -n "$disk" ] && mount -t tmpfs -o size=6g none "$state" 2>/dev/null; then
    trap 'cleanup; umount "$state" 2>/dev/null; rm -rf "$dir"' EXIT
else
    disk=
fi

start() { # METHOD RANKS
    local more=()
    case $1 in
    moco_v2) more=(--option "K=512") ;;
    swav) more=(--option "num_prototypes=64,hidden_dim=64,queue_length=100,epoch_queue_starts=0,num_crops=2") ;;
    dino) more=(--option "projection_dim=256,hidden_dim=64,bottleneck_dim=32,num_crops=2") ;;
    esac
    submit "${small[@]}" --method "$1" --epochs "${epochs:-15}" --ranks "$2" --commit-every 5 \
        --max-restarts 1000 --keep 2 "${more[@]}"
}

# among N gives a number from 0 to N-1.
among() { echo $((RANDOM % $1)); }

pick() { # NAME: one of the processes of that name
    local pids
    # shellcheck disable=SC2207 # a list of numbers
    pids=($(processes "$1"))
    [ ${#pids[@]} -gt 0 ] && echo "${pids[$(among ${#pids[@]})]}"
}

guards() { # the akssld processes that are not the daemon
    local pid
    for pid in $(processes akssld); do [ "$pid" = "$daemon" ] || echo "$pid"; done
}

hit() { # KIND PID...: kill -9 them
    local kind=$1
    shift
    [ $# -gt 0 ] || return 1
    kill -KILL "$@" 2>/dev/null || return 1
    killed=$((killed + 1))
    count[$kind]=$((${count[$kind]:-0} + 1))
    say "strike $killed: $kind ($*)"
}

again() { # the daemon comes back after up to 2 s
    wait "$daemon" 2>/dev/null
    sleep "$(among 3)"
    start_daemon
}

fill() { # the disk, but for what others are quicker to take
    local room
    room=$(df --output=avail -B1 "$state" | tail -n 1)
    fallocate -l $((room - (1 << 22))) "$state/filler" 2>/dev/null
    dd if=/dev/zero of="$state/filler.2" bs=4k 2>/dev/null
}

strike() {
    local pid all
    case $(among 20) in
    [0-6]) pid=$(pick akssl-worker) && hit rank "$pid" ;;
    [789]) pid=$(pick 'mpirun') || pid=$(pick 'prterun') && hit mpirun "$pid" ;;
    10 | 11)
        # shellcheck disable=SC2046 # a list
        set -- $(guards)
        [ $# -gt 0 ] && hit guard "$1"
        ;;
    1[2-5]) hit daemon "$daemon" && again ;;
    16 | 17)
        all=$(processes)
        # shellcheck disable=SC2086 # a list
        hit all $all && again
        ;;
    18)
        pid=$(pick akssl-worker) && kill -STOP "$pid" && {
            count[stop]=$((${count[stop]:-0} + 1))
            sleep "$(among 3)"
            kill -CONT "$pid" 2>/dev/null
        }
        ;;
    19)
        [ -z "$disk" ] || {
            count[disk]=$((${count[disk]:-0} + 1))
            fill
            sleep "$(among 3)"
            rm -f "$state"/filler*
        }
        ;;
    esac
}

# What is paused goes on (a full disk pauses); what has ended is compared with its twin.
look() {
    local still=() entry id now
    for entry in "${running[@]}"; do
        id=${entry#* }
        now=$(field "$id" state)
        case $now in
        SUCCEEDED)
            same_run "${twin[${entry% *}]}" "$state/jobs/$id"
            done_jobs=$((done_jobs + 1))
            # A small disk holds the jobs that matter.
            rm -rf "$state/jobs/$id/commits" "$state/jobs/$id/export"
            ;;
        FAILED | CANCELLED) fail "job $id (${entry% *}) ended $now: $(field "$id" reason)" ;;
        PAUSED)
            client resume "$id" >/dev/null || true
            still+=("$entry")
            ;;
        '') fail "job $id (${entry% *}) is lost" ;;
        *) still+=("$entry") ;;
        esac
    done
    running=("${still[@]}")
}

start_daemon
for method in "${methods[@]}"; do
    start "$method" 2
    finish "$id"
    # Out of the way of the small disk, and of the strikes.
    twin[$method]=$dir/twin.$method
    cp -r "$job" "${twin[$method]}"
done
say "${#methods[@]} twins are made"

began=$SECONDS
while [ "$killed" -lt "$kills" ]; do
    if [ ${#running[@]} -eq 0 ]; then
        for method in "${methods[@]}"; do
            start "$method" $((1 << $(among 2)))
            running+=("$method $id")
        done
    fi
    sleep "$(among 2).$(among 10)"
    strike
    look
done
say "no more strikes"
until [ ${#running[@]} -eq 0 ]; do
    [ $((SECONDS - began)) -lt $((600 + 30 * kills)) ] || fail "jobs do not end: ${running[*]}"
    sleep 0.5
    look
done
for kind in "${!count[@]}"; do summary+="$kind ${count[$kind]}, "; done
say "$killed kills in $((SECONDS - began)) s (${summary%, }); $done_jobs jobs, all with the bytes of their twins"

pass
