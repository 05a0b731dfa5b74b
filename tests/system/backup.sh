#!/bin/bash
# tests/system/backup.sh -- a backup made while a job runs, and restored in another folder: the job goes on there, from
# its commit, to the bytes of its undisturbed twin; the original is not touched; what is cut off, damaged or in use is
# refused.

# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

long=("${small[@]}" --method moco_v2 --backbone resnet20 --option K=96 --epochs 12 --ranks 2 --commit-every 4 --keep 1)
copy=$dir/backup
akssld() { timeout 60 "$bin/akssld" "$@"; }

start_daemon
submit "${long[@]}"
finish "$id"
twin=$job

submit "${long[@]}"
running=$id
submit --kind knn --dataset fashion-mnist --limit-images 256 --from-job 1 --hold
wait_for 60 committed "$running" 4 || fail "job $running makes no commit"
# Commits are pruned all the while, since one is kept.
[ "$(client --json admin backup "$copy" | jq -r .warnings)" = "" ] || fail "no backup, or one with warnings"
[ "$(field "$running" state)" = RUNNING ] || fail "the job that was copied is $(field "$running" state)"
[ "$(stat -c %a "$copy")" = 700 ] || fail "others may read the backup"
[ -z "$(find "$copy" -name '*.secret')" ] || fail "a run's secret is in the backup"
[ ! -e "$state/tmp/backup" ] || fail "the daemon keeps what it held for the backup"
refused 1 'is there already' "$bin/akssl-client" admin backup "$copy"
refused 2 'no command' "$bin/akssl-client" admin restore "$copy"
client cancel "$running" >/dev/null

# Beside the daemon that it was made by, whose runs are not its own.
other=$dir/other
bad=$dir/bad
cp -rl "$copy" "$bad"
{ cat "$copy/jobs/1/result.json" && echo; } >"$dir/longer"
mv -f "$dir/longer" "$bad/jobs/1/result.json"
refused 1 'but the manifest says' "$bin/akssld" --state-dir "$other" --restore "$bad"
refused 1 'did not end' "$bin/akssld" --state-dir "$other"
head -n -1 "$copy/manifest" >"$dir/shorter"
mv -f "$dir/shorter" "$bad/manifest"
refused 1 'cut off' "$bin/akssld" --state-dir "$dir/cut" --restore "$bad"
rm "$bad/manifest"
refused 1 'no backup' "$bin/akssld" --state-dir "$dir/cut" --restore "$bad"
akssld --state-dir "$other" --restore "$copy" || fail "a restore cannot be repeated"
refused 1 'has jobs of its own' "$bin/akssld" --state-dir "$other" --restore "$copy"
refused 1 'is held by another' "$bin/akssld" --state-dir "$state" --restore "$copy"
stop_daemon

state=$other
start_daemon
finish "$running"
[ "$(field "$running" restarts)" = 0 ] || fail "a restore counts as a crash"
[ "$(field 3 held)" = true ] || fail "what was held is not"
job=$state/jobs/$running
grep -q "from step [1-9]" "$dir/daemon.log" || fail "the job did not go on from a commit"
same_run "$twin" "$job"
case $(field 1 weights) in
"$other"/*) ;;
*) fail "weights of job 1 are in $(field 1 weights)" ;;
esac
client verify 1 >/dev/null || fail "a restored commit is damaged"
client release 3 >/dev/null || fail "release failed"
finish 3
pass
