#!/bin/bash
# tests/system/slurm.sh BIN_DIR -- launcher `slurm` on a real Slurm: a run ends with the bytes of a local one, though
# akssld and its follower are killed, and they and slurmctld started again, on the way; one that waits says why and
# is cancelled; and akssld inside an allocation runs jobs on its nodes.
#
# munged, slurmctld and slurmd are the test's own, in its folder, with two nodes on this machine.  Needs root.

# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

[ "$(id -u)" -eq 0 ] || skip "needs root, to start munged and slurmd"
PATH=$PATH:/usr/sbin:/sbin
for program in munged slurmctld slurmd sbatch; do
    command -v $program >/dev/null || skip "no $program: deploy/packages.sh test installs it"
done

slurm_processes() {
    local folder comm
    for folder in /proc/[0-9]*; do
        { read -r comm <"$folder/comm"; } 2>/dev/null || continue
        case $comm in munged | slurm* | sbatch | scancel | squeue) ;; *) continue ;; esac
        grep -qsF -- "$dir" "$folder/cmdline" "$folder/environ" && echo "${folder#/proc/}"
    done
}

stop_slurm() {
    local left
    for _ in 1 2 3; do
        left=$(slurm_processes)
        [ -n "$left" ] || break
        # shellcheck disable=SC2086 # a list
        kill -KILL $left 2>/dev/null
        sleep 0.2
    done
}
trap 'stop_slurm; cleanup' EXIT

export SLURM_CONF=$dir/slurm/slurm.conf
# Ranks of "two" hosts that are one: Open MPI 5 does not take its interfaces for a way from one to the other.
export OMPI_MCA_btl_tcp_if_include=lo
unset SLURM_JOB_ID SLURM_JOB_NODELIST
node=$(hostname -s)
port=$((20000 + $$ % 5000 * 4))
mkdir -p "$dir/slurm/state"
head -c 128 /dev/urandom >"$dir/slurm/key"
chmod 600 "$dir/slurm/key"
cat >"$SLURM_CONF" <<END
ClusterName=lab
SlurmctldHost=$node(127.0.0.1)
SlurmctldPort=$port
SlurmdParameters=config_overrides
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$dir/slurm/munge
CredType=cred/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerType=sched/backfill
ReturnToService=2
KillWait=2
MinJobAge=60
SlurmctldPidFile=$dir/slurm/slurmctld.pid
SlurmdPidFile=$dir/slurm/slurmd-%n.pid
SlurmctldLogFile=$dir/slurm/slurmctld.log
SlurmdLogFile=$dir/slurm/slurmd-%n.log
SlurmdSpoolDir=$dir/slurm/spool-%n
StateSaveLocation=$dir/slurm/state
NodeName=DEFAULT CPUs=2 Boards=1 SocketsPerBoard=1 CoresPerSocket=2 ThreadsPerCore=1 RealMemory=1000 State=UNKNOWN
NodeName=n1 NodeHostname=$node NodeAddr=127.0.0.1 Port=$((port + 1))
NodeName=n2 NodeHostname=$node NodeAddr=127.0.0.1 Port=$((port + 2))
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP OverSubscribe=FORCE:4
END
case $(slurmctld -V) in *' 22.'*) ;; *) echo CgroupPlugin=disabled >"$dir/slurm/cgroup.conf" ;; esac
munged --force --foreground --socket="$dir/slurm/munge" --key-file="$dir/slurm/key" --num-threads=2 \
    --pid-file="$dir/slurm/munge.pid" --seed-file="$dir/slurm/seed" --log-file="$dir/slurm/munge.log" 2>"$dir/slurm/munged" &
disown # whose end is not news
wait_for 15 test -S "$dir/slurm/munge" || skip "munged does not start: $(tail -n 1 "$dir/slurm/munged")"

start_slurmctld() { # [FLAG]
    slurmctld -D "$@" >/dev/null 2>&1 &
    slurmctld=$!
    disown
}
idle() { [ "$(sinfo -h -t idle -o %D)" = 2 ]; }
start_slurmctld -c
for slurmd in n1 n2; do
    slurmd -D -N $slurmd >/dev/null 2>&1 &
    disown
done
wait_for 30 idle || skip "Slurm does not start here: $(tail -qn 1 "$dir"/slurm/slurm*.log)"

flags=(--slurm-slots 4 --slurm-options "--time 30 --nodes 2" --adopt-timeout 120)
start_daemon "${flags[@]}"

says() { [[ $(field "$id" reason) == *"$1"* ]]; }
slurm_state() { squeue -h -t all -n "akssl-$1" -o %T; }
run_id() { basename "$job"/run/*.secret .secret; }
no_slurm_job() { [ -z "$(squeue -h -t PENDING,RUNNING,COMPLETING)" ]; }
is_paused() { [ "$(field "$id" state)" = PAUSED ]; }
runs_on() { [ "$(field "$id" state)" = RUNNING ]; }
unrestarted() { [ -z "$(field "$1" restarts)" ] || [ "$(field "$1" restarts)" = 0 ]; }

spec=("${small[@]}" --method moco_v2 --option K=96 --ranks 2 --epochs 4 --commit-every 2
    --limit-images 128 --batch 32 --shards 4)
submit "${spec[@]}" --launcher local
finish "$id"
twin=$job
refused 2 'no such name: give one of local, slurm' "$bin/akssl-client" submit "${spec[@]}" --launcher pbs
refused 2 'was started without' "$bin/akssl-client" submit "${spec[@]}" --launcher hosts

# follower: the processes of this host that stand for the run.
follower() { # COMMAND-LINE-WORD
    local pid
    for pid in $(processes akssld); do
        tr '\0' ' ' <"/proc/$pid/cmdline" | has -- "^[^ ]* $1 " && echo "$pid"
    done
}

kill_follower() {
    guard=$(follower --guard)
    kill -STOP "$guard" # so that it does not see what comes
    kill -KILL "$(follower --follow)"
    kill -KILL "$guard"
}
stop_slurmctld() {
    kill -TERM "$slurmctld" # killed, it would not know that its job runs
    wait_for 20 gone "$slurmctld" || fail "slurmctld does not stop"
}

submit "${spec[@]}"
wait_for 60 committed "$id" 2 || fail "job $id does not run under Slurm: $(field "$id" reason)"
run=$(run_id)
[ "$(slurm_state "$run")" = RUNNING ] || fail "Slurm says '$(slurm_state "$run")' of run $run"
kill_daemon
kill_follower
stop_slurmctld
start_daemon "${flags[@]}"
grep -q 'its slurm is followed again' "$dir/daemon.log" || fail "akssld does not follow the run again"
start_slurmctld
finish "$id"
unrestarted "$id" || fail "job $id was restarted: $(field "$id" reason)"
same_run "$twin" "$job"
[ "$(squeue -h -t all -n "akssl-$run" -o %i | wc -l)" = 1 ] || fail "run $run was submitted more than once"
wait_for 30 no_slurm_job || fail "Slurm still has $(squeue)"
say "job $id ran under Slurm, through the ends of akssld, its follower and slurmctld, to the local run's bytes"

# One that Slurm does not let run.
scontrol update PartitionName=main State=DOWN
submit "${small[@]}" --method simclr --ranks 2
wait_for 30 says "is PENDING: PartitionDown" || fail "job $id does not say why it waits: $(field "$id" reason)"
say "a job that waits in Slurm: $(field "$id" reason)"
leave_daemon
start_daemon "${flags[@]}"
client pause "$id" >/dev/null
wait_for 30 is_paused || fail "job $id, which waits in Slurm, is not paused: $(field "$id" reason)"
wait_for 30 no_slurm_job || fail "Slurm keeps a paused run: $(squeue)"
client resume "$id" >/dev/null
wait_for 30 says "is PENDING: PartitionDown" || fail "job $id does not wait again: $(field "$id" reason)"
run=$(run_id)
client cancel "$id" >/dev/null
finish "$id" CANCELLED
[ "$(slurm_state "$run")" = CANCELLED ] || fail "Slurm says '$(slurm_state "$run")' of a cancelled run"
scontrol update PartitionName=main State=DRAIN
submit "${small[@]}" --method simclr --ranks 2 --max-restarts 0
wait_for 30 says "Slurm takes no job now" || fail "job $id does not say that Slurm takes none: $(field "$id" reason)"
scontrol update PartitionName=main State=UP
finish "$id"
say "a job that Slurm took no job for, for a while, has ended"

# One that sbatch refuses.
leave_daemon
start_daemon "${flags[@]}" --slurm-options "--partition nonesuch"
submit "${small[@]}" --method simclr --ranks 2 --max-restarts 0
wait_for 30 is_paused || fail "a job that sbatch refuses is $(field "$id" state): $(field "$id" reason)"
says "nvalid partition" || fail "job $id does not say that it was refused: $(field "$id" reason)"
leave_daemon
start_daemon "${flags[@]}" --slurm-options "--mincpus 1000"
client resume "$id" >/dev/null
wait_for 30 is_paused || fail "a job that no node can take is $(field "$id" state): $(field "$id" reason)"
says "configuration is not available" || says "BadConstraints" || fail "job $id does not say that no node takes it: $(field "$id" reason)"
leave_daemon
start_daemon "${flags[@]}"
client resume "$id" >/dev/null
finish "$id"
unrestarted "$id" || fail "job $id was restarted after sbatch refused it"
say "a job that sbatch refused goes on when it is resumed"

# What is ended in Slurm by others is ended, and no crash.
submit "${spec[@]}" --epochs 1000 --commit-every 2
wait_for 60 committed "$id" 2 || fail "job $id does not run under Slurm: $(field "$id" reason)"
scancel --name "akssl-$(run_id)"
finish "$id" CANCELLED
says "has ended: CANCELLED" || says "ON n1 CANCELLED AT" || fail "job $id does not say who has ended it: $(field "$id" reason)"
unrestarted "$id" || fail "job $id was restarted after scancel"
submit "${spec[@]}" --epochs 1000 --commit-every 2
wait_for 60 committed "$id" 2 || fail "job $id does not run under Slurm: $(field "$id" reason)"
scontrol update JobId="$(squeue -h -n "akssl-$(run_id)" -o %i)" EndTime=now
finish "$id" TIMEOUT
says "TimeLimit: Slurm's job" || says "DUE TO TIME LIMIT" || fail "job $id does not say what has ended it: $(field "$id" reason)"
unrestarted "$id" || fail "job $id was restarted after Slurm's time limit"
client resume "$id" >/dev/null || fail "job $id cannot be resumed"
wait_for 60 runs_on || fail "job $id does not go on after Slurm's time limit: $(field "$id" reason)"
client cancel "$id" >/dev/null
finish "$id" CANCELLED
say "scancel and Slurm's time limit end a job as ours do: $(field "$id" reason)"

# A cancel that nobody could tell Slurm outlives akssld and its follower.
submit "${spec[@]}" --epochs 1000 --commit-every 2
wait_for 60 committed "$id" 2 || fail "job $id does not run under Slurm: $(field "$id" reason)"
stop_slurmctld
client cancel "$id" >/dev/null
kill_daemon
kill_follower
start_daemon "${flags[@]}"
sleep 5 # in which rank 0 joins
start_slurmctld
finish "$id" CANCELLED
wait_for 30 no_slurm_job || fail "Slurm keeps a cancelled run: $(squeue)"
say "job $id was cancelled though Slurm and akssld went away"
stop_daemon

# akssld inside an allocation.
cat >"$dir/inside" <<END
#!/bin/sh
exec "$bin/akssld" --state-dir "$state" --socket "$dir/s" --listen 127.0.0.1:$((port + 3)) \
    --uplink 127.0.0.1:$((port + 3)) >>"$dir/daemon.log" 2>&1
END
"$bin/akssld" --state-dir "$state" --init-tls --host 127.0.0.1 >/dev/null || fail "no certificates"
inside=$(sbatch --parsable -N 2 -n 2 -o /dev/null "$dir/inside")
wait_for 30 client list || fail "akssld does not start inside an allocation: $(squeue)"
client --json catalogue | jq -e '.launchers[] | select(.name == "hosts") | .slots == 2' >/dev/null ||
    fail "akssld does not know its allocation: $(client catalogue launchers)"
submit "${small[@]}" --method moco_v2 --option K=96 --ranks 2 --epochs 4 --commit-every 2 \
    --limit-images 128 --batch 32 --shards 4
wait_for 60 committed "$id" 2 || fail "job $id does not run inside the allocation"
[ "$(cat "$job"/run/*.hosts)" = n1:1,n2:1 ] || fail "its ranks are on '$(cat "$job"/run/*.hosts)'"
finish "$id"
same_run "$twin" "$job"
scancel "$inside"
wait_for 30 no_slurm_job || fail "Slurm still has $(squeue)"
say "job $id ran inside an allocation of Slurm, to the same bytes"
stop_slurm
pass
