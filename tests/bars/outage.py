#!/usr/bin/env python3
"""A store that is gone for a while ends no job: connections refused for 120 seconds, handshakes ended for 60, a third of all
requests told to slow down; by `run` alone, and by a cluster of three nodes. Each time beside that of the same job undisturbed.

    tests/bars/outage.py          FRUITNODE, TEST_STORE: binaries; PHOTOGRAPHS: Fruits-360; NODES="0 3": clusters of so many nodes,
                                  0 for `run`

Results are compared by `_SUCCESS`, which names every published file with its SHA-256. Needs nothing but Python. About 15 minutes
on two cores."""

import contextlib
import itertools
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

import cluster as bars
from cluster import FRUITNODE, KEYS, STORE, TRAINING, Cluster, bar, note

FILES = 2000
# As far away as a store in the same region.
DELAY_MS = 20
REFUSED_S = 120
ENDED_S = 60
SLOW_PERCENT = 33
NODES = [int(word) for word in os.environ.get("NODES", "0 3").split()]
JOB = ["--from", "s3://fruit/photographs/", "--rows-per-part", "64", "--pca", "20"]


def seed(folder):
    """Some photographs of each kind."""
    kinds = sorted(path for path in TRAINING.iterdir() if path.is_dir())
    each = max(1, FILES // len(kinds))
    for kind in kinds:
        (folder / kind.name).mkdir(parents=True)
        for file in itertools.islice(sorted(kind.iterdir()), each):
            shutil.copy2(file, folder / kind.name)


class Front:
    """A store behind a way that can be shut; as one that speaks TLS, or in the clear."""

    def __init__(self, photographs, kind, slow_percent):
        line = [STORE, "--seed", str(photographs), "--delay-ms", str(DELAY_MS), "--front", kind]
        line += ["--slow-down-percent", str(slow_percent)] if slow_percent else []
        self.process = subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.environment = {"AWS_ENDPOINT_URL": self.process.stdout.readline().strip()}
        if kind == "secured":
            self.environment["SSL_CERT_FILE"] = self.process.stdout.readline().strip()

    def turn(self, way):
        self.process.stdin.write(f"{way}\n")
        self.process.stdin.flush()


@contextlib.contextmanager
def workers(scratch, front, nodes):
    """What does a job: a function that returns the seconds it took, and SHA-256 of `_SUCCESS` if there is one. `midway` is called
    while it runs."""
    environment = {**os.environ, **KEYS, **front.environment, "XDG_CONFIG_HOME": str(scratch / "config")}
    cluster = Cluster(scratch, environment)

    def alone(name, midway):
        to = f"s3://fruit/{name}/"
        with open(scratch / f"{name}.log", "w") as log:
            began = time.monotonic()
            process = subprocess.Popen([FRUITNODE, "run", *JOB, "--to", to, "-o", "json"], cwd=scratch, env=environment,
                                       stdout=subprocess.PIPE, stderr=log, text=True)
            midway()
            said, _ = process.communicate()
        took = time.monotonic() - began
        if process.returncode:
            note((scratch / f"{name}.log").read_text().strip())
        return took, json.loads(said)["success_sha256"] if process.returncode == 0 else None

    def together(name, midway):
        began = time.monotonic()
        cluster.ask("job", "submit", *JOB, "--to", f"s3://fruit/{name}/", "--id", name, "--detach")
        midway()
        ended = lambda: (phase := cluster.job(name).get("phase")) in ("succeeded", "failed", "cancelled") and phase
        cluster.until(f"{name} ends", ended, limit=900)
        return time.monotonic() - began, cluster.job(name).get("success_sha256")

    try:
        if nodes:
            cluster.found()
            for _ in range(nodes - 1):
                cluster.join()
            cluster.ready(nodes)
        yield together if nodes else alone
    finally:
        cluster.stop()


def measured(photographs, kind, nodes, name, way, outage_s):
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="fruitnode-outage-"))
    slow = SLOW_PERCENT if way is None else 0
    front = Front(photographs, kind, 0)
    who = f"{nodes} nodes" if nodes else "run"
    try:
        with workers(scratch, front, nodes) as work:
            calm, expected = work("calm", lambda: None)
            if not slow:
                def midway():
                    time.sleep(calm / 3)
                    front.turn(way)
                    time.sleep(outage_s)
                    front.turn("open")

                took, found = work("outage", midway)
        if slow:
            front.process.kill()
            front = Front(photographs, kind, slow)
            again = scratch / "slow"
            again.mkdir()
            with workers(again, front, nodes) as work:
                took, found = work("outage", lambda: None)
        most = 3 * calm + outage_s
        bar(f"{who}, {name}: seconds, {calm:.1f} undisturbed", f"{took:.1f}", found and took <= most, f"<= {most:.1f}")
        same = found and found == expected
        bar(f"{who}, {name}: _SUCCESS is that of the undisturbed job", str(found)[:12], same, expected[:12])
        shutil.rmtree(scratch)
    finally:
        front.process.kill()


def main():
    if not TRAINING.is_dir():
        print(f"skipped: {TRAINING} is not there")
        return
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="fruitnode-outage-seed-"))
    seed(scratch / "photographs")
    for nodes in NODES:
        measured(scratch / "photographs", "plain", nodes, f"connections refused for {REFUSED_S} s", "refused", REFUSED_S)
        measured(scratch / "photographs", "secured", nodes, f"handshakes ended for {ENDED_S} s", "ended", ENDED_S)
        measured(scratch / "photographs", "plain", nodes, f"{SLOW_PERCENT} % of requests told to slow down", None, 0)
    shutil.rmtree(scratch)
    sys.exit(bars.failed)


if __name__ == "__main__":
    main()
