#!/bin/bash
# tests/system/chaos.sh BIN_DIR [KILLS] [SEED] -- strike at random moments, again and again: every job ends
# SUCCEEDED, with the bytes and the steps of its twin that nobody disturbed.
#
# A strike is kill -9 of a rank, of mpirun, of its guard, of akssld, or of all of them at once; SIGSTOP of a rank,
# of mpirun or of akssld for a while, now and then (`long`) beyond what others wait for it; the link between the ranks
# and akssld is down for a while (where there are namespaces; they are two hosts then); or the disk is full for a
# while (where a small one can be mounted).  Strikes are drawn as cards are, so each kind comes again and again.
# SEED draws them, but not the moments at which they land.  Kills alone count towards KILLS.

# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

kills=${1:-25}
RANDOM=${2:-1}
slots=4
epochs=${epochs:-15}
methods=(simclr moco_v2 swav dino)
declare -A twin count
declare -a running=() deck=()
longs=(long_rank long_mpirun long_akssld long_cut)
lacks='' # what there is none of here
lease=(--adopt-timeout 8 --orphan-timeout 4)
done_jobs=0
killed=0

disk=${AKSSL_CHAOS_DISK-yes} # empty: no full disks
if mkdir "$state" && [ -n "$disk" ] && mount -t tmpfs -o size=6g none "$state" 2>/dev/null; then
    trap 'cleanup; umount "$state" 2>/dev/null; rm -rf "$dir"' EXIT
else
    [ -z "$disk" ] || lacks+="; NO FULL DISK: a small one cannot be mounted here"
    disk=
fi
if make_hosts 2>/dev/null; then
    mpirun_there
else
    there=''
    lacks+="; NO CUTS: $why"
fi

start() { # METHOD RANKS
    local more=()
    case $1 in
    moco_v2) more=(--option "K=512") ;;
    swav) more=(--option "num_prototypes=64,hidden_dim=64,queue_length=100,epoch_queue_starts=0,num_crops=2") ;;
    dino) more=(--option "projection_dim=256,hidden_dim=64,bottleneck_dim=32,num_crops=2") ;;
    esac
    submit "${small[@]}" --method "$1" --epochs "$epochs" --ranks "$2" --commit-every 5 \
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

tell() { # KIND WORDS...
    count[$1]=$((${count[$1]:-0} + 1))
    say "strike $killed: $*"
}

hit() { # KIND PID...: kill -9 them
    local kind=$1
    shift
    [ $# -gt 0 ] || return 1
    kill -KILL "$@" 2>/dev/null || return 1
    killed=$((killed + 1))
    tell "$kind" "($*)"
}

hit_rank() {
    local pid
    pid=$(pick akssl-worker) && hit rank "$pid"
}
hit_daemon() { hit akssld "$daemon" && again; }

again() { # the daemon comes back after up to 2 s
    wait "$daemon" 2>/dev/null
    sleep "$(among 3)"
    start_daemon "${lease[@]}"
}

fill() { # the disk, but for what others are quicker to take
    local room
    room=$(df --output=avail -B1 "$state" | tail -n 1)
    fallocate -l $((room - (1 << 22))) "$state/filler" 2>/dev/null
    dd if=/dev/zero of="$state/filler.2" bs=4k 2>/dev/null
}

hit_all() {
    # shellcheck disable=SC2046 # a list
    hit all $(processes) && again
}

launcher() { pick mpirun || pick prterun; }

first_rank() { # rank 0 of a run
    local pid
    for pid in $(processes akssl-worker | shuf); do
        tr '\0' '\n' 2>/dev/null <"/proc/$pid/environ" | has -x 'OMPI_COMM_WORLD_RANK=0' && echo "$pid" && return
    done
    return 1
}

# stopped KIND PID SECONDS [COMMAND]: SIGSTOP, the command after a second, SIGCONT after so many.
stopped() {
    local from=$SECONDS
    [ -n "$2" ] && kill -STOP "$2" 2>/dev/null || return 1
    tell "$1" "($2) for $3 s"
    [ $# -lt 4 ] || { sleep 1 && "$4"; }
    until [ $((SECONDS - from)) -ge "$3" ]; do sleep 0.2; done
    kill -CONT "$2" 2>/dev/null
    return 0
}

# without_link KIND SECONDS [COMMAND]
without_link() {
    link down
    tell "$1" "for $2 s"
    [ $# -lt 3 ] || { sleep 1 && "$3"; }
    sleep "$2"
    link up
}

full_disk() {
    tell disk
    fill
    sleep "$(among 3)"
    rm -f "$state"/filler*
}

# The lease of a stopped rank 0 ends while it is stopped, as akssld is started again; a mpirun that is stopped does
# not see its ranks die; without an akssld that answers, ranks miss their pings after 20 s, commit and end.
strike() { # KIND; false when there was nothing to strike
    local some
    case $1 in
    rank) hit_rank ;;
    mpirun) some=$(launcher) && hit mpirun "$some" ;;
    guard) some=$(guards | head -n 1) && [ -n "$some" ] && hit guard "$some" ;;
    akssld) hit_daemon ;;
    all) hit_all ;;
    stop_rank) stopped "$1" "$(pick akssl-worker)" $((1 + $(among 2))) ;;
    stop_mpirun) stopped "$1" "$(launcher)" $((1 + $(among 2))) hit_rank ;;
    stop_akssld) stopped "$1" "$daemon" $((1 + $(among 2))) hit_rank ;;
    long_rank) stopped "$1" "$(first_rank)" 14 hit_daemon ;;
    long_mpirun) stopped "$1" "$(launcher)" 8 hit_rank ;;
    long_akssld) stopped "$1" "$daemon" 27 hit_rank ;;
    cut) without_link "$1" $((1 + $(among 3))) hit_rank ;;
    long_cut) without_link "$1" 26 hit_rank ;;
    disk) full_disk ;;
    esac
}

shuffle() { # a new deck
    deck=(rank rank rank rank rank rank rank rank rank rank mpirun mpirun mpirun mpirun mpirun mpirun
        guard guard guard guard akssld akssld akssld akssld akssld akssld akssld akssld all all all all
        stop_rank stop_mpirun stop_mpirun stop_akssld stop_akssld long long)
    [ -z "$there" ] || deck+=(cut cut)
    [ -z "$disk" ] || deck+=(disk disk)
}

draw() { # a card that strikes is laid away
    local at kind
    [ ${#deck[@]} -gt 0 ] || shuffle
    at=$((RANDOM % ${#deck[@]})) # not in a shell of its own, which would draw from another seed
    kind=${deck[at]}
    if [ "$kind" = long ]; then
        [ -n "$there" ] || longs=("${longs[@]/long_cut/long_rank}")
        strike "${longs[0]}" || return 0
        longs=("${longs[@]:1}" "${longs[0]}")
    else
        strike "$kind" || return 0
    fi
    unset "deck[at]"
    deck=("${deck[@]}")
}

# all_kinds: in many strikes each kind occurs.
all_kinds() {
    local kind
    shuffle
    for kind in "${deck[@]}" "${longs[@]}"; do
        [ "$kind" = long ] || [ -n "${count[$kind]:-}" ] || fail "no strike was of the kind '$kind'"
    done
}

# What a run's processes share is in its own folder: none is left.
no_shared_memory() {
    local run runs
    runs=$(grep -oE 'run [0-9a-f]{32}' "$dir/daemon.log" | cut -d' ' -f2 | sort -u)
    [ "$(wc -l <<<"$runs")" -gt "$done_jobs" ] || fail "the log does not name the runs: '$runs'"
    for run in $runs; do
        [ ! -e "/dev/shm/akssl-$run" ] || fail "run $run leaves shared memory: $(ls -R "/dev/shm/akssl-$run")"
    done
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
            each_step_once "$state/jobs/$id" $((4 * epochs)) "$epochs"
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

start_daemon "${lease[@]}"
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
    draw
    look
done
say "no more strikes"
until [ ${#running[@]} -eq 0 ]; do
    [ $((SECONDS - began)) -lt $((600 + 30 * kills)) ] || fail "jobs do not end: ${running[*]}"
    sleep 0.5
    look
done
[ "$kills" -lt 100 ] || all_kinds
stop_daemon
no_process || sleep 2
no_shared_memory
for kind in $(printf '%s\n' "${!count[@]}" | sort); do summary+="$kind ${count[$kind]}, "; done
say "$killed kills in $((SECONDS - began)) s (${summary%, }$lacks); $done_jobs jobs, all with the bytes of their twins"

pass
