#!/usr/bin/env python3
# tests/golden/steps.py -- the losses of five training steps of every method in PyTorch, in float64.
"""
    /usr/bin/python3 tests/golden/steps.py OUT_DIR     # needs torch and torchvision (Debian: python3-torch, python3-torchvision)

steps_METHOD_BACKBONE.safetensors holds the losses alone, and in its metadata the job's spec: weights, views and queue come
from fill() (README.md), so that tests/oracle/replay.c can make the same ones.  Heads and losses are generate.py's.
"""
import math, os, sys
from pathlib import Path
import torch, torch.nn as nn, torch.nn.functional as F, torchvision

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
argv, sys.argv = sys.argv, [sys.argv[0], sys.argv[1]]
import generate as G

SIZE, LOCAL, BATCH, STEPS, LR, MOMENTUM, DECAY, K, KEEP = 32, 16, 16, 5, 0.01, 0.9, 1e-4, 64, 0.9
torch.set_num_threads(2)
mlp = lambda *dims, bn, act, **more: G.Mlp(list(dims), bn, act, **more)

# the spec's lines and options; heads that are small enough to be quick
METHODS = {
    "barlow_twins": dict(projection_dim=64, hidden_dim=48, lambda_param=0.005),
    "byol": dict(projection_dim=32, hidden_dim=64, moving_average_decay=KEEP, decay_schedule="constant"),
    "dino": dict(projection_dim=96, hidden_dim=64, bottleneck_dim=32, temp_student=0.1, temp_teacher=0.04, warmup_teacher_temp_epochs=0,
                 momentum_teacher=KEEP, momentum_teacher_end=KEEP, center_momentum=0.9, freeze_last_layer=0, num_crops=0),
    "dino_multicrop": dict(projection_dim=96, hidden_dim=64, bottleneck_dim=32, temp_student=0.1, temp_teacher=0.04, warmup_teacher_temp_epochs=0,
                           momentum_teacher=KEEP, momentum_teacher_end=KEEP, center_momentum=0.9, freeze_last_layer=0, num_crops=2),
    "moco_v2": dict(projection_dim=32, K=K, m=KEEP, temperature=0.2),
    "moco_v3": dict(projection_dim=32, hidden_dim=64, moving_average_decay=KEEP, decay_schedule="constant", temperature=0.2, projection_end="bias", prediction_end="bias"),
    "simclr": dict(projection_dim=32, temperature=0.5),
    "simsiam": dict(projection_dim=64, prediction_hidden_dim=16),
    "swav": dict(projection_dim=32, hidden_dim=64, num_prototypes=48, use_the_queue="false", freeze_prototypes_niters=0, num_crops=0),
}
BACKBONES = {"resnet18": "resnet18", "vit_tiny": "vit_tiny:patch_size=8"}


class Network(nn.Module):
    """names as in akssl's weights files"""
    def __init__(self, method, backbone, o):
        super().__init__()
        if backbone == "resnet18":
            self.backbone = torchvision.models.resnet18(); self.backbone.fc = nn.Identity(); w = 512
        else:
            self.backbone = G.Vit(SIZE, 8, 192, 12, 3); w = 192
        d, h = o["projection_dim"], o.get("hidden_dim", w)
        pair = lambda i, m, out: mlp(i, m, out, bn=[1, 0], act=[1, 0])
        if method == "barlow_twins": self.projection_head = mlp(w, h, h, d, bn=[1, 1, 0], act=[1, 1, 0])
        elif method in ("byol", "moco_v3", "swav"): self.projection_head = pair(w, h, d)
        elif method == "dino": self.projection_head = G.DinoHead(w, h, o["bottleneck_dim"], d)
        elif method == "moco_v2": self.projection_head = mlp(w, w, d, bn=[0, 0], act=[1, 0])
        elif method == "simclr": self.projection_head = mlp(w, w, d, bn=[1, 1], act=[1, 0])
        elif method == "simsiam": self.projection_head = mlp(w, w, w, d, bn=[1, 1, 1], act=[1, 1, 0], affine_last=False)
        if method in ("byol", "moco_v3"): self.prediction_head = pair(d, h, d)
        if method == "simsiam": self.prediction_head = pair(d, o["prediction_hidden_dim"], d)
        if method == "swav": self.prototypes = nn.Linear(d, o["num_prototypes"], bias=False)
        for name, p in self.named_parameters():
            if name.endswith("weight_g"): p.data.fill_(1.0); p.requires_grad_(False)
            elif p.dim() >= 2: p.data = G.fill(name, tuple(p.shape), math.sqrt(3 / p[0].numel()))
            else: p.data = G.fill(name, tuple(p.shape), 0.1) + (0.5 if name.endswith("weight") else 1)

    def embed(self, x): return self.projection_head(self.backbone(x))


def vit_forward(self, x):  # other sizes: positions by DINO's rule
    x = self.patch_embed.proj(x); side = x.shape[2]; x = x.flatten(2).transpose(1, 2); b, n, d = x.shape
    pos = self.pos_embed; grid = int(math.sqrt(pos.shape[1] - 1))
    if grid != side:
        patch = F.interpolate(pos[:, 1:].reshape(1, grid, grid, d).permute(0, 3, 1, 2), scale_factor=(side + 0.1) / grid, mode="bicubic")
        pos = torch.cat([pos[:, :1], patch.permute(0, 2, 3, 1).reshape(1, -1, d)], 1)
    x = torch.cat([self.cls_token.expand(b, -1, -1), x], 1) + pos; n += 1
    for k in self.blocks:
        q, key, v = k.attn.qkv(k.norm1(x)).view(b, n, 3, self.nh, d // self.nh).permute(2, 0, 3, 1, 4)
        a = (q @ key.transpose(-1, -2) * (d // self.nh) ** -0.5).softmax(-1) @ v
        x = x + k.attn.proj(a.transpose(1, 2).reshape(b, n, d)); x = x + k.mlp.fc2(F.gelu(k.mlp.fc1(k.norm2(x))))
    return self.norm(x)[:, 0]
G.Vit.forward = vit_forward


# Barlow Twins' sum over all pairs is steep.  At lr 1e-3 PyTorch's own float32 gives a fifth loss of 82.862 where float64 gives
# 83.219 (4.3e-3 off); at 1e-4 the two agree to 1e-6, so that is the rate at which an error of ours would show.
rate = lambda method: LR / 100 if method == "barlow_twins" else LR


def steps(case, backbone):
    o = METHODS[case]
    method = case.replace("_multicrop", "")
    crops = 2 + o.get("num_crops", 0)
    net = Network(method, backbone, o).double().train()
    target = Network(method, backbone, o).double().train() if method in ("byol", "dino", "moco_v2", "moco_v3") else None
    queue = F.normalize(G.fill("moco.queue", (K, o["projection_dim"]), 1.0).double(), dim=1).float().double()
    center = torch.zeros(1, o["projection_dim"]).double()
    optimizer = torch.optim.SGD([p for p in net.parameters() if p.requires_grad], lr=rate(method), momentum=MOMENTUM, weight_decay=DECAY)
    losses = []
    for step in range(STEPS):
        side = lambda v: SIZE if v < 2 else LOCAL
        x = [G.fill(f"step{step}.view{v}", (BATCH, 3, side(v), side(v)), 1.7).double() for v in range(crops)]
        if target is not None:
            with torch.no_grad():
                for t, p in zip(target.parameters(), net.parameters()):
                    t.mul_(KEEP).add_(p, alpha=1 - KEEP)
                keys = target.embed(torch.cat(x[:2])).chunk(2) if method == "dino" else [target.embed(v) for v in (x[1:] if method == "moco_v2" else x)]
        if method == "swav":
            with torch.no_grad():
                net.prototypes.weight.copy_(F.normalize(net.prototypes.weight))
        if method in ("simclr", "swav", "dino"):  # views of one size go through the network together, heads once over all
            f = [net.backbone(torch.cat(x[:2]))] + ([net.backbone(torch.cat(x[2:]))] if crops > 2 else [])
            z = net.projection_head(torch.cat(f)).chunk(crops)
        elif method == "moco_v2": z = [net.embed(x[0])]
        else: z = [net.embed(v) for v in x]
        if method == "simclr": loss = G.nt_xent(*z, o["temperature"])
        elif method == "barlow_twins": loss = G.barlow(*z, o["lambda_param"])
        elif method == "swav": loss = G.swav(z, net.prototypes.weight, None, 0.05, 3, 0.1)[0]
        elif method == "dino": loss, center = G.dino(z, keys, center, 0.1, 0.04, 0.9)
        elif method == "moco_v2":
            loss = G.info_nce_queue(z[0], keys[0], queue.clone(), o["temperature"])
            at = (step * BATCH + torch.arange(BATCH)) % K
            queue[at] = F.normalize(keys[0])
        else:
            p = [net.prediction_head(v) for v in z]
            if method == "simsiam": loss = G.neg_cosine(*p, *z)
            elif method == "byol": loss = G.byol(*p, *keys)
            else: loss = G.info_nce_batch(*p, *keys, o["temperature"])
        optimizer.zero_grad(); loss.backward(); optimizer.step()
        losses.append(loss.detach())
    return torch.stack(losses)


def spec(case, backbone):
    o = METHODS[case]
    lines = dict(method=case.replace("_multicrop", ""), backbone=BACKBONES[backbone], optimizer="sgd", lr=rate(case), momentum=MOMENTUM, shards=4, batch=BATCH)
    lines |= {"weight-decay": DECAY, "image-size": SIZE, "batch-norm": "sync"}
    text = "".join(f"{k}: {v}\n" for k, v in lines.items()) + "option:\n" + "".join(f"  {k}: {v}\n" for k, v in o.items())
    return text + (f"augment:\n  local_size: {LOCAL}\n" if o.get("num_crops") else "")


if __name__ == "__main__":
    G.OUT = Path(argv[1])
    only = argv[2:]
    for case in METHODS:
        for backbone in BACKBONES:
            if only and case not in only: continue
            losses = steps(case, backbone)
            print(f"{case} {backbone}: " + " ".join(f"{float(v):.6f}" for v in losses), flush=True)
            G.save(f"steps_{case}_{backbone}", dict(loss=losses), spec=spec(case, backbone), steps=STEPS, views=2 + METHODS[case].get("num_crops", 0),
                   batch=BATCH, image_size=SIZE, local_size=LOCAL)
