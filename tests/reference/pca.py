"""Records what the PCA of hard matrices is, in 60-digit arithmetic where that is feasible.

Writes ../data/pca/*.json, which node/pca/src/tests/ reads. Needs numpy, mpmath and scikit-learn
(the files were made with 2.4.6, 1.4.1 and 1.9.1):

    python3 pca.py

- Small cases: mean, eigenvalues and eigenvectors by mpmath from the exact f32 values.
- `large.json`: rows that the tests make again from the same integer generator; eigenvalues by
  numpy in f64.
- `conventions.json`: scores of scikit-learn itself, and of Spark's formulas as its sources have
  them (StandardScaler: n - 1; RowMatrix: centred, n - 1; PCAModel.transform: no centring).
"""

import json
import pathlib

import mpmath
import numpy
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

mpmath.mp.dps = 60
DATA = pathlib.Path(__file__).parent.parent / "data" / "pca"
SHARES = [0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999]
# As the product documents it: a share counts as reached when no more than this is missing.
SHARE_TOLERANCE = mpmath.mpf("1e-12")


def small_cases():
    draw = numpy.random.default_rng(20)
    plain = draw.normal(size=(20, 6)) @ draw.normal(size=(6, 6))
    yield "plain", plain

    mixed = draw.normal(size=(15, 7))
    mixed[:, 2] = 3.7
    mixed[:, 5] = mixed[:, 0]
    mixed[:, 6] = 0.0
    yield "constant_and_duplicate", mixed

    yield "two_rows", draw.normal(size=(2, 5))
    yield "fewer_rows_than_columns", draw.normal(size=(6, 12))

    axes = numpy.vstack([numpy.diag([2.0, 1, 1, 1]), -numpy.diag([2.0, 1, 1, 1])])
    yield "equal_eigenvalues", axes + 5.0
    yield "all_eigenvalues_equal", numpy.vstack([numpy.eye(4), -numpy.eye(4)])

    yield "far_mean", 1e4 + draw.normal(scale=1e-2, size=(40, 5))

    decades = draw.normal(size=(60, 7))
    decades[:, 1:] += 0.5 * decades[:, :-1]
    yield "twelve_decades", decades * 10.0 ** -numpy.arange(7)

    yield "zeros_and_ones", (draw.random(size=(30, 8)) < 0.3).astype(float)

    single = numpy.tile([1.5, 0.0, -2.25, 1e6], (10, 1))
    single[:, 1] = draw.normal(size=10)
    yield "one_varying_column", single

    scales = numpy.array([1e-20, 1e-10, 1.0, 1e10, 1e20])
    scaled = draw.normal(size=(25, 5))
    scaled[:, 1:] += scaled[:, :-1]
    yield "scaled_columns", scaled * scales

    outlier = draw.normal(size=(12, 3))
    outlier[0] = [1e8, -1e8, 3.0]
    yield "outlier_first", outlier


def exact(values):
    rows, dim = values.shape
    cells = [[mpmath.mpf(float(v)) for v in row] for row in values]
    mean = [sum(row[j] for row in cells) / rows for j in range(dim)]
    centred = [[row[j] - mean[j] for j in range(dim)] for row in cells]
    covariance = mpmath.matrix(dim, dim)
    for i in range(dim):
        for j in range(dim):
            covariance[i, j] = sum(row[i] * row[j] for row in centred) / (rows - 1)
    constant = [j for j in range(dim) if all(row[j] == cells[0][j] for row in cells)]
    scale = [mpmath.mpf(1) if j in constant else mpmath.sqrt(covariance[j, j]) for j in range(dim)]
    correlation = mpmath.matrix(dim, dim)
    for i in range(dim):
        for j in range(dim):
            correlation[i, j] = covariance[i, j] / (scale[i] * scale[j])
    return {
        "rows": rows,
        "dim": dim,
        "values": [float(v) for v in values.ravel()],
        "mean": [float(m) for m in mean],
        "constant": constant,
        "scale": [float(s) for s in scale],
        "covariance": spectrum(covariance),
        "correlation": spectrum(correlation),
    }


def spectrum(matrix):
    dim = matrix.rows
    values, vectors = mpmath.eigsy(matrix)
    order = sorted(range(dim), key=lambda i: -values[i])
    values = [max(values[i], mpmath.mpf(0)) for i in order]
    # What 60 digits leave of a 0.
    values = [v if v > values[0] * mpmath.mpf("1e-50") else mpmath.mpf(0) for v in values]
    total = sum(values)
    shares = {}
    for share in SHARES:
        reached = mpmath.mpf(0)
        for k, value in enumerate(values, start=1):
            reached += value / total
            if reached >= mpmath.mpf(share) - SHARE_TOLERANCE:
                shares[str(share)] = k
                break
    components = []
    for rank, column in enumerate(order):
        gaps = [abs(values[rank] - values[other]) for other in range(dim) if other != rank]
        # Only where f64 can know the direction.
        if gaps and min(gaps) < values[0] * mpmath.mpf("1e-9"):
            components.append(None)
            continue
        vector = [vectors[j, column] for j in range(dim)]
        largest = max(abs(v) for v in vector)
        lead = next(v for v in vector if abs(v) >= largest * (1 - mpmath.mpf("1e-6")))
        components.append([float(v * mpmath.sign(lead)) for v in vector])
    return {
        "eigenvalues": [float(v) for v in values],
        "ratios": [float(v / total) for v in values],
        "shares": shares,
        "components": components,
    }


def generator(rows, dim):
    """Low-rank signal and noise, in integers: the tests have the same five lines in Rust."""
    state = 1
    out = numpy.empty((rows, dim), dtype=numpy.float32)
    for r in range(rows):
        for c in range(dim):
            state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
            noise = (state >> 40) - 2**23
            signal = ((r * r + 7 * r * c) % 101 - 50) * ((c % 13) - 6)
            out[r, c] = numpy.float32(noise) / numpy.float32(2**20) + numpy.float32(signal)
    return out.astype(numpy.float64)


def large(rows, dim):
    values = generator(rows, dim)
    spectra = {}
    centred = values - values.mean(axis=0)
    for name, matrix in [
        ("covariance", centred),
        ("correlation", centred / values.std(axis=0, ddof=1)),
    ]:
        eigenvalues = numpy.linalg.svd(matrix, compute_uv=False) ** 2 / (rows - 1)
        spectra[name] = {"ratios": list(eigenvalues / eigenvalues.sum())}
    return {"rows": rows, "dim": dim, "mean": list(values.mean(axis=0)), **spectra}


def conventions(values, k):
    fits = []
    for standardize in ["none", "mean", "mean-std"]:
        scaled = values - values.mean(axis=0) if standardize != "none" else values
        spark = scaled / values.std(axis=0, ddof=1) if standardize == "mean-std" else scaled
        _, _, transposed = numpy.linalg.svd(spark - spark.mean(axis=0), full_matrices=False)
        fits.append(entry("spark", standardize, spark @ signed(transposed[:k]).T))
        centred = spark - spark.mean(axis=0)
        fits.append(entry("default", standardize, centred @ signed(transposed[:k]).T))

        scaler = StandardScaler(with_mean=standardize != "none", with_std=standardize == "mean-std")
        inputs = scaler.fit_transform(values)
        model = PCA(n_components=k, svd_solver="full").fit(inputs)
        flips = signed(model.components_) / model.components_
        scores = model.transform(inputs) * flips[:, 0]
        fits.append(entry("sklearn", standardize, scores, list(model.explained_variance_)))
    return {
        "rows": values.shape[0],
        "dim": values.shape[1],
        "k": k,
        "values": [float(v) for v in values.ravel()],
        "fits": fits,
    }


def entry(like, standardize, scores, variances=None):
    flat = [float(v) for v in numpy.asarray(scores).ravel()]
    return {"like": like, "standardize": standardize, "scores": flat, "variances": variances}


def signed(components):
    leads = numpy.abs(components).argmax(axis=1)
    return components * numpy.sign(components[numpy.arange(len(components)), leads])[:, None]


def write(name, content):
    DATA.mkdir(parents=True, exist_ok=True)
    (DATA / f"{name}.json").write_text(json.dumps(content, separators=(",", ":")) + "\n")


def main():
    cases = {}
    for name, values in small_cases():
        values = values.astype(numpy.float32).astype(numpy.float64)
        cases[name] = exact(values)
    write("small", cases)
    write("large", large(rows=2500, dim=150))
    draw = numpy.random.default_rng(5)
    values = draw.normal(size=(9, 5)) @ draw.normal(size=(5, 5)) + 4.0
    write("conventions", conventions(values.astype(numpy.float32).astype(numpy.float64), k=3))


if __name__ == "__main__":
    main()
