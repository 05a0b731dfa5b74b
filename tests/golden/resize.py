#!/usr/bin/env python3
# tests/golden/resize.py -- images cut and resized by torchvision, in float64: what ak_resample must give.
"""
    /usr/bin/python3 tests/golden/resize.py OUT_DIR [SEED]     # needs torch and torchvision (Debian: python3-torch, python3-torchvision)

resize.safetensors holds two images of bytes (`colour` 3 x H x W, `gray` 1 x H x W) and, for each box, `FILTER.NAME`:
the planes in [0,1], antialias, clamped.  A text of the same name says which image, box and size.  PIL, which rounds to
bytes after each axis, must agree to 2/255 on the colours, so that the two libraries stand for one definition; on black
and white it does not, since it cuts off what overshoots after each axis too.
"""
import json, struct, sys
from pathlib import Path
import numpy as np
import torch
import torchvision.transforms.functional as TF
from PIL import Image
from torchvision.transforms import InterpolationMode

FILTERS = {"bilinear": (InterpolationMode.BILINEAR, Image.BILINEAR), "bicubic": (InterpolationMode.BICUBIC, Image.BICUBIC)}
BOXES = {  # image, top, left, height, width, new height, new width
    "up": ("colour", 10, 8, 12, 14, 32, 32),
    "down": ("colour", 3, 5, 30, 28, 16, 16),
    "same": ("colour", 1, 2, 16, 16, 16, 16),
    "mixed": ("colour", 0, 20, 40, 7, 9, 20),
    "far_down": ("colour", 0, 0, 40, 38, 8, 8),
    "pixel": ("colour", 39, 37, 1, 1, 8, 8),
    "gray_up": ("gray", 0, 0, 28, 28, 32, 32),
    "gray_down": ("gray", 2, 3, 25, 20, 18, 18),
}


def save(path, tensors, texts):
    header, blobs, offset = {"__metadata__": texts}, [], 0
    for name, t in tensors.items():
        data = t.contiguous().numpy().tobytes()
        header[name] = {"dtype": "U8" if t.dtype == torch.uint8 else "F32", "shape": list(t.shape), "data_offsets": [offset, offset + len(data)]}
        blobs.append(data)
        offset += len(data)
    head = json.dumps(header).encode()
    head += b" " * (-len(head) % 8)
    path.write_bytes(struct.pack("<Q", len(head)) + head + b"".join(blobs))


def by_pil(image, top, left, height, width, size, method):
    box = image[:, top : top + height, left : left + width].numpy()
    planes = [np.asarray(Image.fromarray(plane).resize(size[::-1], method)) for plane in box]
    return torch.from_numpy(np.stack(planes)).double() / 255


def main():
    out = Path(sys.argv[1])
    torch.manual_seed(int(sys.argv[2]) if len(sys.argv) > 2 else 0)
    torch.set_num_threads(1)
    blocks = torch.rand(3, 6, 7).repeat_interleave(7, 1).repeat_interleave(6, 2)[:, :40, :38]
    colour = ((blocks * 0.7 + torch.rand(3, 40, 38) * 0.3) * 255).to(torch.uint8)
    gray = (torch.rand(1, 28, 28).round() * 255).to(torch.uint8)  # black and white: what overshoots most
    tensors, texts = {"colour": colour, "gray": gray}, {}
    for name, (which, top, left, height, width, h, w) in BOXES.items():
        for filter_name, (mode, method) in FILTERS.items():
            image = tensors[which]
            y = TF.resized_crop(image.double() / 255, top, left, height, width, [h, w], mode, antialias=True).clamp(0, 1)
            apart = (y - by_pil(image, top, left, height, width, (h, w), method)).abs().max().item()
            assert apart <= 2 / 255 or (which, filter_name) == ("gray", "bicubic"), f"{filter_name}.{name}: PIL is {apart} off"
            tensors[f"{filter_name}.{name}"] = y.float()
            texts[f"{filter_name}.{name}"] = f"{which} top {top} left {left} height {height} width {width} -> {h}x{w}"
    out.mkdir(parents=True, exist_ok=True)
    save(out / "resize.safetensors", tensors, texts)


if __name__ == "__main__":
    main()
