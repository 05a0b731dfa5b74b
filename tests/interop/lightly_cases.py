#!/usr/bin/env python3
# tests/interop/lightly_cases.py -- lightly's losses on random tensors, as cases for tests/oracle.cases.
"""
    lightly_cases.py OUT_DIR      # needs torch, safetensors and lightly

A case is written where lightly's definition is the paper's; loss and gradients are lightly's own, in float64.
"""
import sys
from pathlib import Path
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from lightly.loss import BarlowTwinsLoss, DINOLoss, NegativeCosineSimilarity, NTXentLoss, SwaVLoss
from lightly.loss.swav_loss import sinkhorn

OUT = Path(sys.argv[1])
OUT.mkdir(parents=True, exist_ok=True)
torch.manual_seed(11)
BATCH, DIM, OUTPUTS, QUEUE = 12, 24, 48, 96


def rand(*shape):
    return torch.randn(*shape).double().requires_grad_(True)


def save(name, loss, inputs, constants=(), **meta):
    tensors = {"loss": loss.reshape(())} | dict(inputs) | dict(constants)
    for key, grad in zip(inputs, torch.autograd.grad(loss.sum(), list(inputs.values()))):
        tensors["grad." + key] = grad
    save_file({k: v.detach().float().contiguous() for k, v in tensors.items()}, OUT / f"{name}.safetensors",
              {k: str(v) for k, v in meta.items()})


z0, z1 = rand(BATCH, DIM), rand(BATCH, DIM)
for temperature in (0.5, 0.1):
    save(f"loss_nt_xent_t{temperature}", NTXentLoss(temperature)(z0, z1), dict(z0=z0, z1=z1), temperature=temperature)

q, k = rand(BATCH, DIM), torch.randn(BATCH, DIM).double()
bank = NTXentLoss(0.2, memory_bank_size=(QUEUE, DIM))
queue = F.normalize(torch.randn(QUEUE, DIM), dim=1).double()
bank.memory_bank.bank = queue.clone()
save("loss_info_nce_queue_t0.2", bank(q, k), dict(q=q), dict(k=k, queue=queue), temperature=0.2)

z0, z1 = rand(BATCH, DIM), rand(BATCH, DIM)
save("loss_barlow_twins", BarlowTwinsLoss(5e-3)(z0, z1), dict(z0=z0, z1=z1), lambda_param=5e-3, off_diagonal_target=0.0)

p0, p1, t0, t1 = rand(BATCH, DIM), rand(BATCH, DIM), torch.randn(BATCH, DIM).double(), torch.randn(BATCH, DIM).double()
cosine = NegativeCosineSimilarity()
save("loss_negative_cosine", 0.5 * (cosine(p0, t1) + cosine(p1, t0)), dict(p0=p0, p1=p1), dict(z0=t0, z1=t1))
# |p - t|^2 of unit vectors is 2 - 2 cos, a term a view
save("loss_byol", 4 + 2 * (cosine(p0, t1) + cosine(p1, t0)), dict(p0=p0, p1=p1), dict(target0=t0, target1=t1))

for name, crops in (("", 2), ("_multicrop", 6)):
    students = {f"student{i}": rand(BATCH, OUTPUTS) for i in range(crops)}
    teachers = {f"teacher{i}": torch.randn(BATCH, OUTPUTS).double() for i in range(2)}
    dino = DINOLoss(OUTPUTS, teacher_temp=0.04, student_temp=0.1, center_momentum=0.9)
    center = 0.3 * torch.randn(1, 1, OUTPUTS).double()
    dino.center = center.clone()
    loss = dino(list(teachers.values()), list(students.values()))
    save(f"loss_dino{name}", loss, students,
         teachers | dict(center=center[0], new_center=dino.center[0]),
         temp_student=0.1, temp_teacher=0.04, center_momentum=0.9, crops=crops)

prototypes = F.normalize(torch.randn(40, DIM), dim=1).double().requires_grad_(True)
for name, crops, length in (("", 2, 0), ("_multicrop_queue", 5, 36)):
    zs = {f"z{i}": rand(BATCH, DIM) for i in range(crops)}
    scores = [F.normalize(z, dim=1) @ prototypes.t() for z in zs.values()]
    past = F.normalize(torch.randn(2 * length, DIM), dim=1).double().view(2, length, DIM) if length else None
    past_scores = [p @ prototypes.t() for p in past] if length else None
    loss = SwaVLoss(temperature=0.1, sinkhorn_iterations=3, sinkhorn_epsilon=0.05)(scores[:2], scores[2:], past_scores)
    codes = {f"codes{i}": sinkhorn(torch.cat([scores[i], past_scores[i]]) if length else scores[i])[:BATCH] for i in (0, 1)}
    save(f"loss_swav{name}", loss, zs | dict(prototypes=prototypes), codes | (dict(queue=past) if length else {}),
         epsilon=0.05, sinkhorn_iterations=3, temperature=0.1, crops=crops)
print(len(list(OUT.glob("*.safetensors"))), "cases of lightly", file=sys.stderr)
