#!/usr/bin/env python3
# tests/golden/plain.py -- images as evaluations see them, by torchvision in float64: what ak_plain_crop must give.
"""
    /usr/bin/python3 tests/golden/plain.py OUT_DIR [SEED]     # needs torch and torchvision (Debian: python3-torch, python3-torchvision)

plain.safetensors holds images of bytes (3 x H x W) and, for each case, `FILTER.NAME`: 3 x SIZE x SIZE values in [0,1],
antialias, clamped, by Resize(floor(SIZE / PCT)) and CenterCrop(SIZE); a square image of SIZE or less is resized alone.
A text of the same name says which image, size and crop_pct.  The same transforms on PIL's images must agree to 2/255.
"""
import math, sys
from pathlib import Path
import torch
import torchvision.transforms as T
import torchvision.transforms.functional as TF
from PIL import Image
from torchvision.transforms import InterpolationMode
from resize import save

FILTERS = {"bilinear": InterpolationMode.BILINEAR, "bicubic": InterpolationMode.BICUBIC}
IMAGES = {"landscape": (45, 70), "portrait": (83, 40), "narrow": (9, 64), "small": (18, 23), "square": (50, 50), "tiny": (19, 19), "same": (24, 24)}
CASES = {  # image, size, crop_pct
    "wide": ("landscape", 32, 0.875),
    "odd": ("landscape", 24, 0.875),  # of 27: 1.5 above, and half of an odd number beside
    "high": ("portrait", 24, 0.875),
    "strip": ("narrow", 16, 0.875),
    "enlarged": ("small", 24, 0.875),
    "square": ("square", 24, 0.875),
    "half": ("square", 24, 0.96),  # of 25: 0.5
    "all_of_it": ("landscape", 24, 1),
    "inner": ("portrait", 24, 0.3),
    "tiny": ("tiny", 24, 0.875),
    "same": ("same", 24, 0.875),
}


def blocks(height, width):
    coarse = torch.rand(3, height // 6 + 1, width // 7 + 1).repeat_interleave(6, 1).repeat_interleave(7, 2)[:, :height, :width]
    return ((0.2 + coarse * 0.4 + torch.rand(3, height, width) * 0.2) * 255).to(torch.uint8)  # room for what overshoots


def transform(image_size, size, pct, mode):
    if image_size[0] == image_size[1] <= size:
        return T.Resize([size, size], mode, antialias=True)
    return T.Compose([T.Resize(math.floor(size / pct), mode, antialias=True), T.CenterCrop(size)])


def main():
    out = Path(sys.argv[1])
    torch.manual_seed(int(sys.argv[2]) if len(sys.argv) > 2 else 0)
    torch.set_num_threads(1)
    tensors, texts = {name: blocks(*size) for name, size in IMAGES.items()}, {}
    for name, (which, size, pct) in CASES.items():
        for filter_name, mode in FILTERS.items():
            image = tensors[which]
            plain = transform(IMAGES[which], size, pct, mode)
            y = plain(image.double() / 255).clamp(0, 1)
            by_pil = TF.to_tensor(plain(Image.fromarray(image.permute(1, 2, 0).contiguous().numpy()))).double()
            apart = (y - by_pil).abs().max().item()
            assert y.shape == (3, size, size) and apart <= 2 / 255, f"{filter_name}.{name}: PIL is {apart} off"
            tensors[f"{filter_name}.{name}"] = y.float()
            texts[f"{filter_name}.{name}"] = f"{which} size {size} crop_pct {pct}"
    out.mkdir(parents=True, exist_ok=True)
    save(out / "plain.safetensors", tensors, texts)


if __name__ == "__main__":
    main()
