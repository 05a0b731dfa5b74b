#!/usr/bin/env python3
# tests/golden/positions.py -- positions of vision transformers: resized as DINO does, and MoCo v3's, by PyTorch in float64.
"""
    /usr/bin/python3 tests/golden/positions.py OUT_DIR     # needs torch (Debian: python3-torch)

positions.safetensors holds, for a grid of FROM x FROM patches and a view with TO x TO, `matrix.FROM_TO` [TO*TO, FROM*FROM]:
the resizing is linear, so that new = matrix @ old for positions in rows; and `sincos.GRID_WIDTH` [1+GRID*GRID, WIDTH].
"""
import json, math, struct, sys
from pathlib import Path
import torch
import torch.nn.functional as F

SIZES = [(14, 6), (7, 3), (8, 4), (4, 7), (6, 7), (3, 1)]
SINCOS = [(8, 192), (3, 8)]


def resized(grid, to):
    """Bicubic over the patches' grid, at the explicit scale (to + 0.1) / grid: of each unit vector, a column of the matrix."""
    planes = torch.eye(grid * grid, dtype=torch.float64).reshape(1, grid * grid, grid, grid)
    scale = (to + 0.1) / math.sqrt(grid * grid)
    out = F.interpolate(planes, scale_factor=(scale, scale), mode="bicubic")
    assert out.shape[-2:] == (to, to)
    return out.reshape(grid * grid, to * to).t()


def sincos(grid, width):
    """Row of the grid first, column second; sines before cosines; the class token's row is zeros."""
    omega = 1 / 10000 ** (torch.arange(width // 4, dtype=torch.float64) / (width // 4))
    y, x = torch.meshgrid(torch.arange(grid, dtype=torch.float64), torch.arange(grid, dtype=torch.float64), indexing="ij")
    y, x = torch.outer(y.flatten(), omega), torch.outer(x.flatten(), omega)
    return torch.cat([torch.zeros(1, width), torch.cat([y.sin(), y.cos(), x.sin(), x.cos()], 1)])


tensors = {f"matrix.{a}_{b}": resized(a, b) for a, b in SIZES} | {f"sincos.{g}_{w}": sincos(g, w) for g, w in SINCOS}
header, blobs, offset = {"__metadata__": {"made_by": "positions.py"}}, [], 0
for name, t in tensors.items():
    data = t.to(torch.float32).contiguous().numpy().tobytes()
    header[name] = {"dtype": "F32", "shape": list(t.shape), "data_offsets": [offset, offset + len(data)]}
    blobs.append(data)
    offset += len(data)
head = json.dumps(header).encode()
head += b" " * (-len(head) % 8)
Path(sys.argv[1], "positions.safetensors").write_bytes(struct.pack("<Q", len(head)) + head + b"".join(blobs))
