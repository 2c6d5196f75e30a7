#!/usr/bin/env python3
"""Draw small images of every kind that fruitnode opens or refuses, and what Pillow makes of them.

    python pillow_images.py ../data/images        # Pillow 13.0, numpy; cjpeg of libjpeg-turbo 2.1

Writes the images; `index.txt`, one line a file (name, `exact` or `close`, width, height; or name,
`refused`, code); and `expected.rgb`: the pixels (height * width * 3 bytes each) that Pillow's
`ImageOps.exif_transpose(Image.open(..)).convert("RGB")` gives for the exact and close ones, in that order.
"""
import io, os, struct, subprocess, sys, zlib

import numpy as np
from PIL import Image, ImageOps

out = sys.argv[1]
rng = np.random.default_rng(7)
index = []
expected = []


def scene(w, h):
    """Smooth colours with an edge: what photographs have and noise has not."""
    y, x = np.mgrid[0:h, 0:w].astype(float)
    r = np.hypot(x - w * 0.55, y - h * 0.45) < min(w, h) * 0.35
    rgb = np.stack([200 + 50 * np.sin(x / 9), 120 + 90 * np.cos(y / 7), 60 + 3 * x], -1)
    rgb[~r] = [250, 251, 249]
    return np.clip(rgb, 0, 255).astype(np.uint8)


def pillow(data):
    with Image.open(io.BytesIO(data)) as im:
        return np.asarray(ImageOps.exif_transpose(im).convert("RGB"))


def keep(name, data, verdict="close"):
    rgb = pillow(data)
    open(f"{out}/{name}", "wb").write(data)
    expected.append(rgb.tobytes())
    index.append(f"{name} {verdict} {rgb.shape[1]} {rgb.shape[0]}")


def refuse(name, data, code, pillow_opens=False):
    try:
        pillow(data)
        opened = True
    except Exception:
        opened = False
    assert opened == pillow_opens, name
    open(f"{out}/{name}", "wb").write(data)
    index.append(f"{name} refused {code}")


def saved(image, kind, **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def cjpeg(array, *options):
    header = f"P6 {array.shape[1]} {array.shape[0]} 255\n".encode()
    return subprocess.run(["cjpeg", "-quality", "90", *options], input=header + array.tobytes(),
                          capture_output=True, check=True).stdout


def jpegs():
    im = Image.fromarray(scene(33, 25))
    for name, chroma in (("444", 0), ("422", 1), ("420", 2)):
        keep(f"baseline_{name}.jpg", saved(im, "JPEG", quality=90, subsampling=chroma))
        keep(f"progressive_{name}.jpg", saved(im, "JPEG", quality=90, subsampling=chroma, progressive=True))
    for name, factor in (("411", "4x1"), ("440", "1x2"), ("410", "4x2"), ("mixed", "2x2,2x1,1x2")):
        keep(f"baseline_{name}.jpg", cjpeg(scene(33, 25), "-sample", factor))
        keep(f"progressive_{name}.jpg", cjpeg(scene(33, 25), "-sample", factor, "-progressive"))
    keep("restarts.jpg", saved(im, "JPEG", quality=90, restart_marker_blocks=2))
    keep("restarts_progressive.jpg", cjpeg(scene(33, 25), "-restart", "1B", "-progressive"))
    scans = f"{out}/scans.txt"
    open(scans, "w").write("0;\n1;\n2;\n")
    refuse("scan_per_component.jpg", cjpeg(scene(33, 25), "-scans", scans), "jpeg_unsupported", pillow_opens=True)
    os.remove(scans)
    keep("gray.jpg", saved(im.convert("L"), "JPEG", quality=90))
    keep("gray_progressive.jpg", saved(im.convert("L"), "JPEG", quality=90, progressive=True))
    keep("gray_sampled_2x2.jpg", cjpeg(scene(33, 25), "-grayscale", "-sample", "2x2"))
    for w, h in ((1, 1), (1, 40), (40, 1), (7, 9), (16, 16), (17, 15)):
        keep(f"size_{w}x{h}.jpg", saved(Image.fromarray(scene(w, h)), "JPEG", quality=90))
    rgb = saved(im, "JPEG", quality=90, keep_rgb=True, subsampling=0)
    keep("adobe_rgb.jpg", rgb)
    keep("adobe_rgb_progressive.jpg", saved(im, "JPEG", quality=90, keep_rgb=True, subsampling=0, progressive=True))
    keep("named_rgb.jpg", rgb.replace(b"Adobe", b"-----"))
    ycc = saved(im, "JPEG", quality=90)
    adobe = b"\xff\xee\0\x0eAdobe\0d\0\0\0\0"
    keep("jfif_and_adobe_0.jpg", ycc[:20] + adobe + b"\0" + ycc[20:])
    keep("adobe_1.jpg", ycc[:2] + adobe + b"\1" + ycc[20:])
    inks = np.dstack([255 - scene(33, 25), np.tile(np.arange(25)[:, None] * 4, (1, 33))]).astype(np.uint8)
    cmyk = saved(Image.fromarray(inks, "CMYK"), "JPEG", quality=95)
    keep("cmyk.jpg", cmyk)
    keep("cmyk_progressive.jpg", saved(Image.fromarray(inks, "CMYK"), "JPEG", quality=95, progressive=True))
    keep("cmyk_420.jpg", saved(Image.fromarray(inks, "CMYK"), "JPEG", quality=95, subsampling=2))
    at = cmyk.index(b"Adobe")
    keep("ycck.jpg", cmyk[:at + 11] + b"\2" + cmyk[at + 12:])
    keep("cmyk_without_adobe.jpg", cmyk.replace(b"Adobe", b"-----"))
    exif = Image.Exif()
    exif[0x0112] = 6
    keep("with_metadata.jpg", saved(im, "JPEG", quality=90, exif=exif, icc_profile=bytes(2000), comment=b"c"))
    keep("rubbish_after_end.jpg", ycc + b"rubbish")
    keep("fill_bytes.jpg", ycc[:2] + b"\xff\xff" + ycc[2:])
    for name, factors in (("finer_chroma", "1x1,2x1"), ("finer_chroma_2x2", "1x1,2x2,2x2"), ("thirds", "3x1")):
        refuse(f"{name}.jpg", cjpeg(scene(33, 25), "-sample", factors), "jpeg_unsupported", pillow_opens=True)
    refuse("arithmetic.jpg", cjpeg(scene(33, 25), "-arithmetic"), "jpeg_unsupported", pillow_opens=True)
    refuse("no_end_marker.jpg", saved(im, "JPEG", quality=90)[:-2], "jpeg_truncated")
    refuse("headers_only.jpg", ycc[:ycc.index(b"\xff\xda")], "jpeg_truncated")
    sof = ycc.index(b"\xff\xc0")
    refuse("huge_header.jpg", ycc[:sof + 5] + b"\xff\xff\xff\xff" + ycc[sof + 9:], "too_many_pixels")
    refuse("twelve_bits.jpg", ycc[:sof + 4] + b"\x0c" + ycc[sof + 5:], "jpeg_unsupported")
    refuse("zero_width.jpg", ycc[:sof + 7] + b"\0\0" + ycc[sof + 9:], "zero_size")


ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(color, depth, w=13, h=11, interlace=False, extra=b"", colors=None):
    """A PNG of random samples, unfiltered."""
    samples = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[color]
    values = rng.integers(0, colors or 1 << depth, (h, w, samples))
    if depth == 16:
        values[0, :4] = np.array([0, 1, 255, 300])[:, None]

    def packed(block):
        rows = b""
        for row in block:
            bits = "".join(f"{v:0{depth}b}" for v in row.ravel())
            bits += "0" * (-len(bits) % 8)
            rows += b"\0" + bytes(int(bits[i:i + 8], 2) for i in range(0, len(bits), 8))
        return rows

    if interlace:
        raw = b"".join(packed(values[y0::dy, x0::dx]) for x0, y0, dx, dy in ADAM7
                       if values[y0::dy, x0::dx].size)
    else:
        raw = packed(values)
    head = struct.pack(">IIBBBBB", w, h, depth, color, 0, 0, interlace)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + extra + chunk(b"IDAT", zlib.compress(raw))
            + chunk(b"IEND", b""))


def pngs():
    for interlace in (False, True):
        mark = "_interlaced" if interlace else ""
        for color, name, depths in ((0, "gray", (1, 2, 4, 8, 16)), (2, "rgb", (8, 16)),
                                    (4, "gray_alpha", (8, 16)), (6, "rgba", (8, 16))):
            for depth in depths:
                keep(f"{name}_{depth}{mark}.png", png(color, depth, interlace=interlace), "exact")
        for depth in (1, 2, 4, 8):
            n = min(1 << depth, 100)
            palette = chunk(b"PLTE", rng.bytes(3 * n))
            keep(f"palette_{depth}{mark}.png", png(3, depth, interlace=interlace, extra=palette, colors=n), "exact")
    palette = chunk(b"PLTE", rng.bytes(30)) + chunk(b"tRNS", bytes(range(0, 200, 20)))
    keep("palette_transparent.png", png(3, 8, extra=palette, colors=10), "exact")
    keep("gray_8_transparent.png", png(0, 8, extra=chunk(b"tRNS", b"\0\1")), "exact")
    keep("gray_1_transparent.png", png(0, 1, extra=chunk(b"tRNS", b"\0\1")), "exact")
    keep("gray_16_transparent.png", png(0, 16, extra=chunk(b"tRNS", b"\0\1")), "exact")
    keep("rgb_8_transparent.png", png(2, 8, extra=chunk(b"tRNS", b"\0\1\0\1\0\1")), "exact")
    keep("rgb_16_transparent.png", png(2, 16, extra=chunk(b"tRNS", b"\0\1\0\1\0\1")), "exact")
    for w, h in ((1, 1), (1, 30), (30, 1), (3, 2)):
        keep(f"size_{w}x{h}_interlaced.png", png(2, 8, w, h, interlace=True), "exact")
    keep("filtered.png", saved(Image.fromarray(scene(33, 25)), "PNG"), "exact")
    frames = [Image.fromarray(rng.integers(0, 256, (9, 9, 3), np.uint8)) for _ in range(3)]
    keep("animated.png", saved(frames[0], "PNG", save_all=True, append_images=frames[1:]), "exact")
    plain = png(2, 8)
    keep("named_wrongly.jpg", plain, "exact")
    keep("rubbish_after_end.png", plain + b"rubbish", "exact")
    keep("no_end_chunk.png", plain[:-12], "exact")
    idat = plain.index(b"IDAT")
    keep("image_data_crc.png", plain[:-16] + bytes(4) + plain[-12:], "exact")
    refuse("header_crc.png", plain[:29] + bytes(4) + plain[33:], "png_crc")
    refuse("text_crc.png", plain[:33] + chunk(b"tEXt", b"a\0b")[:-4] + bytes(4) + plain[33:], "png_crc")
    refuse("header_only.png", plain[:33], "png_truncated")
    refuse("cut_in_data.png", plain[:idat + 200], "png_truncated")
    broken = bytearray(plain)
    broken[idat + 6:idat + 30] = bytes(24)
    refuse("broken_data.png", bytes(broken), "png_corrupt")
    length = struct.unpack(">I", plain[idat - 4:idat])[0]
    adler = plain[idat + 4:idat + 4 + length]
    adler = adler[:-1] + bytes([adler[-1] ^ 1])
    refuse("wrong_adler.png", plain[:idat - 4] + chunk(b"IDAT", adler) + chunk(b"IEND", b""), "png_corrupt")
    big = struct.pack(">IIBBBBB", 30000, 30000, 1, 0, 0, 0, 0)
    rows = zlib.compress(bytes(3751 * 1000))
    bomb = plain[:8] + chunk(b"IHDR", big) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    refuse("bomb.png", bomb, "too_many_pixels")


def webps():
    rgb = Image.fromarray(scene(33, 25))
    noise = Image.fromarray(rng.integers(0, 256, (11, 13, 4), np.uint8), "RGBA")
    soft = rgb.copy()
    soft.putalpha(Image.fromarray(np.tile(np.arange(33) * 6, (25, 1)).astype(np.uint8)))
    keep("lossless.webp", saved(rgb, "WEBP", lossless=True), "exact")
    keep("lossless_alpha.webp", saved(noise, "WEBP", lossless=True, exact=True), "exact")
    keep("lossy.webp", saved(rgb, "WEBP", quality=85))
    keep("lossy_alpha.webp", saved(soft, "WEBP", quality=85))
    keep("size_1x1.webp", saved(Image.fromarray(scene(1, 1)), "WEBP", quality=85))
    keep("size_17x15.webp", saved(Image.fromarray(scene(17, 15)), "WEBP", quality=85))
    frames = [Image.fromarray(rng.integers(0, 256, (9, 9, 3), np.uint8)) for _ in range(3)]
    keep("animated.webp", saved(frames[0], "WEBP", save_all=True, append_images=frames[1:], lossless=True), "exact")
    moving = saved(rgb, "WEBP", save_all=True, append_images=[rgb.rotate(9)], quality=85)
    keep("animated_lossy.webp", moving)
    whole = saved(rgb, "WEBP", lossless=True)
    refuse("cut.webp", whole[:200], "webp_truncated")
    refuse("cut_lossy.webp", saved(rgb, "WEBP", quality=85)[:100], "webp_truncated")
    refuse("header_only.webp", whole[:12], "webp_truncated")


def others():
    refuse("empty.jpg", b"", "empty")
    refuse("one_byte.jpg", b"\xff", "unknown_format")
    refuse("page.jpg", b"<html>404</html>", "unknown_format")
    im = Image.fromarray(scene(5, 5))
    refuse("picture.gif", saved(im, "GIF"), "unsupported_format", pillow_opens=True)
    refuse("picture.bmp", saved(im, "BMP")[:40], "unsupported_format")
    refuse("picture.tif", saved(im, "TIFF"), "unsupported_format", pillow_opens=True)


for old in os.listdir(out):
    os.remove(f"{out}/{old}")
jpegs()
pngs()
webps()
others()
open(f"{out}/index.txt", "w").write("\n".join(index) + "\n")
open(f"{out}/expected.rgb", "wb").write(b"".join(expected))
