"""Spoiled photographs: each key ends in exactly one row, and nothing is visited twice.

    python3 tests/bars/corrupt.py [SEED]

Needs numpy and pyarrow, and the photographs (see job.py). A copy of Training in which one file of
a hundred is spoiled: cut short, zeroed (wholly, or a stretch), overwritten with noise (wholly, or
its header), emptied, replaced by text, or given the header of another format; and beside them a
folder of text files named as photographs, and a folder named as one. About 20 seconds.
"""

import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pyarrow.parquet as pq
from job import FRUITNODE, TRAINING, Bars, keys, present, run


def stretch(data, draw, fill):
    """The data with a tenth of it, somewhere behind the header, overwritten."""
    length = len(data) // 10
    at = draw.randrange(len(data) // 3, len(data) - length)
    return data[:at] + fill(length) + data[at + length :]


# How a photograph is spoiled, and whether it can no longer be a photograph. A stretch of zeros or
# noise in the coded pixels may still decode: such a key may end in either table, in one of them.
WAYS = {
    "cut": (lambda d, draw: d[: draw.randrange(4, len(d) * 9 // 10)], True),
    "zeroed": (lambda d, draw: bytes(len(d)), True),
    "zeroed-stretch": (lambda d, draw: stretch(d, draw, bytes), False),
    "noise": (lambda d, draw: draw.randbytes(len(d)), True),
    "noise-header": (lambda d, draw: draw.randbytes(64) + d[64:], True),
    "noise-stretch": (lambda d, draw: stretch(d, draw, draw.randbytes), False),
    "empty": (lambda d, draw: b"", True),
    "text": (lambda d, draw: b"a pear is not an apple\n" * 40, True),
    "png-header": (lambda d, draw: b"\x89PNG\r\n\x1a\n" + d[8:], True),
}


def spoil(root, draw):
    """Spoils one of a hundred; gives all keys, those that must be bad, and those that may be."""
    everything = sorted(str(path.relative_to(root)) for path in root.rglob("*.jpg"))
    bad, doubtful = {}, {}
    for turn, key in enumerate(draw.sample(everything, round(len(everything) / 100))):
        way = list(WAYS)[turn % len(WAYS)]
        spoiled, surely = WAYS[way]
        (root / key).write_bytes(spoiled((root / key).read_bytes(), draw))
        (bad if surely else doubtful)[key] = way
    for page in range(20):
        key = f"Text of pears/page_{page}.jpg"
        (root / key).parent.mkdir(exist_ok=True)
        (root / key).write_text("not a photograph\n" * (page + 1))
        bad[key] = "text-folder"
    inside = "Folder.jpg/inside.jpg"
    (root / inside).parent.mkdir()
    good = next(key for key in everything if key not in bad and key not in doubtful)
    shutil.copy2(root / good, root / inside)
    return [*everything, *(key for key in bad if bad[key] == "text-folder"), inside], bad, doubtful


def main():
    present(TRAINING)
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    bars = Bars()
    with tempfile.TemporaryDirectory(prefix="fruitnode-bars-") as scratch:
        root, out = Path(scratch) / "photographs", Path(scratch) / "out"
        shutil.copytree(TRAINING, root)
        everything, bad, doubtful = spoil(root, random.Random(seed))
        said = run(root, out)
        good, quarantined = keys(out / "features"), keys(out / "_quarantine")
        print(f"note  seed {seed}: {len(everything)} keys, {len(bad)} that must be bad, "
              f"{len(doubtful)} that may be, {len(quarantined)} quarantined")
        for name, figure in [
            ("GETs per key", said["gets_per_key"]),
            ("inferences per good photograph", said["inferences_per_good_photograph"]),
        ]:
            bars.holds(name, f"{figure:.2f}", round(figure, 2) == 1.0, "1.00")
        counted = said["gets"] / len(everything), said["inferences"] / len(good)
        bars.holds("the same from the counts", "{:.4f} {:.4f}".format(*counted),
                   counted == (1.0, 1.0), "1 and 1, exactly")
        once = sorted(good + quarantined) == sorted(everything)
        bars.holds("keys in exactly one row", len(good) + len(quarantined), once,
                   f"{len(everything)}, each once")
        missed = sorted(set(bad) & set(good))
        bars.holds("spoiled keys among the features", len(missed), not missed, "0")
        wrong = sorted(set(quarantined) - set(bad) - set(doubtful))
        bars.holds("sound keys in the quarantine", len(wrong), not wrong, "0")
        verified = subprocess.run([FRUITNODE, "-q", "verify", out], stdout=subprocess.PIPE)
        bars.holds("fruitnode verify", verified.returncode, verified.returncode == 0, "0")
        for key in missed:
            print(f"note  {bad[key]}: {key} has features")
        examples = {}
        for row in pq.read_table(out / "_quarantine").to_pylist():
            way = (bad | doubtful).get(row["path"], "sound")
            examples.setdefault((way, row["code"]), row["detail"])
        for (way, code), detail in sorted(examples.items()):
            print(f"note  {way}: {code}: {detail}")
    sys.exit(bars.missed)


main()
