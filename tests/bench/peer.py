#!/usr/bin/env python3
"""tests/bench/peer.py -- the same training step in PyTorch, as its users write it, for compare.sh.

    peer.py --method byol --backbone resnet18 --image-size 32 --batch 256 [--ready-views] [--bf16] [--seconds 10]

Channels-last, oneDNN, torchvision's augmentation on PIL images, Adam; --threads intra-op threads. Data: Debian's
dataset-fashion-mnist, in memory, or with --ready-views random tensors made beforehand. Prints one JSON line; its
images_per_s is that of all steps behind the second one, within the time given.
"""
import argparse
import copy
import gzip
import json
import math
import time

import numpy as np
import torch
import torch.nn.functional as F
import torchvision
from PIL import Image
from torch import nn
from torchvision import transforms as T

HEADS = {  # widths of the head behind a backbone of width w, and of the predictor
    "simclr": (lambda w: [w, w, 128], None),
    "moco_v2": (lambda w: [w, w, 128], None),
    "moco_v3": (lambda w: [w, 4096, 256], [256, 4096, 256]),
    "byol": (lambda w: [w, 4096, 256], [256, 4096, 256]),
    "simsiam": (lambda w: [w, w, w, 2048], [2048, 512, 2048]),
    "barlow_twins": (lambda w: [w, 2048, 2048, 2048], None),
    "swav": (lambda w: [w, 2048, 128], None),
    "dino": (lambda w: [w, 2048, 2048, 256], None),
}
MOMENTUM = {"moco_v2", "moco_v3", "byol", "dino"}
PROTOTYPES = {"swav": (128, 512), "dino": (256, 4096)}


class Attention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x):
        b, n, c = x.shape
        q, k, v = self.qkv(x).reshape(b, n, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4)
        if hasattr(F, "scaled_dot_product_attention"):
            x = F.scaled_dot_product_attention(q, k, v)
        else:
            x = ((q @ k.transpose(-2, -1)) * (c // self.heads) ** -0.5).softmax(-1) @ v
        return self.proj(x.transpose(1, 2).reshape(b, n, c))


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.norm1, self.attn = nn.LayerNorm(width, eps=1e-6), Attention(width, heads)
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x):
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class Vit(nn.Module):
    def __init__(self, side, patch, width, heads, depth=12):
        super().__init__()
        self.patch = nn.Conv2d(3, width, patch, patch)
        self.cls = nn.Parameter(torch.zeros(1, 1, width))
        self.pos = nn.Parameter(torch.randn(1, (side // patch) ** 2 + 1, width) * 0.02)
        self.blocks = nn.Sequential(*[Block(width, heads) for _ in range(depth)])
        self.norm = nn.LayerNorm(width, eps=1e-6)

    def forward(self, x):
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.cls.expand(len(x), -1, -1), x], 1) + self.pos
        return self.norm(self.blocks(x))[:, 0]


def backbone(name, side):
    name, _, options = name.partition(":")
    if name.startswith("vit_"):
        width, heads = {"vit_tiny": (192, 3), "vit_small": (384, 6), "vit_base": (768, 12)}[name]
        return Vit(side, int(options.partition("=")[2] or 16), width, heads), width
    cifar = name.endswith("_cifar_stem")
    net = getattr(torchvision.models, name[: -len("_cifar_stem")] if cifar else name)()
    width, net.fc = net.fc.in_features, nn.Identity()
    if cifar:
        net.conv1, net.maxpool = nn.Conv2d(3, 64, 3, 1, 1, bias=False), nn.Identity()
    return net, width


def mlp(widths):
    layers = []
    for i, (a, b) in enumerate(zip(widths, widths[1:])):
        layers.append(nn.Linear(a, b))
        if i + 2 < len(widths):
            layers += [nn.BatchNorm1d(b), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)


def sinkhorn(scores):
    q = (scores / 0.05).exp().t()
    q /= q.sum()
    for _ in range(3):
        q /= q.sum(1, keepdim=True) * q.shape[0]
        q /= q.sum(0, keepdim=True) * q.shape[1]
    return (q * q.shape[1]).t()


class Method:
    def __init__(self, name, bare, width):
        head, predictor = HEADS[name]
        self.name = name
        self.net = nn.Sequential(bare, mlp(head(width)))
        self.predictor = mlp(predictor) if predictor else None
        self.target = copy.deepcopy(self.net).requires_grad_(False) if name in MOMENTUM else None
        self.prototypes = nn.Linear(*PROTOTYPES[name], bias=False) if name in PROTOTYPES else None
        self.old_prototypes = copy.deepcopy(self.prototypes) if name == "dino" else None
        self.queue = F.normalize(torch.randn(65536, 128)) if name == "moco_v2" else None
        self.centre, self.at = torch.zeros(4096), 0

    def modules(self):
        return [m for m in (self.net, self.predictor, self.prototypes) if m is not None]

    def follow(self):
        pairs = [(self.net, self.target)] + ([(self.prototypes, self.old_prototypes)] if self.old_prototypes else [])
        with torch.no_grad():
            for new, old in pairs:
                for p, q in zip(new.parameters(), old.parameters()):
                    q.mul_(0.99).add_(p, alpha=0.01)

    def loss(self, views):
        n = len(views[0])
        if self.name in ("simclr", "swav", "dino"):  # both views in one pass
            z = self.net(torch.cat(views)).float()
        if self.target is not None:
            self.follow()
            with torch.no_grad():
                k = [self.target(v).float() for v in views]
        if self.name == "simclr":
            z = F.normalize(z)
            s = (z @ z.t() / 0.5).masked_fill(torch.eye(2 * n, dtype=torch.bool), -math.inf)
            return F.cross_entropy(s, torch.arange(2 * n).roll(n))
        if self.name == "swav":
            with torch.no_grad():
                self.prototypes.weight.copy_(F.normalize(self.prototypes.weight))
            s = self.prototypes(F.normalize(z)).chunk(2)
            q = [sinkhorn(x.detach()) for x in s]
            return -sum((a * (b / 0.1).log_softmax(1)).sum(1).mean() for a, b in zip(q, s[::-1])) / 2
        if self.name == "dino":
            s = [self.prototypes(x) for x in F.normalize(z).chunk(2)]
            with torch.no_grad():
                t = [self.old_prototypes(F.normalize(x)) for x in k]
                q = [((x - self.centre) / 0.04).softmax(1) for x in t]
                self.centre.mul_(0.9).add_(torch.cat(t).mean(0), alpha=0.1)
            return -sum((a * (b / 0.1).log_softmax(1)).sum(1).mean() for a, b in zip(q, s[::-1])) / 2
        if self.name == "moco_v2":
            q, k = F.normalize(self.net(views[0]).float()), F.normalize(k[1])
            logits = torch.cat([(q * k).sum(1, keepdim=True), q @ self.queue.clone().t()], 1) / 0.2
            self.queue[(self.at + torch.arange(n)) % len(self.queue)] = k
            self.at = (self.at + n) % len(self.queue)
            return F.cross_entropy(logits, torch.zeros(n, dtype=torch.long))
        z = [self.net(v).float() for v in views]
        if self.name == "barlow_twins":
            a, b = [(x - x.mean(0)) / (x.std(0, unbiased=False) + 1e-5) for x in z]
            c = a.t() @ b / n
            on = torch.diagonal(c)
            return ((on - 1) ** 2).sum() + 0.0051 * ((c**2).sum() - (on**2).sum())
        p = [F.normalize(self.predictor(x).float()) for x in z]
        if self.name == "moco_v3":
            k = [F.normalize(x) for x in k]
            return sum(0.4 * F.cross_entropy(a @ b.t() / 0.2, torch.arange(n)) for a, b in zip(p, k[::-1]))
        other = [F.normalize(x.detach()) for x in (k if self.name == "byol" else z)][::-1]
        return -sum((a * b).sum(1).mean() for a, b in zip(p, other)) / 2


class Views(torch.utils.data.Dataset):
    def __init__(self, side):
        path = "/usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz"
        self.images = np.frombuffer(gzip.open(path).read(), np.uint8, offset=16).reshape(-1, 28, 28)
        kernel = side // 20 * 2 + 1
        self.augment = T.Compose([
            T.RandomResizedCrop(side, scale=(0.08, 1)), T.RandomHorizontalFlip(),
            T.RandomApply([T.ColorJitter(0.8, 0.8, 0.8, 0.2)], 0.8), T.RandomGrayscale(0.2),
            T.RandomApply([T.GaussianBlur(kernel, (0.1, 2))], 0.5), T.ToTensor(),
            T.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))])

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        image = Image.fromarray(self.images[index]).convert("RGB")
        return [self.augment(image) for _ in range(2)]


def batches(a):
    if a.ready_views:
        views = [torch.randn(a.batch, 3, a.image_size, a.image_size) for _ in range(2)]
        while True:
            yield views
    loader = torch.utils.data.DataLoader(Views(a.image_size), a.batch, shuffle=True, drop_last=True,
                                         num_workers=a.loader_workers)
    while True:
        yield from loader


def main():
    flags = argparse.ArgumentParser()
    flags.add_argument("--method", default="simclr", choices=HEADS)
    flags.add_argument("--backbone", default="resnet18")
    for name, value in (("image-size", 32), ("batch", 256), ("threads", 2), ("loader-workers", 0), ("seconds", 10)):
        flags.add_argument("--" + name, type=int, default=value)
    flags.add_argument("--ready-views", action="store_true")
    flags.add_argument("--bf16", action="store_true")
    a = flags.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(a.threads)
    method = Method(a.method, *backbone(a.backbone, a.image_size))
    for module in method.modules() + [m for m in (method.target,) if m is not None]:
        module.to(memory_format=torch.channels_last).train()
    optimizer = torch.optim.Adam([p for m in method.modules() for p in m.parameters()], lr=1e-3, weight_decay=1e-6)
    step, begin = 0, time.monotonic()
    for views in batches(a):
        views = [v.contiguous(memory_format=torch.channels_last) for v in views]
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=a.bf16):
            loss = method.loss(views)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        step += 1
        if step == 2:
            begin = time.monotonic()
        if step > 3 and time.monotonic() - begin > a.seconds:
            break
    rate = (step - 2) * a.batch / (time.monotonic() - begin)
    print(json.dumps({"torch": torch.__version__, "steps": step, "loss": loss.item(), "images_per_s": round(rate, 2)}))


main()
