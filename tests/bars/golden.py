"""The features and the spectrum against references made with Pillow, torch and numpy.

    python3 tests/bars/golden.py

Needs numpy and pyarrow, the photographs (see job.py) and the references (GOLDEN, by default
../shared/golden). About 4 minutes on two cores.

Features are computed from the files, so that the bars cover two JPEG decoders (zune-jpeg here,
libjpeg-turbo in the references), which differ by 0.22 levels in the mean. The spectrum is held
against numpy in f64 over our own published features, where nothing but rounding may differ, and
against the spectrum of the references' own features.
"""

import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
from job import TRAINING, Bars, features, present, run, scree

GOLDEN = Path(os.environ.get("GOLDEN", "../shared/golden")).resolve()
SHARES = ["0.5", "0.75", "0.9", "0.95", "0.99"]
# Ratios below this are rounding noise of the smallest eigenvalues.
RATIO_LEAST = 1e-8


def cosines(ours, theirs):
    """Cosine of each row with the row beside it, in f64."""
    ours, theirs = ours.astype(np.float64), theirs.astype(np.float64)
    norms = np.linalg.norm(ours, axis=1) * np.linalg.norm(theirs, axis=1)
    return (ours * theirs).sum(1) / norms


def reference_spectrum(rows, standardize):
    """Explained-variance ratios of the covariance, or of the correlation, in f64, descending."""
    centred = rows.astype(np.float64) - rows.mean(0, dtype=np.float64)
    if standardize == "mean-std":
        deviation = centred.std(0, ddof=1)
        centred /= np.where(deviation > 0, deviation, 1)
    values = np.linalg.eigvalsh(centred.T @ centred / (len(centred) - 1))[::-1]
    return values / values.sum()


def components(ratios, share):
    """The fewest leading components whose ratios add up to the share."""
    return int(np.searchsorted(np.cumsum(ratios), float(share)) + 1)


def check_features(bars, name, ours, theirs):
    cosine = cosines(ours, theirs)
    bars.holds(f"{name}: least cosine", f"{cosine.min():.6f}", cosine.min() > 0.998, "> 0.998")
    median = np.median(cosine)
    bars.holds(f"{name}: median cosine", f"{median:.6f}", median > 0.9997, "> 0.9997")


def check_spectrum(bars, name, ours, reference, golden):
    shown = min(len(ours), len(reference))
    counts = reference[:shown] > RATIO_LEAST
    relative = (np.abs(ours[:shown] - reference[:shown]) / reference[:shown])[counts].max()
    bars.holds(
        f"{name}: {counts.sum()} ratios against numpy, relative",
        f"{relative:.1e}",
        relative <= 1e-6 and not (reference[shown:] > RATIO_LEAST).any(),
        "<= 1e-6",
    )
    absolute = np.abs(ours[: len(golden)] - golden).max()
    bars.holds(
        f"{name}: {len(golden)} ratios against golden, absolute",
        f"{absolute:.1e}",
        absolute <= 1e-3,
        "<= 1e-3",
    )


def check_k(bars, name, k, ours, reference, golden):
    counted = [components(ours, share) for share in SHARES]
    expected = [components(reference, share) for share in SHARES]
    said = " ".join(map(str, k))
    bars.holds(f"{name}: k by running {', '.join(SHARES)}", said, k == expected, "numpy's")
    bars.holds(f"{name}: k by reading scree.csv", " ".join(map(str, counted)), k == counted, said)
    far = max(abs(one - other) for one, other in zip(k, golden))
    bars.holds(f"{name}: k against golden {golden}", f"{far} away", far <= 1, "<= 1")


def main():
    present(TRAINING, GOLDEN)
    bars = Bars()
    spectra = json.loads((GOLDEN / "training_spectrum.json").read_text())
    picked = [key.split("/", 1)[1] for key in (GOLDEN / "files.txt").read_text().splitlines()]
    with tempfile.TemporaryDirectory(prefix="fruitnode-bars-") as scratch:
        scratch = Path(scratch)
        for standardize in ["mean-std", "none"]:
            k = []
            for share in SHARES:
                out = scratch / f"{standardize}-{share}"
                said = run(TRAINING, out, "--pca", share, "--standardize", standardize)
                k.append(said["components"])
                if share != "0.95":
                    shutil.rmtree(out)
            out = scratch / f"{standardize}-0.95"
            paths, rows = features(out)
            golden = spectra[standardize]
            if standardize == "mean-std":
                assert paths == sorted(paths, key=str.encode), "rows stand in key order"
                at = [paths.index(key) for key in picked]
                theirs = np.load(GOLDEN / "features_100_64x1280_f32.npy")
                check_features(bars, f"{len(at)} photographs at 100 px", rows[at], theirs)
            ours, reference = scree(out)["ratio"], reference_spectrum(rows, standardize)
            ratios = np.array(golden["explained_variance_ratio"])
            check_spectrum(bars, standardize, ours, reference, ratios)
            expected = [golden["k"][f"{float(share):.2f}"] for share in SHARES]
            check_k(bars, standardize, k, ours, reference, expected)

        theirs = np.load(GOLDEN / "features_224_bicubic_16x1280_f32.npy")
        for key in picked[: len(theirs)]:
            (scratch / "few" / key).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(TRAINING / key, scratch / "few" / key)
        run(scratch / "few", scratch / "large", "--size", "224", "--pca", "off")
        paths, rows = features(scratch / "large")
        at = [paths.index(key) for key in picked[: len(theirs)]]
        check_features(bars, f"{len(at)} photographs at 224 px", rows[at], theirs)
    sys.exit(bars.missed)


main()
