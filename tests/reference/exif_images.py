#!/usr/bin/env python3
"""Draw small images with every EXIF orientation, and with hostile EXIF; record what Pillow makes of them.

    python exif_images.py ../data/exif        # Pillow 13.0, numpy

Writes the images; `index.txt`, one line a file (name, width, height of the upright picture); and
`expected.rgb`: the pixels of `ImageOps.exif_transpose(Image.open(..)).convert("RGB")`, in that order.
Where Pillow itself raises over the EXIF, the pixels are those without it.
"""
import io, os, struct, sys, zlib

import numpy as np
from PIL import Image, ImageOps

out = sys.argv[1]
os.makedirs(out, exist_ok=True)
y, x = np.mgrid[0:17, 0:26].astype(float)
scene = np.stack([9 * x, 14 * y, 90 + 3 * x + 2 * y], -1).clip(0, 255).astype(np.uint8)
image = Image.fromarray(scene)


def tiff(entries, order=">", magic=42):
    head = (b"MM" if order == ">" else b"II") + struct.pack(order + "HL", magic, 8)
    body = struct.pack(order + "H", len(entries))
    for tag, kind, count, value in entries:
        body += struct.pack(order + "HHL", tag, kind, count) + value.ljust(4, b"\0")
    return head + body + b"\0\0\0\0"


def short(value, order=">"):
    return (0x0112, 3, 1, struct.pack(order + "H", value))


def cases():
    for n in range(0, 10):
        yield f"big_{n}", tiff([short(n)])
    for n in (3, 6, 8):
        yield f"little_{n}", tiff([short(n, "<")], "<")
    yield "long_6", tiff([(0x0112, 4, 1, struct.pack(">L", 6))])
    yield "byte_6", tiff([(0x0112, 1, 1, b"\6")])
    yield "ascii_6", tiff([(0x0112, 2, 2, b"6\0")])
    yield "two_values", tiff([(0x0112, 3, 2, struct.pack(">HH", 6, 3))])
    yield "none", tiff([(0x0112, 3, 0, b"\0\6")])
    yield "twice", tiff([short(6), short(3)])
    yield "unknown_type", tiff([(0x0112, 99, 1, b"\0\6"), short(8)])
    yield "after_nowhere", tiff([(0x010F, 2, 900, b"\xff\xff\xff\xff"), short(6)])
    yield "before_nowhere", tiff([short(6), (0x010F, 2, 900, b"\xff\xff\xff\xff")])
    yield "count_beyond", tiff([short(6)])[:8] + b"\xff\xff" + tiff([short(6)])[10:]
    yield "cut_entry", tiff([short(6)])[:16]
    yield "empty", b""
    yield "garbage", b"this is no TIFF at all"
    yield "directory_beyond", b"MM\0*\xff\xff\xff\xf0"
    yield "directory_in_head", b"MM\0*\0\0\0\0" + b"\0" * 20
    yield "wrong_magic", tiff([short(6)], magic=7)
    yield "swapped_magic", b"MM*\0" + tiff([short(6)])[4:]
    yield "prefix_again", b"Exif\0\0" + tiff([short(6)])


def saved(kind, **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def segment(payload):
    return b"\xff\xe1" + struct.pack(">H", len(payload) + 2) + payload


def jpeg(exif):
    plain = saved("JPEG", quality=95, subsampling=0)
    return plain[:2] + segment(b"Exif\0\0" + exif) + plain[2:]


def chunk(kind, body):
    return struct.pack(">L", len(body)) + kind + body + struct.pack(">L", zlib.crc32(kind + body))


def png(exif, late=False):
    plain = saved("PNG")
    at = len(plain) - 12 if late else 33
    return plain[:at] + chunk(b"eXIf", exif) + plain[at:]


def webp(exif, flag=8):
    plain = saved("WEBP", lossless=True)[12:]
    head = struct.pack("<LBBH", 10, flag, 0, 0)[:8] + struct.pack("<L", 25)[:3] + struct.pack("<L", 16)[:3]
    tail = b"EXIF" + struct.pack("<L", len(exif)) + exif + b"\0" * (len(exif) & 1)
    body = b"WEBPVP8X" + head + plain + tail
    return b"RIFF" + struct.pack("<L", len(body)) + body


index, expected = [], []


def keep(name, data):
    with Image.open(io.BytesIO(data)) as opened:
        opened.load()
        try:
            upright = ImageOps.exif_transpose(opened)
        except Exception as error:
            print(f"{name}: Pillow raises {error!r}")
            upright = opened
        rgb = np.asarray(upright.convert("RGB"))
    open(f"{out}/{name}", "wb").write(data)
    index.append(f"{name} {rgb.shape[1]} {rgb.shape[0]}")
    expected.append(rgb.tobytes())


for name, exif in cases():
    keep(f"{name}.jpg", jpeg(exif))
    keep(f"{name}.png", png(exif))
    keep(f"{name}.webp", webp(exif))
keep("late_6.png", png(tiff([short(6)]), late=True))
keep("unflagged_6.webp", webp(tiff([short(6)]), flag=0))
plain = saved("JPEG", quality=95, subsampling=0)
far = tiff([(0x010F, 2, 40, struct.pack(">L", 60)), short(6)]) + b"a" * 80
keep("split.jpg", plain[:2] + segment(b"Exif\0\0" + far[:30]) + segment(b"Exif\0\0" + far[30:]) + plain[2:])
open(f"{out}/index.txt", "w").write("\n".join(index) + "\n")
open(f"{out}/expected.rgb", "wb").write(b"".join(expected))
