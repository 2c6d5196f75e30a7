"""Runs fruitnode and reads what it published: what the Python bars have in common.

    FRUITNODE    the binary (default target/release/fruitnode)
    PHOTOGRAPHS  Fruits-360 (default ../shared/data/fruits-360): holds Training/

Needs numpy and pyarrow.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

FRUITNODE = Path(os.environ.get("FRUITNODE", "target/release/fruitnode")).resolve()
TRAINING = Path(os.environ.get("PHOTOGRAPHS", "../shared/data/fruits-360")).resolve() / "Training"


class Bars:
    """Holds figures against their limits, and remembers whether one was missed."""

    def __init__(self):
        self.missed = False

    def holds(self, name, figure, holds, limit):
        """A figure, whether it is good enough, and the limit in words."""
        self.missed |= not holds
        print(f"{'ok  ' if holds else 'FAIL'}  {name:<58} {figure:>14}  (bar: {limit})", flush=True)


def present(*paths):
    """Ends the script, visibly, where what it needs is not there."""
    if not os.access(FRUITNODE, os.X_OK):
        sys.exit(f"no binary at {FRUITNODE}: run `cargo build --release --bin fruitnode`, or set FRUITNODE")
    for path in paths:
        if not path.exists():
            print(f"skipped: {path} is not there")
            sys.exit(0)


def run(source, out, *arguments):
    """The whole job; what it says on standard output, as `-o json` has it."""
    command = [FRUITNODE, "-q", "-o", "json", "run", "--from", source, "--to", out, *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)


def features(out):
    """The published keys and their rows, f32 [n, d], in key order."""
    table = pq.read_table(out / "features", columns=["path", "features"])
    column = table["features"].combine_chunks()
    return table["path"].to_pylist(), column.flatten().to_numpy().reshape(len(column), -1)


def keys(folder):
    """The keys of a table published in parts, in order; none where nothing was published."""
    return pq.read_table(folder, columns=["path"])["path"].to_pylist() if folder.is_dir() else []


def scree(out):
    """The columns of scree.csv: eigenvalue, ratio, cumulative, kept."""
    return np.genfromtxt(
        out / "scree.csv", delimiter=",", names=True, dtype=None, encoding="utf-8"
    )
