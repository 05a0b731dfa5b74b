#!/bin/bash
# tests/system/bad_input.sh -- what a person gets wrong ends in one sentence; nothing is half-made.

# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

start_daemon

# bad PATTERN FLAG...: submitting is refused with status 2.
bad() {
    local pattern=$1
    shift
    refused 2 "$pattern" "$bin/akssl-client" submit "${small[@]}" "$@"
}

bad simclrr --method simclrr
bad resnet19 --backbone resnet19
bad adamm --optimizer adamm
bad cosinus --schedule cosinus
bad cifar1 --dataset cifar1
bad fp8 --precision fp8
bad 'batch[-_]norm|group' --batch-norm group
bad temprature --option temprature=0.5
bad temperature --option temperature=-1
bad temperature --option temperature=nan
bad 'key=value|option' --option temperature
bad min_scal --augment min_scal=0.2
bad min_scale --augment min_scale=7
bad 'eval|kmeans' --eval kmeans
bad bacth --bacth 64
bad batch --batch 0
bad batch --batch 1e3
bad batch --batch
bad epochs --epochs -1
bad 'image[-_]size' --image-size 4
bad 'lr' --lr inf
bad seed --seed 99999999999999999999
bad shards --batch 60
bad shards --shards 6
bad ranks --ranks 3
bad 'limit|batch' --limit-images 32
bad kind --kind train
bad 'weights|no such' --kind knn --weights "$dir/none.safetensors"
bad job --kind knn --from-job 99
bad 'stray|argument|unexpected|no such|none' stray "$dir/none.yaml"

# Commands and numbers.
refused 2 frobnicate "$bin/akssl-client" frobnicate
refused 2 '99' "$bin/akssl-client" show 99
refused 2 '99' "$bin/akssl-client" cancel 99
refused 2 '99' "$bin/akssl-client" watch 99
refused 2 'seven' "$bin/akssl-client" show seven
refused 2 'verbos' "$bin/akssld" --verbos
refused 2 'log.level' "$bin/akssld" --state-dir "$dir/other" --log-level loud

# YAML.
yaml() {
    printf "$1" >"$dir/spec.yaml"
    refused 2 "$2" "$bin/akssl-client" submit "$dir/spec.yaml"
}
yaml 'method: [unclosed\n' 'line'
yaml 'method: simclr\nmethod: simclr\n' 'twice'
yaml 'bacth: 64\n' 'bacth'
yaml 'batch: {a: 1}\n' 'line'
yaml '' 'empty'
yaml '\xff\xfe\x00\x01' 'YAML|UTF'
yaml 'option: &a [*a]\n' 'alias'
head -c 100000 /dev/zero | tr '\0' '#' >"$dir/spec.yaml"
refused 2 'bytes|long' "$bin/akssl-client" submit "$dir/spec.yaml"
refused 2 'none.yaml' "$bin/akssl-client" submit "$dir/none.yaml"
refused 2 "$dir" "$bin/akssl-client" submit "$dir"

# The job list is as empty as it was, and so is the folder.
daemon_lives "bad input"
[ "$(client --json list | jq '.jobs | length')" = 0 ] || fail "a refused job is listed: $(client list)"
[ -z "$(ls "$state/jobs" 2>/dev/null)" ] || fail "a refused job has a folder: $(ls "$state/jobs")"

# A folder that another daemon holds; a daemon that is not there; a socket path that is too long.
refused 1 "$state" "$bin/akssld" --state-dir "$state" --socket "$dir/s2"
daemon_lives "a second daemon on its folder"
refused 3 "$dir/nobody" "$bin/akssl-client" --server "unix:$dir/nobody" list
refused 1 '107|long' "$bin/akssld" --state-dir "$dir/other" \
    --socket "$dir/$(printf 'x%.0s' {1..120})"
touch "$dir/file"
refused 1 "$dir/file" "$bin/akssld" --state-dir "$dir/file/state" --socket "$dir/s3"

pass
