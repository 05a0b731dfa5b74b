#!/usr/bin/env python3
# tests/bench/same_seed.py -- peer_torch.py as it is, with what akssl needs to train from the very same draws.
"""
    same_seed.py keep PEER DIR METHOD [FLAG...]     runs PEER METHOD FLAG..., and writes DIR/init (its weights before the first step, by
                                                    akssl's names) and DIR/views (what its loader gave it), which `akssl-worker replay` reads
    same_seed.py draw PEER DIR METHOD [FLAG...]     the same files only: PEER draws, and does not train
    same_seed.py judge PEER FILE [FLAG...]          PEER's own kNN and probe of the backbone in FILE

The peer's source is run unchanged: its optimizer's constructor and its loader are where this script looks in.
"""
import json
import runpy
import struct
import sys

import torch

Adam, Loader = torch.optim.Adam, torch.utils.data.DataLoader


class File:
    """A safetensors file whose shapes are known before its tensors."""

    def __init__(self, path, shapes):
        at, header = 0, {}
        for name, shape in shapes.items():
            size = 4 * torch.Size(shape).numel()
            header[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": [at, at + size]}
            at += size
        text = json.dumps(header, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 8)
        self.names, self.file = iter(shapes), open(path, "wb", buffering=0)
        self.file.write(struct.pack("<Q", len(text)) + text)

    def write(self, name, tensor):
        assert name == next(self.names)
        self.file.write(tensor.detach().float().contiguous().numpy().tobytes())


def read(path, prefix):
    """The tensors F32 whose names begin with prefix, without it."""
    data = open(path, "rb").read()
    size = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:8 + size])
    at = lambda e: bytearray(data[8 + size + e["data_offsets"][0]:8 + size + e["data_offsets"][1]])
    return {k[len(prefix):]: torch.frombuffer(at(e), dtype=torch.float32).reshape(e["shape"])
            for k, e in header.items() if k.startswith(prefix) and e["dtype"] == "F32"}


def weights(peer):
    """All that the peer trains, and its momentum copy, by akssl's names."""
    named = {}

    def add(prefix, module):
        named.update({prefix + k: t for k, t in module.state_dict().items() if t.is_floating_point()})

    for prefix, network in (("", peer["net"]), ("target.", peer["target"])):
        if network is not None:
            add(prefix + "backbone.", network[0])
            add(prefix + "projection_head.", network[1])
    if peer["pred"] is not None:
        add("prediction_head.", peer["pred"])
    if peer["protos"] is not None:
        named["prototypes.weight"] = peer["protos"].weight
    if peer["M"] == "moco_v2":
        named["moco.queue"] = peer["queue"]
    return named


def keep(folder, train):
    class Keeping(Adam):
        def __init__(self, *args, **kwargs):
            named = weights(sys._getframe(1).f_globals)
            file = File(f"{folder}/init", {k: t.shape for k, t in named.items()})
            for name, t in named.items():
                file.write(name, t)
            super().__init__(*args, **kwargs)

    class Recording(Loader):
        file, step = None, 0

        def record(self, views, epochs):
            if not self.file:
                steps = epochs * len(self)
                Recording.file = File(f"{folder}/views", {f"step{s}.view{v}": t.shape for s in range(steps) for v, t in enumerate(views)})
            for v, t in enumerate(views):
                self.file.write(f"step{self.step}.view{v}", t)
            Recording.step += 1

        def __iter__(self):
            epochs = sys._getframe(1).f_globals["a"].epochs
            if not self.drop_last:  # the evaluation's loaders
                yield from super().__iter__()
                return
            for _ in range(1 if train else epochs):
                for views in super().__iter__():
                    self.record(views, epochs)
                    if train:
                        yield views
            if not train:
                sys.exit(0)

    torch.optim.Adam, torch.utils.data.DataLoader = Keeping, Recording


def judge(path):
    class Loading(Adam):
        def __init__(self, *args, **kwargs):
            missing, more = sys._getframe(1).f_globals["f"].load_state_dict(read(path, "backbone."), strict=False)
            assert not more and all(k.endswith("num_batches_tracked") for k in missing), (missing, more)
            super().__init__(*args, **kwargs)

    torch.optim.Adam = Loading


what, peer, path, rest = sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4:]
if what == "judge":
    judge(path)
    rest = ["random"] + rest
else:
    keep(path, what == "keep")
sys.argv = [peer] + rest
runpy.run_path(peer, run_name="__main__")
