# tests/interop/networks.py -- torchvision's ResNets and timm's vision transformers, through akssl and back.
#
#     networks.py BIN_DIR FOLDER [PYTHON]
#
# Each network gets random weights and running statistics, saved by the official safetensors.  `akssl-worker export` reads
# them and writes each format; the tensors come back equal to the last bit, load strictly (with a zero head too), and
# `akssl-worker features` computes what the network computes.  `akssl-client convert` finds it in checkpoints as other tools
# name them.  PYTHON, which has onnx and onnxruntime, runs the ONNX models (run_onnx.py): versions of these and of PyTorch
# seldom share a numpy.

import json
import os
import subprocess
import sys
import zipfile

import numpy
import torch
import torchvision
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save_file

try:
    import timm
except Exception as error:  # whatever a version of one says to a version of another
    timm = None
    print("interop: skipped: vision transformers:", error)

SIDE, COUNT = 64, 6
MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
worker, client = sys.argv[1] + "/akssl-worker", sys.argv[1] + "/akssl-client"
folder, with_onnx = sys.argv[2], sys.argv[3:]


def make_images():
    random = numpy.random.default_rng(1)
    pixels = []
    for index in range(COUNT):
        small = random.integers(0, 256, (8, 8, 3), dtype=numpy.uint8)
        image = Image.fromarray(small).resize((SIDE, SIDE), Image.BILINEAR)
        for part in "train", "val":
            image.save(f"{folder}/images/{part}/a/{index}.png")
        pixels.append(numpy.asarray(image))
    x = torch.from_numpy(numpy.stack(pixels).astype(numpy.float32) / 255).permute(0, 3, 1, 2)
    return ((x - torch.tensor(MEAN).view(1, 3, 1, 1)) / torch.tensor(STD).view(1, 3, 1, 1)).contiguous()


def randomise(network):
    torch.manual_seed(3)
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            if name.endswith("running_var") or (tensor.dim() == 1 and name.endswith("weight")):
                tensor.uniform_(0.5, 1.5)
            elif tensor.dim() == 1:
                tensor.uniform_(-0.2, 0.2)
    return network.eval()


def run(*words):
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def export(weights, format, name, *more):
    run(worker, "export", "--weights", weights, "--format", format, "--out", f"{folder}/{name}", *more)
    return f"{folder}/{name}"


def take(path):
    """The tensors of a file that is then removed: a large network's would fill a disk."""
    tensors = load_file(path)
    os.remove(path)
    return tensors


def compare(what, ours, theirs):
    worst = float(numpy.abs(ours - theirs).max() / numpy.abs(theirs).max())
    assert theirs.std(0).mean() > 1e-4, "the features do not depend on the image"
    assert worst < 1e-5, f"{what}: {worst:.1e} of the largest feature"
    return f"{what} {worst:.0e}"


def equal(path, tensors):
    back = take(path)
    assert list(sorted(back)) == list(sorted(tensors)), set(back) ^ set(tensors)
    for name, tensor in tensors.items():
        assert back[name].numpy().tobytes() == tensor.numpy().tobytes(), name


def run_onnx(path, x):
    numpy.save(f"{folder}/x.npy", x.numpy())
    script = os.path.dirname(os.path.abspath(__file__)) + "/run_onnx.py"
    run(*with_onnx, script, path, f"{folder}/x.npy", f"{folder}/y.npy")
    return numpy.load(f"{folder}/y.npy")


def disguises(network):
    """The network as other tools' checkpoints have it, with what else stands there."""
    head = torch.nn.Linear(4, 4)
    if not hasattr(network, "layer1"):
        return {"dino": torch.nn.ModuleDict({"teacher": torch.nn.ModuleDict({"backbone": network, "head": head})}).state_dict()}
    in_a_row = torch.nn.Sequential(*list(network.children())[:-1])
    moco = torch.nn.ModuleDict({"encoder_q": network, "encoder_k": head})
    return {
        "moco": torch.nn.DataParallel(moco).state_dict(),
        "lightly": torch.nn.ModuleDict({"backbone": in_a_row, "projection_head": head}).state_dict(),
        "solo-learn": torch.nn.ModuleDict({"backbone": network, "projector": head}).state_dict(),
        "swav": torch.nn.DataParallel(torch.nn.ModuleDict({**network._modules, "projection_head": head})).state_dict(),
    }


def check(name, network, text, with_head):
    tensors = dict(network.state_dict())
    weights = f"{folder}/theirs.safetensors"
    save_file(tensors, weights, {"format": "pt", "backbone": text, "image_size": str(SIDE), "method": "none",
                                 "normalize": "imagenet", "interpolation": "bilinear"})
    with torch.no_grad():
        theirs = network(x).numpy()

    equal(export(weights, "safetensors", "ours.safetensors"), tensors)
    with_head.load_state_dict(take(export(weights, "safetensors", "head.safetensors", "--zero-head", "10")), strict=True)
    with torch.no_grad():
        assert not with_head.eval()(x).any(), "the head is not zero"
    with zipfile.ZipFile(export(weights, "npy", "ours.npz")) as archive:
        assert archive.testzip() is None and json.loads(archive.read("metadata.json"))["backbone"] == text
    arrays = numpy.load(f"{folder}/ours.npz")
    for key, value in tensors.items():
        assert arrays[key].tobytes() == value.numpy().tobytes() and arrays[key].shape == tuple(value.shape), key
    os.remove(f"{folder}/ours.npz")

    run(worker, "features", "--weights", weights, "--backbone", text, "--dataset", f"folder:{folder}/images", "--shards", "1",
        "--out", f"{folder}/features")
    ours = load_file(f"{folder}/features")["features"].numpy()
    told = [compare("features", ours, theirs)]
    path = export(weights, "onnx", "ours.onnx")
    if with_onnx:
        told.append(compare("ONNX Runtime", run_onnx(path, x), ours))
    os.remove(path)
    if text.startswith("vit"):
        renamed = torchvision.models.VisionTransformer(SIDE, 16, 12, network.num_heads, network.embed_dim,
                                                       4 * network.embed_dim, num_classes=10)
        path = export(weights, "torchvision-vit", "vit.safetensors", "--zero-head", "10")
        run(client, "convert", path, f"{folder}/converted")
        equal(f"{folder}/converted", tensors)
        with safe_open(path, "numpy") as file:
            assert file.metadata()["heads"] == str(network.num_heads), file.metadata()
        renamed.load_state_dict(take(path), strict=True)
        renamed.heads = torch.nn.Identity()
        with torch.no_grad():
            told.append(compare("torchvision's ViT", renamed.eval()(x).numpy(), theirs))
    for source, state in disguises(network).items():
        save_file({key: value.contiguous() for key, value in state.items()}, f"{folder}/disguise")
        run(client, "convert", f"{folder}/disguise", f"{folder}/converted")
        run(client, "convert", f"{folder}/disguise", f"{folder}/again", "--from", source)
        equal(f"{folder}/converted", tensors)
        equal(f"{folder}/again", tensors)
    print(f"interop: {name}: {', '.join(told)}; tensors equal, strict with a zero head")


x = make_images()
for name in "resnet18", "resnet34", "resnet50":
    network = getattr(torchvision.models, name)()
    network.fc = torch.nn.Identity()
    check("torchvision's " + name, randomise(network), name, getattr(torchvision.models, name)(num_classes=10))
    network.conv1 = torch.nn.Conv2d(3, 64, 3, padding=1, bias=False)
    network.maxpool = torch.nn.Identity()
    small = getattr(torchvision.models, name)(num_classes=10)
    small.conv1, small.maxpool = network.conv1, network.maxpool
    check(name + " with CIFAR's stem", randomise(network), name + "_cifar_stem", small)
for name in ("tiny", "small", "base") if timm else ():
    network, classifier = (timm.create_model(f"vit_{name}_patch16_224", img_size=SIDE, num_classes=classes)
                           for classes in (0, 10))
    network.num_heads = network.blocks[0].attn.num_heads
    check(f"timm's vit_{name}", randomise(network), f"vit_{name}", classifier)
