#!/bin/sh
# tests/interop/run.sh -- what others make, beside us: the official safetensors reader, TensorBoard and gRPC's
# own clients of health and reflection read what we write; scikit-learn makes the same maps; our losses agree with lightly's; a table says where ak-ssl
# departs from the papers; `akssl-client convert` reads checkpoints of their real classes; torchvision's and timm's networks go through `akssl-worker export` and back, ONNX Runtime
# runs them.  All from PyPI, in a virtual environment of their own (PyTorch: Debian's).
#
#     tests/interop/run.sh [BIN_DIR]      default build/bin
#
# It says what it skips, and why.

set -eu

cd "$(dirname "$0")/../.."
bin=$(cd "${1:-build/bin}" && pwd)
python=${AKSSL_INTEROP_PYTHON:-/usr/bin/python3}
dir=$(mktemp -d "${TMPDIR:-/tmp}/akssl.XXXXXX")
daemon=
cleanup() {
    [ -z "$daemon" ] || kill "$daemon" 2>/dev/null || true
    [ -z "$daemon" ] || wait "$daemon" 2>/dev/null || true
    rm -rf "$dir"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

skip() {
    echo "interop: skipped: $*"
    exit 0
}

"$python" -m venv "$dir/venv" >"$dir/log" 2>&1 ||
    skip "$python makes no virtual environment here (Debian's package python3-venv)"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check \
    numpy safetensors tensorboard grpcio grpcio-health-checking grpcio-reflection >"$dir/log" 2>&1 ||
    skip "PyPI's packages cannot be installed: $(tail -n 1 "$dir/log")"

export AKSSL_SERVER="unix:$dir/s"
"$bin/akssld" --state-dir "$dir/state" --socket "$dir/s" --log-level warn &
daemon=$!
tries=0
until "$bin/akssl-client" list >/dev/null 2>&1; do
    tries=$((tries + 1))
    [ "$tries" -lt 50 ] || { echo "interop: the daemon does not answer" >&2; exit 1; }
    sleep 0.2
done
job=$("$bin/akssl-client" submit --method moco_v2 --dataset fashion-mnist --limit-images 256 \
    --batch 64 --epochs 1 --shards 4 --ranks 1 --option K=128 --parsable)
"$bin/akssl-client" wait "$job"

"$dir/venv/bin/python" - "$dir/s" "$dir/state/jobs/$job" <<'PYTHON'
import glob, sys
import grpc, numpy
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from grpc_health.v1 import health_pb2, health_pb2_grpc
from safetensors import safe_open
from safetensors.numpy import load_file

socket, folder = sys.argv[1:]
step = glob.glob(folder + "/commits/step-*")[0]
model, optimizer, state = (load_file(f"{step}/{n}.safetensors") for n in ("model", "optimizer", "state"))
export = load_file(folder + "/export/backbone.safetensors")
assert export and all(numpy.array_equal(v, model["backbone." + k]) for k, v in export.items())
trained = [k for k in model if not k.startswith("target.") and "running" not in k and "num_batches" not in k]
assert {f"exp_avg.{k}" for k in trained} <= set(optimizer), "an optimiser slot is missing"
assert all(optimizer["exp_avg." + k].shape == model[k].shape for k in trained)
queue = state["moco.queue"]
assert queue.shape == (128, 128) and numpy.allclose(numpy.linalg.norm(queue, axis=1), 1, atol=1e-5)
with safe_open(folder + "/export/backbone.safetensors", "numpy") as f:
    assert f.metadata()["method"] == "moco_v2"
print("interop: the official safetensors reader agrees on", len(model) + len(optimizer) + len(state) + len(export), "tensors")

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
import json
lines = [json.loads(line) for line in open(folder + "/metrics.jsonl")]
events = EventAccumulator(folder + "/tensorboard/metrics").Reload()
assert set(events.Tags()["scalars"]) == set(lines[0]) - {"step"}, events.Tags()
for tag in events.Tags()["scalars"]:
    told = events.Scalars(tag)
    assert [e.step for e in told] == [line["step"] for line in lines]
    assert numpy.allclose([e.value for e in told], [line[tag] for line in lines], rtol=1e-3 if tag == "images_per_s" else 1e-6)
epochs = EventAccumulator(folder + "/tensorboard/epochs").Reload()
(epoch,) = epochs.Scalars("Pretext Task/Loss/train")
assert epoch.step == 1 and numpy.isclose(epoch.value, numpy.mean([line["loss"] for line in lines]))
print("interop: TensorBoard reads", len(events.Tags()["scalars"]), "scalars of", len(lines), "steps")

bins = 0
for tag in epochs.Tags()["histograms"]:
    (event,) = epochs.Histograms(tag)
    told = event.histogram_value
    assert sum(told.bucket) == told.num and list(told.bucket_limit) == sorted(told.bucket_limit), tag
    if tag != "embeddings":
        w = model[tag.removeprefix("weights/")].astype(numpy.float64)
        assert (told.num, told.min, told.max) == (w.size, w.min(), w.max()), tag
        assert numpy.isclose(told.sum_squares, (w * w).sum(), rtol=1e-9)
        edges = numpy.histogram(w, 30)[0] if w.max() > w.min() else numpy.array([0] * 29 + [w.size])
        bins = max(bins, numpy.abs(edges - told.bucket).max() / w.size)
assert {"weights/" + k for k in trained} | {"embeddings"} == set(epochs.Tags()["histograms"])
assert bins < 1e-4, bins # a value at an edge may be in either
pictures = EventAccumulator(folder + "/tensorboard/pictures").Reload()
(views,) = pictures.Images("views")
assert views.encoded_image_string == open(folder + "/pictures/views.png", "rb").read() and views.step == 0

import json, urllib.request, threading
from tensorboard import program
tensorboard = program.TensorBoard()
tensorboard.configure(argv=[None, "--logdir", folder + "/tensorboard", "--port", "0", "--load_fast", "false"])
url = tensorboard.launch()
def ask(path):
    return urllib.request.urlopen(url + "data/plugin/" + path, timeout=30).read()
import time
for tries in range(100):
    if "pictures" in json.loads(ask("projector/runs")):
        break
    time.sleep(0.2)
(info,) = json.loads(ask("projector/info?run=pictures"))["embeddings"]
count, width = info["tensorShape"]
tensors = numpy.frombuffer(ask("projector/tensor?run=pictures&name=backbone"), numpy.float32).reshape(count, width)
assert (count, width) == (256, 512) and numpy.isfinite(tensors).all() and tensors.std(0).max() > 0
assert len(ask("projector/metadata?run=pictures&name=backbone").splitlines()) == count + 1
assert ask("projector/sprite_image?run=pictures&name=backbone") == open(folder + "/pictures/thumbnails.png", "rb").read()
print("interop: TensorBoard shows", len(epochs.Tags()["histograms"]), "histograms, views, and a projector of", count, "embeddings")

with grpc.insecure_channel("unix:" + socket) as channel:
    reply = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service="akssl.v1.Lab"), timeout=10)
    assert reply.status == health_pb2.HealthCheckResponse.SERVING
    watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(service="akssl.v1.Run"), timeout=10)
    assert next(watch).status == health_pb2.HealthCheckResponse.SERVING
    watch.cancel()
    print("interop: gRPC's own health client finds akssl.v1.Lab and akssl.v1.Run serving")

    database = ProtoReflectionDescriptorDatabase(channel)
    assert {"akssl.v1.Lab", "akssl.v1.Run", "grpc.health.v1.Health"} <= set(database.get_services())
    pool = DescriptorPool(database)
    method = pool.FindServiceByName("akssl.v1.Lab").FindMethodByName("List")
    call = channel.unary_unary("/akssl.v1.Lab/List", request_serializer=lambda m: m.SerializeToString(),
                               response_deserializer=GetMessageClass(method.output_type).FromString)
    reply = call(GetMessageClass(method.input_type)(limit=3), timeout=10)
    assert [job.state for job in reply.jobs] == ["SUCCEEDED"] and reply.jobs[0].spec.method == "moco_v2"
    print("interop: gRPC's own reflection client finds", len(database.get_services()), "services, and lists jobs by them")
PYTHON

if "$dir/venv/bin/pip" install --quiet --disable-pip-version-check scikit-learn >"$dir/log" 2>&1; then
    "$dir/venv/bin/python" tests/interop/maps.py "$dir/state/jobs/$job"
else
    echo "interop: skipped: maps beside scikit-learn: $(tail -n 1 "$dir/log")"
fi

# ---- networks: torchvision's and timm's, with and without ONNX Runtime

# python_of makes VENV on top of a python that has torch, which may itself be of a virtual environment.
python_of() {
    "$1" -m venv "$2" && "$1" -c 'import torch, os; print(os.path.dirname(os.path.dirname(torch.__file__)))' \
        >"$2/lib/$(ls "$2/lib")/site-packages/torch.pth"
}
if ! "$python" -c 'import torch, torchvision, PIL' 2>"$dir/log"; then
    echo "interop: skipped: torchvision's and timm's networks: $python has no torch, torchvision and Pillow"
elif ! python_of "$python" "$dir/networks" >"$dir/log" 2>&1 ||
    ! "$dir/networks/bin/pip" install --quiet --disable-pip-version-check --no-deps safetensors >"$dir/log" 2>&1; then
    echo "interop: skipped: torchvision's and timm's networks: $(tail -n 1 "$dir/log")"
else
    "$dir/networks/bin/pip" install --quiet --disable-pip-version-check --no-deps \
        timm huggingface_hub pyyaml tqdm >"$dir/log" 2>&1 || echo "interop: timm: $(tail -n 1 "$dir/log")"
    set -- "$dir/venv/bin/python"
    "$dir/venv/bin/pip" install --quiet --disable-pip-version-check onnx onnxruntime >"$dir/log" 2>&1 &&
        "$@" -c 'import onnx, onnxruntime' 2>"$dir/log" ||
        { echo "interop: skipped: running ONNX: $(tail -n 1 "$dir/log")"; set --; }
    mkdir -p "$dir/networks/images/train/a" "$dir/networks/images/val/a"
    "$dir/networks/bin/python" tests/interop/networks.py "$bin" "$dir/networks" "$@"
fi

# ---- losses: lightly's on random tensors, as cases for our numerics tests; then ak-ssl's

if ! "$python" -c 'import torch, torchvision' 2>"$dir/log"; then
    echo "interop: skipped: lightly, ak-ssl: $python has no torch and torchvision (Debian's packages python3-torch, python3-torchvision)"
else
    python_of "$python" "$dir/peers" >"$dir/log" 2>&1
    "$dir/peers/bin/pip" install --quiet --disable-pip-version-check --no-deps \
        lightly lightly_utils ak-ssl safetensors >"$dir/log" 2>&1 &&
        "$dir/peers/bin/pip" install --quiet --disable-pip-version-check \
            wandb torcheval tqdm tensorboard >"$dir/log" 2>&1 ||
        skip "lightly and ak-ssl: $(tail -n 1 "$dir/log")"
    "$dir/peers/bin/python" tests/interop/lightly_cases.py "$dir/lightly"
    AKSSL_ORACLE_DIR=$dir/lightly "$bin/../tests/oracle.cases"
    echo "interop: our losses and gradients are lightly's"
    "$dir/peers/bin/python" tests/interop/ak_ssl_table.py tests/golden

    # ---- checkpoints, of their own classes

    mkdir "$dir/checkpoints"
    "$dir/peers/bin/python" -W ignore tests/interop/checkpoints.py "$bin" "$dir/checkpoints" AK_SSL lightly
    # solo-learn 1.0 asks for a PyTorch of 2021, but runs with later ones and these.
    if python_of "$python" "$dir/solo" >"$dir/log" 2>&1 &&
        "$dir/solo/bin/pip" install --quiet --disable-pip-version-check --no-deps solo-learn==1.0.2 pytorch-lightning==1.9.5 \
            lightning-bolts==0.7.0 'torchmetrics<0.12' lightning-utilities 'timm<0.9' 'huggingface_hub<0.24' safetensors \
            'numpy<2' einops fsspec pyyaml requests tqdm packaging filelock urllib3 charset-normalizer idna certifi scikit-learn \
            scipy joblib threadpoolctl typing_extensions pandas python-dateutil pytz six pillow matplotlib kiwisolver cycler \
            pyparsing fonttools contourpy mpmath jinja2 markupsafe networkx >"$dir/log" 2>&1; then
        "$dir/solo/bin/python" -W ignore tests/interop/checkpoints.py "$bin" "$dir/checkpoints" solo-learn 2>"$dir/log" ||
            { cat "$dir/log" >&2; exit 1; }
    else
        echo "interop: skipped: checkpoints of solo-learn: $(tail -n 1 "$dir/log")"
    fi
fi
