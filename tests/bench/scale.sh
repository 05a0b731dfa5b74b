#!/bin/bash
# tests/bench/scale.sh BIN_DIR [QUEUED] [FINISHED] -- how long people wait for a daemon with many jobs.
#
# Fills a database with copies of one job (10000 that wait, 100000 that are over), starts akssld on
# it and times what people ask.  Each time is the median of nine, with the start of akssl-client;
# "no daemon" is what of it is that alone.  A hold and a release are a scheduler's pass each, and a
# flush of the disk.  Needs python3 for its SQLite.

# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/../system/lib.sh"

# shellcheck disable=SC2034 # of lib.sh
slots=2
queued=${1:-10000} finished=${2:-100000}

start_daemon
submit "${small[@]}" -H -J many
stop_daemon
python3 - "$state/akssld.db" "$queued" "$finished" <<'PY' || fail "the database cannot be filled"
import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
queued, finished = int(sys.argv[2]), int(sys.argv[3])
columns = [row[1] for row in db.execute("PRAGMA table_info(jobs)") if row[1] != "id"]
def copy(count, changed):
    chosen = ", ".join(changed.get(name, name) for name in columns)
    db.execute(f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count}) "
               f"INSERT INTO jobs ({', '.join(columns)}) SELECT {chosen} FROM n, jobs WHERE jobs.id = 1")
copy(finished, {"state": "5 + i % 3", "ended_ms": "submitted_ms + i", "owner": "'u' || (i % 40)"})
# Too big for the cores that a running job leaves, so that none of them starts.
copy(queued, {"held": "0", "owner": "'u' || (i % 40)", "priority": "i % 5 - 6"})
db.commit()
PY

# ms NAME COMMAND...: the median of nine, in milliseconds.
ms() {
    local what=$1 from times=()
    shift
    for _ in 1 2 3 4 5 6 7 8 9; do
        from=$(date +%s%N)
        "$@" >"$dir/out" 2>&1
        times+=($((($(date +%s%N) - from) / 1000)))
    done
    printf '%-34s %8.1f ms\n' "$what" "$(printf '%s\n' "${times[@]}" | sort -n | sed -n 5p |
        awk '{ print $1 / 1000 }')"
}

pass_of() { client hold 1 && client release 1; }

began=$(date +%s%N)
start_daemon --log-level warn
printf '%-34s %8.1f ms\n' "start, until it answers" "$((($(date +%s%N) - began) / 1000000))"
submit "${small[@]}" --method moco_v2 --option K=96 --epochs 4000 -n 2 --priority 9 # has all cores
ms "no daemon" "$bin/akssl-client" --server "unix:$dir/none" list
ms "list" client list
ms "list --limit 1000" client list --limit 1000
ms "list --state PENDING" client list --state PENDING
ms "list --state FAILED --user u7" client list --state FAILED --user u7
ms "list --name (none has it)" client list --name nobody
ms "list --before 50000" client list --before 50000
ms "top" client top
ms "show" client show 500
ms "hold and release" pass_of
client cancel "$id" >/dev/null
kill_daemon
daemon=
