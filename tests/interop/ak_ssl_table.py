#!/usr/bin/env python3
# tests/interop/ak_ssl_table.py -- where AK_SSL, as published, departs from the papers: observed by running it.
"""
    ak_ssl_table.py CASES_DIR      # needs torch, safetensors and ak-ssl

CASES_DIR holds cases of the papers' losses (tests/golden, or lightly's): what akssl's own numerics are tested against.
Each row says what AK_SSL gives on the same numbers and what the paper's definition gives.  Fails when AK_SSL no longer
differs where a row says that it does: then akssl's documentation is out of date.
"""
import sys
from pathlib import Path
import torch
import torch.nn as nn
from safetensors import safe_open
from AK_SSL.vision.models import DINO, MoCov3, SimSiam, SwAV
from AK_SSL.vision.models.moco import MoCoV2
from AK_SSL.vision.models.modules.losses.barlow_twins_loss import BarlowTwinsLoss
from AK_SSL.vision.models.modules.losses.byol_loss import BYOLLoss
from AK_SSL.vision.models.modules.losses.dino_loss import DINOLoss
from AK_SSL.vision.models.modules.losses.info_nce import InfoNCE_MoCoV3
from AK_SSL.vision.models.modules.losses.negative_cosine_similarity import NegativeCosineSimilarity
from AK_SSL.vision.models.modules.losses.nt_xent import NT_Xent
from AK_SSL.vision.models.modules.losses.swav_loss import SwAVLoss

CASES = Path(sys.argv[1])
torch.manual_seed(3)


def case(name):
    with safe_open(CASES / f"{name}.safetensors", "pt") as f:
        return {k: f.get_tensor(k).double() for k in f.keys()}


def backbone():
    return nn.Sequential(nn.Flatten(), nn.Linear(48, 16), nn.ReLU())


def views(n=2):
    return [torch.randn(8, 3, 4, 4) for _ in range(n)]


rows = []


def row(method, what, theirs, papers, same=False):
    rows.append((method, what, theirs, papers))
    agree = abs(theirs - papers) <= 1e-5 * max(1.0, abs(papers))
    if agree != same:
        sys.exit(f"ak-ssl, {method}: {what}: {theirs} against {papers}: the table is out of date")


c = case("loss_nt_xent_t0.5")
row("simclr", "the loss", NT_Xent(0.5)(c["z0"], c["z1"]).item(), c["loss"].item(), same=True)
c = case("loss_byol")
row("byol", "the loss", BYOLLoss()((c["p0"], c["target0"]), (c["p1"], c["target1"])).item(), c["loss"].item(), same=True)

c = case("loss_barlow_twins")
row("barlow_twins", "the loss: rows are normalised first, deviations unbiased, off-diagonals drawn to -1",
    BarlowTwinsLoss(5e-3)(c["z0"].clone(), c["z1"].clone()).item(), c["loss"].item())

c = case("loss_dino")
dino = DINOLoss(48, 0.1, 0.04, center_momentum=0.9)
dino.center = c["center"]
row("dino", "the loss at the paper's temperatures", dino([c["student0"], c["student1"]], [c["teacher0"], c["teacher1"]]).item(),
    c["loss"].item(), same=True)
row("dino", "default temperature of the teacher", DINO(backbone(), 16, num_crops=0).temp_teacher, 0.04)
row("dino", "default momentum of the centre", DINOLoss(48, 0.1, 0.04).center_momentum, 0.9)

c = case("loss_info_nce_batch") if (CASES / "loss_info_nce_batch.safetensors").exists() else None
if c:
    row("moco_v3", "the loss lacks the factor of 2 temperature",
        InfoNCE_MoCoV3(0.2)((c["q0"], c["q1"]), (c["k0"], c["k1"])).item(), c["loss"].item())
moco = MoCov3(backbone(), 16)
with torch.no_grad():
    for p in moco.encoder_q.parameters():
        p.add_(1)
moco(*views())
moved = max((k - (q - 1)).abs().max() for q, k in zip(moco.encoder_q.parameters(), moco.encoder_k.parameters())).item()
row("moco_v3", "default momentum of the target, which therefore never moves", moco.moving_average_decay, 0.99)
row("moco_v3", "the key network's move after the query network moved by 1 (0: none)", round(moved, 4), 0.0, same=True)

simsiam = SimSiam(backbone(), 16, 32, 32, 8)
(z0, p0), (z1, p1) = simsiam(*views())
z0.retain_grad()
NegativeCosineSimilarity()((z0.detach().requires_grad_(True), p0), (z1, p1))
loss = NegativeCosineSimilarity()((z0, p0.detach()), (z1, p1.detach()))
loss.backward()
row("simsiam", "gradient that reaches z through the loss (the paper stops it)", float(z0.grad.abs().sum() > 0), 0.0)

swav = SwAV(backbone(), 16, 12, 24, num_prototypes=20, num_crops=0)
scores, codes = swav(*views(), [])
loss = SwAVLoss(2)(scores, codes)
loss.backward()
reached = any(p.grad is not None for p in swav.backbone.parameters())
row("swav", "the encoder gets a gradient (1: yes)", float(reached), 1.0)
row("swav", "sign of the loss", float(torch.sign(loss.detach())), 1.0)
x = views()
first = swav(torch.zeros_like(x[0]), x[1], [])[0][0]
second = swav(torch.ones_like(x[0]), x[1], [])[0][0]
row("swav", "the first view changes the scores (1: yes)", float((first - second).abs().max() > 1e-4), 1.0)

try:
    MoCoV2(backbone(), 16, K=16)(*views())
    on_cpu = 1.0
except Exception:
    on_cpu = 0.0 if not torch.cuda.is_available() else 1.0
if not torch.cuda.is_available():
    row("moco_v2", "runs on a CPU (1: yes)", on_cpu, 1.0)

width = max(len(r[1]) for r in rows)
print(f"{'method':13} {'what':{width}} {'ak-ssl':>12} {'paper, akssl':>13}")
for method, what, theirs, papers in rows:
    print(f"{method:13} {what:{width}} {theirs:12.6g} {papers:13.6g}")
