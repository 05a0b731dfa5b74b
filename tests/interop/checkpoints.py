# tests/interop/checkpoints.py -- checkpoints of the classes that AK_SSL, lightly and solo-learn really have.
#
#     checkpoints.py BIN_DIR FOLDER TOOL...       AK_SSL, lightly, solo-learn
#
# Each is built with random weights and running statistics and saved by the official safetensors; `akssl-client convert` finds
# whose it is by its names; what it makes of it loads strictly into torchvision's or timm's network, which then computes the
# features of the class's own backbone.

import copy
import os
import subprocess
import sys

import torch
import torchvision
from safetensors.torch import load_file, save_file

client, folder = sys.argv[1] + "/akssl-client", sys.argv[2]
torch.manual_seed(5)
x = torch.randn(4, 3, 64, 64)
told = []


def randomise(network):
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            if name.endswith("running_var") or (tensor.dim() == 1 and name.endswith("weight")):
                tensor.uniform_(0.5, 1.5)
            elif tensor.is_floating_point() and tensor.dim() == 1:
                tensor.uniform_(-0.2, 0.2)
    return network.eval()


def resnet(**more):
    network = torchvision.models.resnet18(**more)
    network.fc = torch.nn.Identity()
    return network


def check(tool, what, checkpoint, theirs, ours, said=None):
    """ours is a network as torchvision's or timm's, with other weights; theirs a function of images."""
    tensors = {name: tensor.clone().contiguous() for name, tensor in checkpoint.items() if torch.is_tensor(tensor)}
    given, made = f"{folder}/theirs.safetensors", f"{folder}/ours.safetensors"
    save_file(tensors, given)
    done = subprocess.run([client, "convert", given, made], capture_output=True, text=True)
    assert done.returncode == 0, (tool, what, done.stderr)
    assert f"a checkpoint of {said or tool} " in done.stdout, (tool, what, done.stdout)
    ours.load_state_dict(load_file(made), strict=True)
    ours.eval()
    with torch.no_grad():
        a, b = ours(x).flatten(1), theirs(x).flatten(1)
    worst = float((a - b).abs().max() / b.abs().max())
    assert b.std(0).mean() > 1e-4, (tool, what, "the features do not depend on the image")
    assert worst < 1e-5, (tool, what, worst)
    os.remove(given)
    os.remove(made)
    told.append(what)


def finish(tool, version):
    print(f"interop: convert reads {tool} {version}:", ", ".join(told))
    told.clear()


def ak_ssl():
    from AK_SSL.vision.models import BYOL, DINO, BarlowTwins, MoCov3, SimCLR, SimSiam, SwAV
    from AK_SSL.vision.models.moco import MoCoV2

    for make, more in (
        (BarlowTwins, {"projection_dim": 64, "hidden_dim": 64}),
        (BYOL, {}),
        (DINO, {}),
        (MoCoV2, {"K": 64}),
        (MoCov3, {}),
        (SimCLR, {}),
        (SimSiam, {}),
        (SwAV, {}),
    ):
        model = randomise(make(resnet(), 512, **more))
        # Where there are two networks, what its authors evaluate: the online one, DINO's student.
        online = next(getattr(model, name) for name in ("student", "online_encoder", "encoder_q", "encoder", "backbone")
                      if hasattr(model, name))
        online = online[0] if isinstance(online, torch.nn.Sequential) and not hasattr(online, "layer1") else online
        check("ak-ssl", make.__name__, model.state_dict(), online, resnet(), "ak-ssl")


def lightly():
    from lightly.models import ResNetGenerator
    from lightly.models.modules import (BarlowTwinsProjectionHead, BYOLPredictionHead, BYOLProjectionHead, DINOProjectionHead,
                                        MoCoProjectionHead, SimCLRProjectionHead, SwaVProjectionHead, SwaVPrototypes)

    class Model(torch.nn.Module):  # as the examples of lightly's documentation
        def __init__(self, backbone, **more):
            super().__init__()
            self.backbone = backbone
            for name, module in more.items():
                setattr(self, name, module)

    def row():
        return torch.nn.Sequential(*list(torchvision.models.resnet18().children())[:-1])

    for what, make in {
        "BarlowTwins": lambda: Model(row(), projection_head=BarlowTwinsProjectionHead(512, 64, 64)),
        "BYOL": lambda: Model(row(), projection_head=BYOLProjectionHead(512, 64, 32), prediction_head=BYOLPredictionHead(32, 64, 32),
                              backbone_momentum=row(), projection_head_momentum=BYOLProjectionHead(512, 64, 32)),
        "MoCo": lambda: Model(row(), projection_head=MoCoProjectionHead(512, 64, 32), backbone_momentum=row(),
                              projection_head_momentum=MoCoProjectionHead(512, 64, 32)),
        "SimCLR": lambda: Model(row(), projection_head=SimCLRProjectionHead(512, 64, 32)),
        "SwAV": lambda: Model(row(), projection_head=SwaVProjectionHead(512, 64, 32), prototypes=SwaVPrototypes(32, 16)),
    }.items():
        model = randomise(make())
        check("lightly", what, model.state_dict(), model.backbone, resnet())
    dino = torch.nn.Module()
    dino.student_backbone, dino.student_head = row(), DINOProjectionHead(512, 64, 32, 64, freeze_last_layer=1)
    dino.teacher_backbone, dino.teacher_head = copy.deepcopy(dino.student_backbone), DINOProjectionHead(512, 64, 32, 64)
    randomise(dino)
    check("lightly", "DINO", dino.state_dict(), dino.teacher_backbone, resnet())
    generated = ResNetGenerator("resnet-18")
    model = randomise(Model(torch.nn.Sequential(*list(generated.children())[:-1], torch.nn.AdaptiveAvgPool2d(1)),
                            projection_head=SimCLRProjectionHead(512, 64, 32)))
    small = resnet()  # lightly's own has a stem of 3 x 3 and no pooling, and its children in a row no ReLU behind the stem
    small.conv1 = torch.nn.Conv2d(3, 64, 3, 1, 1, bias=False)
    small.relu = small.maxpool = torch.nn.Identity()
    check("lightly", "ResNetGenerator", model.state_dict(), model.backbone, small)


def solo_learn():  # 1.0, which PyPI has: "encoder." is its backbone
    from solo.methods import METHODS

    base = {"encoder": "resnet18", "num_classes": 10, "backbone_args": {}, "max_epochs": 1, "batch_size": 4, "optimizer": "sgd",
            "lars": False, "lr": 0.1, "weight_decay": 0, "classifier_lr": 0.1, "exclude_bias_n_norm": False,
            "accumulate_grad_batches": 1, "extra_optimizer_args": {}, "scheduler": "none", "min_lr": 0, "warmup_start_lr": 0,
            "warmup_epochs": 0, "num_large_crops": 2, "num_small_crops": 0, "base_tau_momentum": 0.99,
            "final_tau_momentum": 1.0, "momentum_classifier": False, "proj_hidden_dim": 64, "proj_output_dim": 32}
    for name, options in {
        "barlow_twins": {"lamb": 0.005, "scale_loss": 1},
        "byol": {"pred_hidden_dim": 64},
        "dino": {"num_prototypes": 64, "use_bn_in_head": False, "norm_last_layer": True, "clip_grad": 0, "freeze_last_layer": 1,
                 "student_temperature": 0.1, "teacher_temperature": 0.07, "warmup_teacher_temperature": 0.04,
                 "warmup_teacher_temperature_epochs": 1},
        "mocov2plus": {"temperature": 0.2, "queue_size": 64},
        "simclr": {"temperature": 0.2},
        "simsiam": {"pred_hidden_dim": 64},
        "swav": {"num_prototypes": 64, "sk_iters": 3, "sk_epsilon": 0.05, "temperature": 0.1, "queue_size": 8,
                 "epoch_queue_starts": 0, "freeze_prototypes_epochs": 0},
    }.items():
        model = randomise(METHODS[name](**base, **options))
        check("solo-learn", name, model.state_dict(), model.encoder, resnet())


def version_of(package):
    import importlib.metadata

    return importlib.metadata.version(package)


for tool, package, run in ("AK_SSL", "ak-ssl", ak_ssl), ("lightly", "lightly", lightly), ("solo-learn", "solo-learn", solo_learn):
    if tool not in sys.argv[3:]:
        continue
    try:
        version = version_of(package)
        __import__({"ak-ssl": "AK_SSL.vision.models", "lightly": "lightly.models", "solo-learn": "solo.methods"}[package])
    except Exception as error:  # it is not there, or its version and PyTorch's do not go together
        print(f"interop: skipped: checkpoints of {tool}: {type(error).__name__}: {str(error).splitlines()[0][:200]}")
        continue
    run()
    finish(tool, version)
