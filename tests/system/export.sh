#!/bin/bash
# tests/system/export.sh -- a finished job and a running one, in every format, through the daemon.

# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

start_daemon
submit "${small[@]}" --epochs 2 --ranks 2
finish "$id"
bin=$(cd "$bin" && pwd) && cd "$dir" || fail "no folder"
client export "$id" >said || fail "export failed"
grep -q "^backbone of step 8 exported to job-$id.safetensors ([0-9]* bytes, XXH3-128 [0-9a-f]*)$" said ||
    fail "it said '$(cat said)'"
# What the job left, again: names, values and metadata.
cmp "job-$id.safetensors" "$job/export/backbone.safetensors" || fail "not the bytes of export/"
head -c 40000 "job-$id.safetensors" >start
for key in backbone method dataset data_fingerprint step seed image_size normalize normalize_mean normalize_std \
    interpolation crop_pct zero_init_residual; do
    grep -aqF "\"$key\":" start || fail "the metadata have no $key"
done

client --json export "$id" --format npy --zero-head 10 >said || fail "npy failed"
jq -e '.file | test("^job-[0-9]*.npz$")' said >/dev/null || fail "it said '$(cat said)'"
/usr/bin/python3 - "job-$id.npz" <<'PYTHON' || fail "the archive is not as it should be"
import json, sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as archive:
    assert archive.testzip() is None
    assert json.loads(archive.read("metadata.json"))["method"] == "simclr"
    head = archive.read("fc.weight.npy")
    assert head[:8] == b"\x93NUMPY\x01\x00" and b"(10, " in head[:128] and not any(head[128:]), head[:128]
    assert b"'shape': (), }" in archive.read("bn1.num_batches_tracked.npy")[:128]
PYTHON
client export "$id" --format onnx -o model.onnx >/dev/null || fail "onnx failed"
grep -aq conv1.weight model.onnx || fail "no weights in the model"
if /usr/bin/python3 -c 'import onnx' 2>/dev/null; then
    /usr/bin/python3 -c 'import onnx; onnx.checker.check_model("model.onnx")' || fail "onnx's checker refuses it"
fi
refused 2 "is for vision transformers" "$bin/akssl-client" export "$id" --format torchvision-vit -o x
refused 2 "no such format; there are safetensors" "$bin/akssl-client" export "$id" --format pickle -o x
refused 2 "leave the zero head away" "$bin/akssl-client" export "$id" --format onnx --zero-head 3 -o x
refused 2 "there is none" "$bin/akssl-client" export 999
refused 2 "has no commit of step 3" "$bin/akssl-client" export "$id" --step 3
[ ! -e x ] && [ ! -e x.part ] || fail "a refused export left a file"
[ -z "$(ls "$state/tmp")" ] || fail "left in tmp: $(ls "$state/tmp")"

# A vision transformer that runs: its newest commit, whose file does not say what it is of.
submit "${small[@]}" --backbone vit_tiny:patch_size=7,depth=2 --image-size 28 --epochs 200 --ranks 2 --commit-every 2
wait_for 60 committed "$id" 2 || fail "no commit at step 2"
client export "$id" --format torchvision-vit --zero-head 10 -o vit >/dev/null || fail "torchvision-vit failed"
head -c 20000 vit >start
for part in encoder.layers.encoder_layer_1.self_attention.in_proj_weight encoder.pos_embedding heads.head.bias \
    '"heads":"3"' '"depth":"2"' '"normalize":"'; do
    grep -aqF "$part" start || fail "no $part"
done
client export "$id" -o start >/dev/null || fail "no export of the run"
client cancel "$id" >/dev/null || fail "cancel failed"

# A run that starts from the export, and learns at a rate of 0, has its bytes.
submit "${small[@]}" --backbone vit_tiny:patch_size=7,depth=2 --image-size 28 --init-backbone "$dir/start" --lr 0 \
    --weight-decay 0 --epochs 1 --ranks 2
finish "$id"
client export "$id" -o end >/dev/null || fail "no export of the run that started from it"
/usr/bin/python3 - start end <<'PYTHON' || fail "the weights are not those that it started from"
import sys
one, two = (open(path, "rb").read() for path in sys.argv[1:])
one, two = (data[8 + int.from_bytes(data[:8], "little"):] for data in (one, two))
sys.exit(one != two or len(one) < 3000000)
PYTHON

pass
