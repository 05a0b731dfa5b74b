#!/bin/bash
# tests/system/json.sh BIN_DIR -- what every command prints with --json is what client/output.schema.json says.
# Needs Debian's python3-jsonschema.

# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

schema=$(cd "$(dirname "$0")/../.." && pwd)/client/output.schema.json
python=${AKSSL_PYTHON:-/usr/bin/python3}
"$python" -c 'import jsonschema' 2>/dev/null || skip "$python has no jsonschema (Debian's package python3-jsonschema)"

# The lines "DEFINITION JSON" of $dir/printed, each against its definition; and that each was met.
check() {
    "$python" - "$schema" "$dir/printed" <<'PY'
import json, sys
import jsonschema
with open(sys.argv[1]) as f:
    schema = json.load(f)
validator = jsonschema.Draft7Validator
validator.check_schema(schema)
met = set()
with open(sys.argv[2]) as f:
    for line in f:
        name, text = line.split(" ", 1)
        met.add(name)
        errors = list(validator({**schema, "$ref": f"#/definitions/{name}"}).iter_errors(json.loads(text)))
        if errors:
            sys.exit(f"{name}: {errors[0].message} at {list(errors[0].absolute_path)}: {text[:300]}")
        broken = json.loads(text)
        broken["unheard_of"] = 1
        if name not in ("catalogue",) and not list(validator({**schema, "$ref": f"#/definitions/{name}"}).iter_errors(broken)):
            sys.exit(f"{name}: another key would go unseen")
parts = {"values", "spec", "progress", "prediction", "tensor", "curve", "commit", "token", "option"}
left = set(schema["definitions"]) - met - parts
if left:
    sys.exit(f"nothing was printed of {sorted(left)}")
PY
}

# json DEFINITION COMMAND...: notes each line that it prints.
json() {
    client --json "${@:2}" >"$dir/lines" || fail "${*:2} ended with $?"
    [ -s "$dir/lines" ] || fail "${*:2} --json prints nothing"
    jq -c . "$dir/lines" | sed "s/^/$1 /" >>"$dir/printed"
}
at_step() { [ "$(field "$1" progress.step)" -ge "$2" ]; }
is() { [ "$(field "$1" state)" = "$2" ]; }

start_daemon
run=("${small[@]}" --method moco_v2 --option K=96 -n 1)
json dry_run submit "${run[@]}" --dry-run
jq -es '.[0].prediction | .steps == 4 and .memory_gib > 0 and .start_in_s == 0 and (has("images_per_s") | not)' \
    "$dir/lines" >/dev/null || fail "without a recorded run the prediction is $(cat "$dir/lines")"
json waited submit "${run[@]}" --eval knn --wait
json dry_run submit "${run[@]}" --test-only
jq -es '.[0] | .prediction.by_job == 1 and .prediction.images_per_s > 0 and .prediction.training_s > 0 and
    .prediction.parameters > 1e6 and (.estimate | contains("images/s"))' "$dir/lines" >/dev/null ||
    fail "the prediction is $(cat "$dir/lines")"
json event submit "${run[@]}" --watch
json submitted submit "${run[@]}" -H -J held
json jobs hold 3
json jobs release 3
json jobs wait 1 3
submit "${run[@]}" --epochs 100000
wait_for 60 at_step "$id" 1 || fail "job $id does not train"
refused 1 "pause $id.*stops one that runs" "$bin/akssl-client" hold "$id"
json job show "$id"
json curves plot 1 "$id"
json drawn views 1 --out "$dir/views.png"
json map map 1
json state state "$id"
json saved state "$id" --save "$dir/state.safetensors"
json saved export 1 --format npy --out "$dir/weights.npz"
json packed pack fashion-mnist "$dir/set.akpacked" --limit-images 20
json converted convert "$state/jobs/1/export/backbone.safetensors" "$dir/converted.safetensors"
json jobs top
json jobs pause "$id"
wait_for 90 is "$id" PAUSED || fail "job $id does not pause"
json jobs hold "$id" # one that is paused waits once it is resumed
json jobs resume "$id"
[[ "$(field "$id" state) $(field "$id" reason)" == "QUEUED Held: "* ]] || fail "job $id is $(field "$id" state): $(field "$id" reason)"
json job edit "$id" --priority 2
json jobs resize "$id" --ranks 2
json jobs release "$id"
json verified verify "$id"
wait_for 60 at_step "$id" 2
json jobs requeue "$id"
json jobs cancel "$id"
printf "a line\nanother \xff\n" >>"$state/jobs/1/log"
json line logs 1
json jobs list
json jobs list --state CD
client --json diff 1 "$id" >"$dir/lines"
jq -c . "$dir/lines" | sed "s/^/differences /" >>"$dir/printed"
json catalogue catalogue
json new_token token create alice
json tokens token list
json revoked token revoke 1
json backup admin backup "$dir/backup"
printf '%s\n' 'event {"event": "lost", "reason": "gone"}' 'event {"event": "back"}' >>"$dir/printed"
check || fail "the schema does not hold"
say "$(wc -l <"$dir/printed") lines are as client/output.schema.json says"
pass
