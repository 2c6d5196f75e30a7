#!/usr/bin/env python3
"""Of what Pillow opens, how much does fruitnode accept, and how near are its pixels; of what Pillow
refuses, does it refuse all.

    python hostile_pillow.py FRUITNODE PHOTOGRAPHS [N]      # Pillow 13.0, numpy

PHOTOGRAPHS is a folder of photographs (Fruits-360); N of them (default 150), spread evenly, are
taken as they are and saved anew by Pillow in every mode, quality, sampling and coding it knows;
then each kind is damaged: cut at 40 places, and one byte changed at 40 places. Each file goes to
`fruitnode decode-one`, which is what a node decodes suspects with. Prints one line a kind.
"""
import io, os, random, struct, subprocess, sys, warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

warnings.simplefilter("ignore")
program, folder = sys.argv[1], Path(sys.argv[2])
count = int(sys.argv[3]) if len(sys.argv) > 3 else 150
limits = [str(n) for n in (64 << 20, 16384, 100_000_000, 640 << 20)]
draw = random.Random(5)


def pillow(data):
    """RGB as Pillow gives it, or None where it refuses."""
    try:
        return np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB"))
    except Exception:
        return None


def ours(data):
    """RGB or the code of the error."""
    done = subprocess.run([program, "decode-one", *limits], input=data, capture_output=True)
    head, body = done.stdout[:13], done.stdout[13:]
    if done.returncode != 0 or head[:4] != b"FRG1":
        return f"DIED {done.returncode}"
    first, second = struct.unpack("<II", head[5:])
    if head[4]:
        return body[:first].decode()
    return np.frombuffer(body, np.uint8).reshape(second, first, 3)


def save(image, kind, **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def kinds(photograph):
    """The photograph in every form: name, bytes."""
    yield "jpeg as it came", photograph
    image = Image.open(io.BytesIO(photograph)).convert("RGB")
    gray, large = image.convert("L"), image.resize((257, 193), Image.BICUBIC)
    for quality in (30, 75, 95):
        for sampling in (0, 1, 2):
            yield "jpeg baseline", save(large, "JPEG", quality=quality, subsampling=sampling)
        yield "jpeg progressive", save(image, "JPEG", quality=quality, progressive=True)
    yield "jpeg optimised", save(large, "JPEG", optimize=True)
    yield "jpeg restarts", save(large, "JPEG", restart_marker_blocks=3)
    yield "jpeg gray", save(gray, "JPEG")
    yield "jpeg cmyk", save(large.convert("CMYK"), "JPEG")
    exif = Image.Exif()
    exif[0x112] = draw.randrange(1, 9)
    yield "jpeg turned", save(large, "JPEG", exif=exif)
    alpha = image.copy()
    alpha.putalpha(gray)
    for mode in ("1", "L", "LA", "P", "RGB", "RGBA"):
        source = alpha if mode == "RGBA" else alpha.convert("LA") if mode == "LA" else image.convert(mode)
        yield f"png {mode}", save(source, "PNG")
    yield "png 16 bits", save(Image.fromarray(np.asarray(gray).astype(np.uint16) * 257), "PNG")
    yield "png transparent colour", save(image.quantize(16), "PNG", transparency=3)
    yield "webp lossless", save(image, "WEBP", lossless=True)
    yield "webp lossless alpha", save(alpha, "WEBP", lossless=True)
    for quality in (40, 80):
        yield "webp lossy", save(large, "WEBP", quality=quality)
    yield "webp lossy alpha", save(alpha, "WEBP", quality=70)
    yield "webp moving", save(image, "WEBP", save_all=True, append_images=[gray.convert("RGB")])


def judge(totals, kind, data):
    row = totals.setdefault(kind, dict(opened=0, accepted=0, values=0, near=0, refused=0, both=0, codes={}))
    theirs, mine = pillow(data), ours(data)
    if isinstance(mine, str) and mine.startswith("DIED"):
        print("DIED", kind, mine)
    if theirs is None:
        row["refused"] += 1
        row["both"] += isinstance(mine, str)
        return
    row["opened"] += 1
    if isinstance(mine, str):
        row["codes"][mine] = row["codes"].get(mine, 0) + 1
        return
    row["accepted"] += 1
    row["values"] += theirs.size
    if mine.shape == theirs.shape:
        row["near"] += int((np.abs(mine.astype(int) - theirs.astype(int)) <= 2).sum())


def show(totals):
    print(f"{'kind':28}{'opened':>8}{'accepted':>10}{'within 2':>11}{'refused':>9}{'by both':>9}")
    whole = dict(opened=0, accepted=0, values=0, near=0, refused=0, both=0)
    rows = list(totals.items())
    for _, row in rows:
        for name in whole:
            whole[name] += row[name]
    for kind, row in rows + [("all", whole)]:
        near = f"{100 * row['near'] / row['values']:.3f} %" if row["values"] else "-"
        print(f"{kind:28}{row['opened']:8}{row['accepted']:10}{near:>11}{row['refused']:9}{row['both']:9}",
              row.get("codes") or "")


files = sorted(folder.rglob("*.jpg"))
files = files[:: max(1, len(files) // count)][:count]
good, damaged = {}, {}
for number, file in enumerate(files):
    photograph = file.read_bytes()
    for kind, data in kinds(photograph):
        judge(good, kind, data)
        if number < 1:
            for _ in range(40):
                judge(damaged, f"{kind}, cut", data[: draw.randrange(len(data))])
                at = draw.randrange(len(data))
                judge(damaged, f"{kind}, byte changed", data[:at] + bytes([data[at] ^ (1 << draw.randrange(8))]) + data[at + 1:])
print("whole files")
show(good)
print("damaged files (what Pillow tolerates of damage may be refused; what it refuses must be)")
show(damaged)
