#!/usr/bin/env python3
# tests/golden/replay.py -- whole training steps in PyTorch, in float64: what `akssl-worker replay` must give.
"""
    /usr/bin/python3 tests/golden/replay.py OUT_DIR     # needs torch and torchvision (Debian: python3-torch, python3-torchvision)

replay_METHOD.safetensors holds the answers alone: weights, views and queue come from fill() (README.md), so that
tests/oracle/replay.c can make the same ones.  A case is of use only where no ReLU stands so close to 0 that single
precision opens it and double does not: the same steps are taken in float32, as they are and with views moved by
about their last bit, and variants of the views (`variant`, a part of their fill names) are tried until all agree.
"""
import json, math, struct, sys
from pathlib import Path
import numpy as np
import torch, torch.nn as nn, torch.nn.functional as F, torchvision

torch.set_num_threads(1)
SIZE, BATCH, STEPS, LR, MOMENTUM, DECAY, DIM = 32, 16, 2, 0.01, 0.9, 1e-4, 32
K, KEEP = 64, 0.9
TEMPERATURE = {"simclr": 0.5, "moco_v2": 0.2}
AGREE, FLOOR, NUDGES = 1e-4, 1e-3, 5  # of a tensor's norm; of all gradients' norm; float32 runs that must agree

M64 = (1 << 64) - 1


def fnv1a(s):
    h = 0xCBF29CE484222325
    for c in s.encode():
        h = ((h ^ c) * 0x100000001B3) & M64
    return h


def fill(name, shape, bound):
    with np.errstate(over="ignore"):
        z = np.uint64(fnv1a(name)) + (np.arange(math.prod(shape), dtype=np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    u = (z >> np.uint64(40)).astype("float64") / (1 << 24)
    return torch.from_numpy((2 * u - 1) * bound).reshape(shape).float()


class Head(nn.Module):
    def __init__(self, width, dim, norm):
        super().__init__()
        first = [nn.Linear(width, width, bias=not norm)] + ([nn.BatchNorm1d(width)] if norm else []) + [nn.ReLU()]
        last = [nn.Linear(width, dim, bias=not norm)] + ([nn.BatchNorm1d(dim)] if norm else [])
        self.layers = nn.Sequential(*first, *last)


class Network(nn.Module):
    def __init__(self, norm):
        super().__init__()
        self.backbone = torchvision.models.resnet18()
        self.backbone.fc = nn.Identity()
        self.projection_head = Head(512, DIM, norm)
        for name, p in self.named_parameters():
            if p.dim() >= 2:
                p.data = fill(name, tuple(p.shape), math.sqrt(3 / p[0].numel()))
            else:
                # biases two deviations above 0 leave few values where ReLU bends
                p.data = fill(name, tuple(p.shape), 0.1) + (0.5 if name.endswith("weight") else 1)

    def forward(self, x):
        return F.normalize(self.projection_head.layers(self.backbone(x)), dim=1, eps=1e-12)


def simclr_loss(net, _, x, __):
    u = net(torch.cat(x))
    n = len(u)
    s = (u @ u.t() / TEMPERATURE["simclr"]).masked_fill(torch.eye(n, dtype=torch.bool), -math.inf)
    return F.cross_entropy(s, (torch.arange(n) + n // 2) % n), None


def moco_loss(net, target, x, queue):
    with torch.no_grad():
        for t, p in zip(target.parameters(), net.parameters()):
            t.mul_(KEEP).add_(p, alpha=1 - KEEP)
        k = target(x[1])
    q = net(x[0])
    logits = torch.cat([(q * k).sum(1, keepdim=True), q @ queue.t()], 1) / TEMPERATURE["moco_v2"]
    return F.cross_entropy(logits, torch.zeros(len(q), dtype=torch.long)), k


def state(net, target):
    tensors = {name: t.clone() for name, t in net.state_dict().items() if t.is_floating_point()}
    if target is not None:
        tensors.update({f"target.{name}": t.clone() for name, t in target.state_dict().items() if t.is_floating_point()})
    return tensors


def replay(method, variant, dtype, nudge=0):
    torch.manual_seed(nudge)
    net = Network(method == "simclr").to(dtype).train()
    target = Network(False).to(dtype).train() if method == "moco_v2" else None
    queue = F.normalize(fill("moco.queue", (K, DIM), 1.0).double(), dim=1).float().to(dtype)
    optimizer = torch.optim.SGD(net.parameters(), lr=LR, momentum=MOMENTUM, weight_decay=DECAY)
    losses, grads, before = [], {}, state(net, target)
    for step in range(STEPS):
        x = [fill(f"variant{variant}.step{step}.view{v}", (BATCH, 3, SIZE, SIZE), 1.7).to(dtype) for v in (0, 1)]
        if nudge:
            x = [v * (1 + 3e-7 * torch.randn_like(v)) for v in x]
        loss, keys = (simclr_loss if method == "simclr" else moco_loss)(net, target, x, queue)
        optimizer.zero_grad()
        loss.backward()
        losses.append(loss.detach())
        grads = {name: p.grad.clone() for name, p in net.named_parameters()}
        optimizer.step()
        if keys is not None:
            queue[step * BATCH:(step + 1) * BATCH] = keys
    return torch.stack(losses), grads, state(net, target), queue, before


def gap(a, b, floor=1e-30):
    return float((a.double() - b).norm() / b.norm().clamp_min(floor))


def disagreement(single, double):
    # what a batch norm behind it cancels is rounding alone: no gradient counts for less than a share of all
    floor = FLOOR * math.sqrt(sum(float(g.norm()) ** 2 for g in double[1].values()))
    grads = max(gap(single[1][name], g, floor) for name, g in double[1].items())
    after = max(gap(single[2][name], t) for name, t in double[2].items())
    return max(grads, after, gap(single[0], double[0]), gap(single[3], double[3]))


def save(path, tensors, meta):
    header, blobs, at = {"__metadata__": {k: str(v) for k, v in meta.items()}}, [], 0
    for name, t in tensors.items():
        t = t.to(torch.float32).contiguous()
        data = t.numpy().tobytes()
        header[name] = {"dtype": "F32", "shape": list(t.shape), "data_offsets": [at, at + len(data)]}
        blobs.append(data)
        at += len(data)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(blobs))


def case(out, method):
    best = (math.inf, 0, None)
    for variant in range(40):
        double = replay(method, variant, torch.float64)
        apart = 0
        for nudge in range(NUDGES):
            if apart < AGREE:
                apart = max(apart, disagreement(replay(method, variant, torch.float32, nudge), double))
        print(f"{method} variant {variant}: float32 is {apart:.2g} away", flush=True)
        best = min(best, (apart, variant, double), key=lambda b: b[0])
        if apart < AGREE:
            break
    apart, variant, (losses, grads, after, queue, before) = best
    tensors = {"loss": losses}
    for name, g in grads.items():
        tensors[f"grad_norm.{name}"] = g.norm()
        tensors[f"grad_head.{name}"] = g.flatten()[:8]
    for name, t in after.items():
        tensors[f"moved.{name}"] = (t - before[name]).norm()
        tensors[f"head.{name}"] = t.flatten()[:8]
    if method == "moco_v2":
        tensors["moco.queue"] = queue
    save(out / f"replay_{method}.safetensors", tensors, dict(
        method=method, variant=variant, image_size=SIZE, batch=BATCH, steps=STEPS, lr=LR, momentum=MOMENTUM,
        weight_decay=DECAY, projection_dim=DIM, temperature=TEMPERATURE[method], K=K, m=KEEP, float32_gap=f"{apart:.2g}"))
    return apart


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    sys.exit(0 if max(case(folder, m) for m in TEMPERATURE) < AGREE else "no variant whose float32 agrees")
