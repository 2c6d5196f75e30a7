#!/usr/bin/env python3
"""Record what torchvision, timm and Transformers compute with made-up weights of MobileNetV2.

    python -m venv v && v/bin/pip install torch torchvision timm transformers safetensors numpy
    v/bin/python mobilenet.py features ../data/mobilenet_features.safetensors
    v/bin/python mobilenet.py channels        # the table in node/vision/src/model/mobilenet_v2.rs

Weights and photographs are functions of (tensor name, index), here and in
node/vision/src/model/tests/synthetic.rs, so that only the features need recording: every eighth one of
each (library, width, height, width), f32. Made with torch 2.15, torchvision 0.29, timm 1.0.31,
Transformers 5.23.
"""
import sys

import numpy as np
import torch

WIDTHS = (0.35, 1.0, 1.4)
SIZES = ((96, 96), (97, 97), (131, 131), (224, 224), (131, 97))
EVERY = 8


def uniform(name, count):
    """`count` values in [0, 1): SplitMix64 from the FNV-1a hash of the name, upper 24 bits."""
    state = 0xCBF29CE484222325
    for byte in name.encode():
        state = (state ^ byte) * 0x100000001B3 % 2**64
    with np.errstate(over="ignore"):
        index = np.arange(1, count + 1, dtype=np.uint64)
        z = np.uint64(state) + index * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z ^= z >> np.uint64(31)
    return (z >> np.uint64(40)).astype(np.float64) / 2**24


def tensor(name, shape):
    """The made-up tensor: statistics that differ by channel, weights that keep the scale."""
    u = uniform(name, int(np.prod(shape)))
    if len(shape) == 4:
        values = (u * 2 - 1) * np.sqrt(6.0 / (shape[1] * shape[2] * shape[3]))
    elif name.endswith(("running_var", ".weight")):
        values = 0.5 + u
    else:
        values = u - 0.5
    return torch.from_numpy(values.astype(np.float32).reshape(shape))


def fill(model):
    state = model.state_dict()
    made = {k: tensor(k, tuple(v.shape)) for k, v in state.items() if v.is_floating_point()}
    model.load_state_dict({**state, **made})
    return model.eval()


def models(width):
    import timm
    import torchvision
    from transformers import MobileNetV2Config, MobileNetV2ForImageClassification

    vision = fill(torchvision.models.mobilenet_v2(width_mult=width))
    yield "torchvision", lambda x: vision.features(x).mean((2, 3))
    image = fill(timm.create_model(f"mobilenetv2_{round(width * 100):03d}"))
    yield "timm", lambda x: image.forward_features(x).mean((2, 3))
    # As google/mobilenet_v2_1.0_224 is saved: with the prefix that the classifier's class adds.
    config = MobileNetV2Config(depth_multiplier=width, num_labels=1001)
    former = fill(MobileNetV2ForImageClassification(config))
    yield "transformers", lambda x: former.mobilenet_v2(x).pooler_output


@torch.no_grad()
def features(path):
    from safetensors.numpy import save_file

    out = {}
    for width in WIDTHS:
        for library, network in models(width):
            for height, across in SIZES:
                photo = (uniform("photograph", height * across * 3) * 4 - 2).astype(np.float32)
                x = torch.from_numpy(photo.reshape(1, height, across, 3)).permute(0, 3, 1, 2)
                row = network(x).numpy()[0]
                print(library, width, height, across, row.shape, np.abs(row).max())
                out[f"{library}/{width}/{height}x{across}"] = np.ascontiguousarray(row[::EVERY])
    save_file(out, path)


def channels():
    import torchvision

    for width in (0.35, 0.5, 0.75, 1.0, 1.3, 1.4):
        f = torchvision.models.mobilenet_v2(width_mult=width).features
        stages = [f[i].out_channels for i in (1, 3, 6, 10, 13, 16, 17)]
        print(f"({round(width * 100)}, {f[0][0].out_channels}, {stages}, {f[18][0].out_channels}),")


if __name__ == "__main__":
    torch.set_num_threads(2)
    {"features": lambda: features(sys.argv[2]), "channels": channels}[sys.argv[1]]()
