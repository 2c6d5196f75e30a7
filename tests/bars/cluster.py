#!/usr/bin/env python3
"""A cluster of three processes on this machine, beside one node alone: same result, how long it takes to join,
what the death of the coordinator costs, what the reduction moves.

    tests/bars/cluster.py         FRUITNODE, TEST_STORE: binaries; PHOTOGRAPHS: Fruits-360

Needs nothing but Python. About 5 minutes on two cores."""

import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
FRUITNODE = os.environ.get("FRUITNODE", str(ROOT / "target/release/fruitnode"))
STORE = os.environ.get("TEST_STORE", str(ROOT / "target/release/test-store"))
PHOTOGRAPHS = pathlib.Path(os.environ.get("PHOTOGRAPHS", ROOT / "../shared/data/fruits-360"))
TRAINING = PHOTOGRAPHS / "Training"
KEYS = {
    "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7OWNER00",
    "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYOWNERS0KEY",
    "AWS_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": "/dev/null",
    "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
}
failed = False


def bar(what, figure, holds, wanted):
    global failed
    failed |= not holds
    print(f"{'ok   ' if holds else 'FAIL '} {what}: {figure} (bar: {wanted})", flush=True)


def note(words):
    print(f"note  {words}", flush=True)


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Cluster:
    def __init__(self, scratch, environment):
        self.scratch, self.environment, self.nodes = scratch, environment, []

    def start(self, words):
        at = len(self.nodes) + 1
        port = free_port()
        log = open(self.scratch / f"n{at}.log", "w")
        out = open(self.scratch / f"n{at}.out", "w")
        line = [FRUITNODE, *words, "--data-dir", f"n{at}", "--listen", f"127.0.0.1:{port}", "--http", "off", "--threads", "1"]
        process = subprocess.Popen(line, cwd=self.scratch, env=self.environment, stdout=out, stderr=log)
        self.nodes.append((process, port))
        return at

    def hosts(self):
        return ",".join(f"127.0.0.1:{port}" for process, port in self.nodes if process.poll() is None)

    def ask(self, *words):
        line = [FRUITNODE, *words, "-o", "json", "--host", self.hosts()]
        ended = subprocess.run(line, cwd=self.scratch, env=self.environment, capture_output=True, text=True)
        return json.loads(ended.stdout) if ended.returncode == 0 else None

    def until(self, what, is_so, limit=180):
        began = time.monotonic()
        while time.monotonic() - began < limit:
            found = is_so()
            if found:
                return time.monotonic() - began, found
            time.sleep(0.05)
        sys.exit(f"it did not happen that {what}; logs are in {self.scratch}")

    def ready(self, count):
        def is_so():
            status = self.ask("status", "--timeout", "5s")
            return status and sum(node["state"] == "ready" for node in status["nodes"]) == count
        self.until(f"{count} nodes are ready", is_so)

    def token(self):
        text = (self.scratch / "n1.out").read_text()
        return re.search(r"FN1\.\S+", text)

    def stop(self):
        for process, _ in self.nodes:
            process.kill()
            process.wait()


def peak_mb(process):
    status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+)", status).group(1)) // 1024


def files_below(folder):
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def main():
    if not TRAINING.is_dir():
        print(f"skipped: {TRAINING} is not there")
        return
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="fruitnode-cluster-"))
    store = subprocess.Popen([STORE, "--seed", str(TRAINING)], stdout=subprocess.PIPE, text=True)
    environment = {**os.environ, **KEYS, "AWS_ENDPOINT_URL": store.stdout.readline().strip(), "XDG_CONFIG_HOME": str(scratch / "config")}
    cluster = Cluster(scratch, environment)
    try:
        measure(cluster)
        shutil.rmtree(scratch)
    finally:
        cluster.stop()
        store.kill()
    sys.exit(failed)


def run_alone(cluster, to, flags):
    line = [FRUITNODE, "-q", "-o", "json", "run", "--from", "s3://fruit/photographs/", "--to", to, *flags]
    ended = subprocess.run(line, env=cluster.environment, capture_output=True, text=True)
    if ended.returncode:
        sys.exit(ended.stderr)
    return json.loads(ended.stdout)


def submit(cluster, name, flags):
    began = time.monotonic()
    words = ["job", "submit", "--from", "s3://fruit/photographs/", "--to", f"s3://fruit/{name}/", "--id", name, *flags]
    if cluster.ask(*words) is None:
        sys.exit(f"job {name} failed; logs are in {cluster.scratch}")
    return time.monotonic() - began, cluster.ask("job", "status", name)


def measure(cluster):
    cluster.start(["init", "--uses", "16"])
    cluster.until("the first node prints its token", cluster.token)
    token = cluster.token().group(0)
    join = lambda: cluster.start(["join", f"127.0.0.1:{cluster.nodes[0][1]}", "--token", token])
    join(), join()
    cluster.ready(3)

    alone = run_alone(cluster, "s3://fruit/alone/", [])
    took, job = submit(cluster, "three", [])
    keys = alone["photographs"]
    note(f"{keys} photographs: {took:.1f} s on three processes of one thread, {alone['took_s']:.1f} s by `run`")
    bar("_SUCCESS of three nodes is that of one", job["success_sha256"][:12], job["success_sha256"] == alone["success_sha256"], alone["success_sha256"][:12])
    for at, (process, _) in enumerate(cluster.nodes):
        note(f"node n{at + 1}: peak resident memory {peak_mb(process)} MB, {files_below(cluster.scratch / f'n{at + 1}') // 1024} KiB on disk")

    # Joining a cluster that is at work.
    words = ["job", "submit", "--from", "s3://fruit/photographs/", "--to", "s3://fruit/joined/", "--id", "joined", "--detach", "--rows-per-part", "64"]
    cluster.ask(*words)
    cluster.until("it extracts", lambda: cluster.ask("job", "status", "joined")["extracted"] > 4)
    began = time.monotonic()
    fourth = join()
    status = lambda: (cluster.ask("status", "--timeout", "5s") or {}).get("nodes", [])
    leased = lambda: any(node["node"] == fourth and node["used"] > 0 for node in status())
    cluster.until("the fourth node has a lease", leased)
    took = time.monotonic() - began
    bar("from `join` to its first lease, seconds", f"{took:.2f}", took <= 3, "3")

    # The coordinator dies.
    status = cluster.ask("status")
    leader = status["leader"] if isinstance(status["leader"], int) else int(str(status["leader"]).strip("n"))
    before = cluster.ask("job", "status", "joined")["extracted"]
    cluster.nodes[leader - 1][0].send_signal(signal.SIGKILL)
    cluster.nodes[leader - 1][0].wait()
    began = time.monotonic()
    on = lambda: (cluster.ask("job", "status", "joined", "--timeout", "5s") or {}).get("extracted", 0) > before
    cluster.until("another result is accepted", on)
    took = time.monotonic() - began
    bar("from the coordinator's death to the next accepted result, seconds", f"{took:.2f}", took <= 10, "10")
    done = lambda: (cluster.ask("job", "status", "joined", "--timeout", "5s") or {}).get("phase") == "succeeded"
    cluster.until("the job succeeds", done)
    job = cluster.ask("job", "status", "joined")
    once = run_alone(cluster, "s3://fruit/alone-64/", ["--rows-per-part", "64"])
    bar("_SUCCESS after both is that of one node", job["success_sha256"][:12], job["success_sha256"] == once["success_sha256"], once["success_sha256"][:12])

    # What the reduction moves between three nodes.
    for partitions in (16, 64, 256):
        rows = -(-keys // partitions)
        _, job = submit(cluster, f"of-{partitions}", ["--rows-per-part", str(rows)])
        story = cluster.ask("job", "explain", f"of-{partitions}")
        merges = next(stage for stage in story["stages"] if stage["stage"] == "merge")
        live = [process for process, _ in cluster.nodes if process.poll() is None]
        peaks = ", ".join(str(peak_mb(process)) for process in live)
        note(f"{job['partitions']} partitions: {merges['attempts']} merges, {merges['bytes'] / 1e6:.1f} MB of moments between nodes; peak memory so far {peaks} MB")


if __name__ == "__main__":
    main()
