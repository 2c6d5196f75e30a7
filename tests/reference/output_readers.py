"""Reads a published result with the programs that users have, and checks what they get.

    FRUITNODE_LEAVE_RESULT=DIR cargo test -p fruitnode --lib left_for_python
    python3 tests/reference/output_readers.py DIR

Needs pyarrow, pandas, polars, duckdb, numpy, scikit-learn and safetensors; pyspark (with a Java) is
used if it is there.
"""

import contextlib
import csv
import json
import re
import subprocess
import sys
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from safetensors.numpy import load_file


def arrow(out: Path) -> None:
    for folder, vector in [("features", "features"), ("pca", "pca")]:
        table = pq.read_table(out / folder)
        vectors = pa.list_(pa.field("element", pa.float32(), nullable=False))
        assert table.schema == pa.schema([
            pa.field("path", pa.string(), nullable=False),
            pa.field("label", pa.string()),
            pa.field("size", pa.int64(), nullable=False),
            pa.field("modified", pa.timestamp("us", tz="UTC"), nullable=False),
            pa.field(vector, vectors, nullable=False),
        ]), table.schema
        file = pq.ParquetFile(out / folder / "part-00000.parquet")
        assert file.metadata.created_by == "fruitnode"
        assert file.metadata.row_group(0).column(4).compression == "ZSTD"
        assert file.metadata.row_group(0).column(4).statistics is None
        assert "spark_schema {" in str(file.schema), file.schema
    bad = pq.read_table(out / "_quarantine/part-00000.parquet")
    assert bad.column_names == ["path", "label", "size", "modified", "code", "detail"]


def frames(out: Path) -> pd.DataFrame:
    pandas = pd.read_parquet(out / "features")
    assert pandas["path"].is_monotonic_increasing
    assert pandas["features"][0].dtype == np.float32
    assert str(pandas["modified"].dtype) == "datetime64[us, UTC]", pandas["modified"].dtype
    polars = pl.read_parquet(out / "features/*.parquet")
    assert polars.schema["features"] == pl.List(pl.Float32), polars.schema
    assert polars["features"].to_list() == [list(row) for row in pandas["features"]]
    assert polars["label"].null_count() == pandas["label"].isna().sum() > 0
    count, widths = duckdb.sql(
        f"select count(*), list(distinct len(features)) from '{out}/features/*.parquet'"
    ).fetchall()[0]
    assert count == len(pandas) and widths == [len(pandas["features"][0])]
    kind = duckdb.sql(f"describe select * from '{out}/features/*.parquet'").fetchall()
    assert [row[1] for row in kind] == [
        "VARCHAR", "VARCHAR", "BIGINT", "TIMESTAMP WITH TIME ZONE", "FLOAT[]"], kind
    return pandas


def table(out: Path, features: pd.DataFrame) -> None:
    scores = np.stack(pd.read_parquet(out / "pca")["pca"])
    pandas = pd.read_csv(out / "pca.csv")
    numbers = pandas.filter(like="pca_").to_numpy()
    assert np.array_equal(numbers.astype(np.float32), scores), "the CSV's numbers are the scores"
    assert list(pandas["path"].str.removeprefix("'")) == list(features["path"])
    labels = pandas["label"].str.removeprefix("'")
    assert list(labels.fillna("")) == list(features["label"].fillna(""))
    with open(out / "pca.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    assert len({len(row) for row in rows}) == 1
    assert not any(row[1].startswith("=") for row in rows)
    polars = pl.read_csv(out / "pca.csv")
    assert np.array_equal(polars[:, 2:].to_numpy().astype(np.float32), scores)
    source = f"read_csv('{out}/pca.csv', strict_mode=true)"
    assert duckdb.sql(f"select count(*) from {source}").fetchall()[0][0] == len(scores)
    pd.read_csv(out / "scree.csv")


def model(out: Path) -> float:
    """Runs the README's own lines in the README's own folder."""
    blocks = re.findall(r"```python\n(.*?)```", (out / "model/README.md").read_text(), re.S)
    assert len(blocks) == 2
    space: dict = {}
    with contextlib.chdir(out / "model"):
        for block in blocks:
            exec(block, space)  # noqa: S102
    published = np.stack(space["published"]["pca"])
    worst = np.abs(space["scores"] - published).max() / np.abs(published).max()
    assert worst < 1e-6, worst
    fitted, tensors = np.load(out / "model/pca.npz"), load_file(out / "model/pca.safetensors")
    for name in ["components", "mean", "scale", "singular_values"]:
        assert np.array_equal(fitted[name], tensors[name]), name
    back = space["model"].inverse_transform(space["scores"])
    assert back.shape == (len(published), len(fitted["mean"]))
    return worst


def refitted(out: Path) -> None:
    """What scikit-learn finds from the same features, up to its own divisor."""
    from sklearn.decomposition import PCA

    facts = json.loads((out / "model/model.json").read_text())
    fitted = np.load(out / "model/pca.npz")
    features = np.stack(pd.read_parquet(out / "features")["features"]).astype(np.float64)
    scaled = (features - features.mean(0)) / fitted["scale"]
    own = PCA(facts["k"]).fit(scaled)
    for ours, theirs in [("explained_variance", own.explained_variance_),
                         ("explained_variance_ratio", own.explained_variance_ratio_),
                         ("singular_values", own.singular_values_),
                         ("noise_variance", own.noise_variance_),
                         ("components", own.components_ * np.sign(
                             np.sum(own.components_ * fitted["components"], 1, keepdims=True)))]:
        assert np.allclose(fitted[ours], theirs, rtol=1e-9), ours


def spark(out: Path) -> str:
    try:
        from pyspark.sql import SparkSession
    except ImportError:
        return "not there"
    session = (SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false")
               .config("spark.sql.session.timeZone", "UTC").getOrCreate())
    session.sparkContext.setLogLevel("ERROR")
    frame = session.read.parquet(str(out / "features"))
    assert dict(frame.dtypes) == {"path": "string", "label": "string", "size": "bigint",
                                  "modified": "timestamp", "features": "array<float>"}
    from pyspark.ml.functions import array_to_vector
    vectors = frame.select("path", array_to_vector("features").alias("v")).orderBy("path").collect()
    expected = pd.read_parquet(out / "features")
    assert [row.path for row in vectors] == list(expected["path"])
    assert np.array_equal(np.array([row.v.toArray() for row in vectors], np.float32),
                          np.stack(expected["features"]))
    rows = (session.read.option("header", True).option("inferSchema", True)
            .option("escape", '"').option("multiLine", True).csv(str(out / "pca.csv")))
    assert rows.count() == len(expected) and dict(rows.dtypes)["pca_1"] == "double"
    root = session.read.option("recursiveFileLookup", True).parquet(str(out / "pca"))
    assert root.count() == len(expected)
    return session.version


def main(folder: Path) -> None:
    for out in sorted(folder.resolve().iterdir()):
        arrow(out)
        table(out, frames(out))
        worst = model(out)
        refitted(out)
        subprocess.run(["sha256sum", "--quiet", "--strict", "-c", "_SUCCESS"], cwd=out, check=True)
        json.loads((out / "report.json").read_text())
        versions = {lib.__name__: lib.__version__ for lib in (pa, pd, pl, duckdb, np)}
        print(out.name, "README against scikit-learn:", worst, "spark", spark(out), versions)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
