# tests/system/torchvision_load.py -- an exported backbone in torchvision's resnet18: only fc is
# missing, and the features are ours.
#
#     torchvision_load.py BACKBONE.safetensors FEATURES.safetensors IMAGES.gz
#
# FEATURES is what `akssl-worker features --image-size 28` wrote of the first images of IMAGES.

import gzip
import json
import sys

import numpy
import torch
import torchvision

TYPES = {"F32": numpy.float32, "I64": numpy.int64}


def load(path):
    with open(path, "rb") as file:
        data = file.read()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    tensors = {}
    for name, entry in header.items():
        if name != "__metadata__":
            first, last = entry["data_offsets"]
            part = data[8 + length + first : 8 + length + last]
            array = numpy.frombuffer(part, TYPES[entry["dtype"]]).reshape(entry["shape"])
            tensors[name] = torch.from_numpy(array.copy())
    return tensors


backbone, features, images = sys.argv[1:]
network = torchvision.models.resnet18()
outcome = network.load_state_dict(load(backbone), strict=False)
missing = set(outcome.missing_keys)
buffers = {name for name in missing if name.endswith("num_batches_tracked")}
assert missing - buffers == {"fc.weight", "fc.bias"}, missing
assert not outcome.unexpected_keys, outcome.unexpected_keys

ours = load(features)["features"]
count = len(ours)
with gzip.open(images) as file:
    pixels = numpy.frombuffer(file.read(16 + count * 784)[16:], numpy.uint8)
x = torch.from_numpy(pixels.astype(numpy.float32).reshape(count, 1, 28, 28) / 255).repeat(1, 3, 1, 1)
mean = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
std = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
network.fc = torch.nn.Identity()
network.eval()
with torch.no_grad():
    theirs = network((x - mean) / std)
assert theirs.std(0).mean() > 1e-3, "the features do not depend on the image"
worst = ((ours - theirs).abs().max() / theirs.abs().max()).item()
print(f"{count} images: the largest difference is {worst:.2e} of the largest feature")
assert worst < 1e-4, worst
