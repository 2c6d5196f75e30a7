#!/usr/bin/env python3
"""Record what Pillow's Image.resize gives for sizes of every shape.

    python pillow_resize.py > ../data/pillow_resize.txt      # Pillow 12.3, numpy

Up to 12.3 Pillow resizes rows first; 13.0 sometimes columns, where the height shrinks more.

One line a case: source width and height, target width and height, filter, and the first 8 bytes
of the SHA-256 of the result. Sources are noise of a generator that the Rust test repeats.
"""
import hashlib, random

import numpy as np
from PIL import Image


def noise(w, h):
    state, out = w * 1000 + h, bytearray()
    for _ in range(3 * w * h):
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        out.append(state >> 56)
    return Image.fromarray(np.frombuffer(bytes(out), np.uint8).reshape(h, w, 3))


random.seed(5)
cases = [(1, 1, 1, 1), (1, 1, 7, 5), (1, 40, 20, 3), (40, 1, 3, 20), (2, 2, 224, 224), (100, 100, 224, 224),
         (100, 100, 96, 96), (224, 224, 100, 100), (300, 7, 7, 300), (500, 380, 32, 24), (100, 60, 100, 30),
         (100, 60, 50, 60), (16, 16, 17, 15), (33, 48, 48, 33), (640, 3, 1, 1), (97, 89, 16, 16)]
cases += [tuple(random.randint(1, 130) for _ in range(4)) for _ in range(100)]
for case in cases:
    source = noise(*case[:2])
    for name, kind in (("bicubic", Image.BICUBIC), ("bilinear", Image.BILINEAR)):
        digest = hashlib.sha256(source.resize(case[2:], kind).tobytes()).hexdigest()
        print(*case, name, digest[:16])
