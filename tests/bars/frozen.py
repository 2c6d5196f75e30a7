#!/usr/bin/env python3
"""A node that is stopped where it stands (SIGSTOP) for 60 seconds of the clock and wakes when its job is over changes nothing:
once a worker in the middle of extraction, once the node that publishes, in the middle of that.

    tests/bars/frozen.py          FRUITNODE, TEST_STORE: binaries; PHOTOGRAPHS: Fruits-360

Needs nothing but Python and curl. About 4 minutes on two cores."""

import itertools
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree

import cluster as bars
from cluster import KEYS, STORE, TRAINING, Cluster, bar, note

FROZEN_S = 60
WATCHED_S = 20
FILES = 1000
# Slow enough that a moment can be met, by an observer that asks often.
DELAY_MS = 20


def seed(folder):
    """Some photographs of each kind."""
    kinds = sorted(path for path in TRAINING.iterdir() if path.is_dir())
    each = max(1, FILES // len(kinds))
    for kind in kinds:
        (folder / kind.name).mkdir(parents=True)
        for file in itertools.islice(sorted(kind.iterdir()), each):
            shutil.copy2(file, folder / kind.name)


def objects(cluster, prefix):
    """Key, ETag and time of every object below a prefix, from the store itself."""
    # curl signs a query only as it stands: sorted, and without letters that would be escaped.
    url = f"{cluster.environment['AWS_ENDPOINT_URL']}/fruit?list-type=2&prefix={prefix.strip('/')}"
    user = f"{KEYS['AWS_ACCESS_KEY_ID']}:{KEYS['AWS_SECRET_ACCESS_KEY']}"
    sign = ["--aws-sigv4", "aws:amz:us-east-1:s3", "--user", user, "--header", "x-amz-content-sha256: UNSIGNED-PAYLOAD"]
    line = ["curl", "--silent", "--show-error", "--fail", *sign, url]
    page = xml.etree.ElementTree.fromstring(subprocess.run(line, check=True, capture_output=True, text=True).stdout)
    text = lambda element, name: next((child.text for child in element if child.tag.split("}")[-1] == name), None)
    if text(page, "IsTruncated") == "true":
        sys.exit(f"{prefix} has more objects than a page of a listing")
    contents = [element for element in page if element.tag.split("}")[-1] == "Contents"]
    found = {text(element, "Key"): (text(element, "ETag"), text(element, "LastModified")) for element in contents}
    return {key: what for key, what in found.items() if key.startswith(prefix)}


def frozen(cluster, name, phase, moment, whom):
    """Freezes a node at a moment of a job, and sees what it changes when it wakes after the job."""
    words = ["job", "submit", "--from", "s3://fruit/photographs/", "--to", f"s3://fruit/{name}/", "--id", name, "--detach", "--rows-per-part", "32"]
    cluster.ask(*words)
    cluster.until(f"{name} is {phase}", moment)
    node = whom()
    process = cluster.nodes[node - 1][0]
    process.send_signal(signal.SIGSTOP)
    began = time.monotonic()
    hosts = ",".join(f"127.0.0.1:{port}" for at, (_, port) in enumerate(cluster.nodes) if at != node - 1)
    cluster.hosts = lambda: hosts
    done = lambda: (cluster.ask("job", "status", name, "--timeout", "10s") or {}).get("phase") == "succeeded"
    took, _ = cluster.until(f"{name} succeeds", done)
    note(f"{name}: n{node} stopped in the middle of {phase}; the job ended {took:.1f} s later without it")
    time.sleep(max(0.0, FROZEN_S - (time.monotonic() - began)))
    before = objects(cluster, f"{name}/")
    bar(f"{name}: a result is there, objects", len(before), f"{name}/_SUCCESS" in before, "with _SUCCESS")
    process.send_signal(signal.SIGCONT)
    stopped = time.monotonic() - began
    looks, changed = 0, {}
    while time.monotonic() - began - stopped < WATCHED_S:
        now = objects(cluster, f"{name}/")
        changed |= {key: (before.get(key), now.get(key)) for key in before.keys() | now.keys() if before.get(key) != now.get(key)}
        looks += 1
        time.sleep(0.2)
    for key, (was, became) in sorted(changed.items()):
        note(f"{key}: {was} became {became}")
    bar(f"{name}: objects that changed in {WATCHED_S} s after {stopped:.0f} s of sleep, {looks} looks", len(changed), not changed, 0)
    del cluster.hosts
    cluster.ready(3)


def measure(cluster):
    cluster.found()
    # One after the other: where a node stands in the list is its id.
    cluster.join(), cluster.join()
    cluster.ready(3)
    words = ["job", "submit", "--from", "s3://fruit/photographs/", "--to", "s3://fruit/calm/", "--id", "calm", "--rows-per-part", "32"]
    calm = cluster.ask(*words) and cluster.ask("job", "status", "calm")

    def worker():
        status = cluster.ask("status")
        return next(node["node"] for node in status["nodes"] if node["used"] > 0 and node["node"] != status["coordinator"])

    def publisher():
        return next(node["node"] for node in cluster.ask("status")["nodes"] if node["used"] > 0)

    extracts = lambda: cluster.ask("job", "status", "worker")["extracted"] > 4
    frozen(cluster, "worker", "extracting", extracts, worker)
    publishes = lambda: any(key.startswith("publisher/features/") for key in objects(cluster, "publisher/"))
    frozen(cluster, "publisher", "publishing", publishes, publisher)
    for name in ("worker", "publisher"):
        digest = cluster.ask("job", "status", name)["success_sha256"]
        bar(f"{name}: _SUCCESS is that of an undisturbed job", digest[:12], digest == calm["success_sha256"], calm["success_sha256"][:12])


def main():
    if not TRAINING.is_dir():
        print(f"skipped: {TRAINING} is not there")
        return
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="fruitnode-frozen-"))
    seed(scratch / "photographs")
    line = [STORE, "--seed", str(scratch / "photographs"), "--delay-ms", str(DELAY_MS)]
    store = subprocess.Popen(line, stdout=subprocess.PIPE, text=True)
    environment = {**os.environ, **KEYS, "AWS_ENDPOINT_URL": store.stdout.readline().strip(), "XDG_CONFIG_HOME": str(scratch / "config")}
    cluster = Cluster(scratch, environment)
    try:
        measure(cluster)
        shutil.rmtree(scratch)
    finally:
        cluster.stop()
        store.kill()
    sys.exit(bars.failed)


if __name__ == "__main__":
    main()
