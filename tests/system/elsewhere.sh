#!/bin/bash
# tests/system/elsewhere.sh -- a commit that one rank's host does not have, and images that go away before an
# evaluation, pause a job with the reason; once they are back it ends as if nothing had been.

# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

[ "$(id -u)" -eq 0 ] && unshare -m true 2>/dev/null || skip "it hides a folder from one rank, which takes root"
[ -r "$fashion/train-images-idx3-ubyte.gz" ] || skip "dataset-fashion-mnist is not installed"

# Rank 1 finds the folder that $dir/away names empty: its host has not mounted it.
cat >"$dir/worker" <<SH
#!/bin/sh
if [ "\$1" = run ] && [ "\${OMPI_COMM_WORLD_RANK:-0}" = 1 ] && [ -e "$dir/away" ]; then
    exec unshare -m sh -c 'mount -t tmpfs none "\$0" && exec "\$@"' "\$(cat "$dir/away")" "$bin/akssl-worker" "\$@"
fi
exec "$bin/akssl-worker" "\$@"
SH
chmod 755 "$dir/worker"
part train 256
part t10k 100
long=("${small[@]}" --dataset "idx:$dir/set" --method moco_v2 --option K=96 --epochs 6 --commit-every 4 --ranks 2 --eval knn)
is() { [ "$(field "$id" state)" = "$1" ]; }

start_daemon --worker "$dir/worker"
submit "${long[@]}"
finish "$id"
reference=$job

submit "${long[@]}"
wait_for 100 committed "$id" 4 || fail "job $id has no commit at step 4"
client pause "$id" >/dev/null
wait_for 60 is PAUSED || fail "job $id does not pause: $(field "$id" reason)"
echo "$job/commits" >"$dir/away"
client resume "$id" >/dev/null || fail "resume"
wait_for 100 is PAUSED || fail "without its commit on one host the job is $(field "$id" state): $(field "$id" reason)"
field "$id" reason | has "rank 1: .*$job/commits/step-" || fail "the reason is $(field "$id" reason)"
say "$(field "$id" reason)"
rm "$dir/away"
client resume "$id" >/dev/null || fail "resume"
finish "$id"
same_run "$reference" "$job"

submit "${long[@]}"
wait_for 100 test -s "$job/metrics.jsonl" || fail "job $id takes no step"
mv "$dir/set/t10k-images-idx3-ubyte" "$dir/images"
wait_for 100 is PAUSED || fail "without the held-out images the job is $(field "$id" state): $(field "$id" reason)"
field "$id" reason | has "t10k" || fail "the reason is $(field "$id" reason)"
say "$(field "$id" reason)"
mv "$dir/images" "$dir/set/t10k-images-idx3-ubyte"
client resume "$id" >/dev/null || fail "resume"
finish "$id"
same_run "$reference" "$job"
diff <(jq -S .results "$reference/result.json") <(jq -S .results "$job/result.json") || fail "the results differ"

# An evaluation whose step a pause has met is made when the job goes on.
submit "${small[@]}" --dataset "idx:$dir/set" --limit-images 64 --epochs 80 --probe 1
wait_for 100 test -s "$job/evaluations.jsonl" || fail "job $id evaluates nothing"
client pause "$id" >/dev/null
wait_for 60 is PAUSED || fail "job $id does not pause: $(field "$id" reason)"
at=$(field "$id" committed_step)
[ "$at" -lt 80 ] || fail "job $id was over"
client resume "$id" >/dev/null || fail "resume"
finish "$id"
diff <(jq .step "$job/evaluations.jsonl") <(seq 1 79) || fail "an evaluation is missing; the pause was at step $at"

# Evaluations alone: the same.
for kind in "knn" "embed" "linear --augment recipe=none --epochs 2"; do
    # shellcheck disable=SC2086 # a list
    submit --dataset "idx:$dir/set" --from-job 1 --batch 64 --shards 8 --kind $kind -H
    mv "$dir/set/t10k-images-idx3-ubyte" "$dir/images"
    client release "$id" >/dev/null || fail "release"
    wait_for 100 is PAUSED || fail "$kind without the held-out images is $(field "$id" state): $(field "$id" reason)"
    mv "$dir/images" "$dir/set/t10k-images-idx3-ubyte"
    client resume "$id" >/dev/null || fail "resume"
    finish "$id"
    say "$kind: paused, and done once the images were back"
done

pass
