#!/bin/bash
# tests/system/bad_data.sh -- missing, truncated and corrupt data sets fail the job in a sentence.

# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

start_daemon --log-level info

# bad NAME PATTERN: the job on the data set in $dir/NAME is refused, or fails, with a sentence.
bad() {
    local status=0 reason
    client submit --parsable "${small[@]}" --ranks 2 --max-restarts 0 --dataset "idx:$dir/$1" \
        >"$dir/out" 2>"$dir/err" || status=$?
    if [ $status -eq 0 ]; then
        id=$(cat "$dir/out")
        finish "$id" FAILED
        reason=$(field "$id" reason)
    else
        [ $status -eq 2 ] || fail "submit on $1 ended with $status: $(cat "$dir/err")"
        reason=$(cat "$dir/err")
    fi
    [ "$(wc -l <<<"$reason")" -eq 1 ] || fail "on $1 not one sentence: $reason"
    grep -qiE -- "$2" <<<"$reason" || fail "on $1 it said '$reason', which lacks '$2'"
    say "$reason"
}

# copy NAME: a small whole data set: 300 images and labels of the real one, not compressed.
copy() {
    mkdir "$dir/$1"
    for part in train t10k; do
        {
            printf '\0\0\10\3\0\0\1\54\0\0\0\34\0\0\0\34'
            zcat "$fashion/$part-images-idx3-ubyte.gz" | tail -c +17 | head -c $((300 * 784))
        } >"$dir/$1/$part-images-idx3-ubyte"
        {
            printf '\0\0\10\1\0\0\1\54'
            zcat "$fashion/$part-labels-idx1-ubyte.gz" | tail -c +9 | head -c 300
        } >"$dir/$1/$part-labels-idx1-ubyte"
    done
}

copy good
submit "${small[@]}" --ranks 2 --dataset "idx:$dir/good"
finish "$id"

bad missing "$dir/missing"

copy truncated
truncate -s -1000 "$dir/truncated/train-images-idx3-ubyte"
bad truncated 'train-images'

copy magic
printf '\1' | dd of="$dir/magic/train-images-idx3-ubyte" bs=1 seek=2 conv=notrunc status=none
bad magic 'train-images'

copy huge # dimensions whose product overflows
printf '\177\377\377\377\177\377\377\377\177\377\377\377' |
    dd of="$dir/huge/train-images-idx3-ubyte" bs=1 seek=4 conv=notrunc status=none
bad huge 'train-images'

copy mismatch
printf '\0\0\1\53' | dd of="$dir/mismatch/train-labels-idx1-ubyte" bs=1 seek=4 conv=notrunc status=none
truncate -s -1 "$dir/mismatch/train-labels-idx1-ubyte"
bad mismatch 'labels|299'

mkdir "$dir/gz"
cp "$fashion"/*.gz "$dir/gz/"
truncate -s -5000 "$dir/gz/train-images-idx3-ubyte.gz"
bad gz 'train-images'

mkdir "$dir/rot" # a flipped bit in the middle: gzip's own check must be heeded
cp "$fashion"/*.gz "$dir/rot/"
file=$dir/rot/train-images-idx3-ubyte.gz
byte=$(od -An -tu1 -j 9000000 -N 1 "$file")
# shellcheck disable=SC2059
printf "\\x$(printf %x $((byte ^ 16)))" | dd of="$file" bs=1 seek=9000000 conv=notrunc status=none
bad rot 'train-images'

mkdir "$dir/empty"
bad empty 'idx3|images'

daemon_lives "bad data"
find "$state" -name '*.tmp' | grep . && fail "half-made files are left"

pass
