#!/usr/bin/env python3
"""A cluster of processes on this machine, beside one node alone: the same result from 1, 2, 3 and 5 nodes, while coordinators die
and while members join and leave; what a death costs, how long it takes to join, what the reduction moves and occupies.

    tests/bars/cluster.py         FRUITNODE, TEST_STORE: binaries; PHOTOGRAPHS: Fruits-360; ROUNDS=5: deaths, and joins

Results are compared by `_SUCCESS`: it names every published file with its SHA-256 (node/result/src/success.rs), so that where it
is equal the files are the same, by name and by digest; `fruitnode verify` reads some of them back to see that they have these.
Needs nothing but Python, on Linux. About 10 minutes on two cores."""

import json
import os
import pathlib
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
FRUITNODE = os.environ.get("FRUITNODE", str(ROOT / "target/release/fruitnode"))
STORE = os.environ.get("TEST_STORE", str(ROOT / "target/release/test-store"))
PHOTOGRAPHS = pathlib.Path(os.environ.get("PHOTOGRAPHS", ROOT / "../shared/data/fruits-360"))
ROUNDS = int(os.environ.get("ROUNDS", "5"))
TRAINING = PHOTOGRAPHS / "Training"
# Parts small enough that a job can be met in the middle, with more to come.
FINE = ["--rows-per-part", "64"]
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
    """Processes by their place: the one at 1 is n1, as long as nobody joins before the one before is let in."""

    def __init__(self, scratch, environment):
        self.scratch, self.environment, self.nodes = scratch, environment, []

    def start(self, words):
        self.nodes.append((None, free_port()))
        self.launch(len(self.nodes), words)
        return len(self.nodes)

    def launch(self, at, words):
        port = self.nodes[at - 1][1]
        line = [FRUITNODE, *words, "--data-dir", f"n{at}", "--listen", f"127.0.0.1:{port}", "--http", "off", "--threads", "1"]
        with open(self.scratch / f"n{at}.log", "a") as log, open(self.scratch / f"n{at}.out", "a") as out:
            process = subprocess.Popen(line, cwd=self.scratch, env=self.environment, stdout=out, stderr=log)
        self.nodes[at - 1] = (process, port)

    def found(self):
        self.start(["init", "--uses", "64"])
        self.until("the first node prints its token", self.token)

    def join(self):
        at = self.start(["join", self.hosts(), "--token", self.token().group(0)])
        self.until(f"n{at} is let in", (self.scratch / f"n{at}" / "identity.json").is_file)
        return at

    def kill(self, at):
        process, _ = self.nodes[at - 1]
        process.kill()
        process.wait()

    def leave(self, at):
        """Has a node leave for good; seconds that it took."""
        began = time.monotonic()
        line = [FRUITNODE, "leave", "--data-dir", f"n{at}", "--yes", "-o", "json"]
        ended = subprocess.run(line, cwd=self.scratch, env=self.environment, capture_output=True, text=True)
        if ended.returncode or json.loads(ended.stdout)["outcome"] != "left":
            sys.exit(f"n{at} does not leave: {ended.stdout}{ended.stderr}; logs are in {self.scratch}")
        took = time.monotonic() - began
        self.until(f"the process of n{at} ends", lambda: self.nodes[at - 1][0].poll() is not None)
        return took

    def living(self):
        return [at for at, (process, _) in enumerate(self.nodes, 1) if process and process.poll() is None]

    def hosts(self):
        return ",".join(f"127.0.0.1:{self.nodes[at - 1][1]}" for at in self.living())

    def ask(self, *words):
        line = [FRUITNODE, *words, "-o", "json", "--host", self.hosts()]
        ended = subprocess.run(line, cwd=self.scratch, env=self.environment, capture_output=True, text=True)
        return json.loads(ended.stdout) if ended.returncode == 0 else None

    def job(self, name):
        return self.ask("job", "status", name, "--timeout", "5s") or {}

    def until(self, what, is_so, limit=300):
        began = time.monotonic()
        while time.monotonic() - began < limit:
            found = is_so()
            if found:
                return time.monotonic() - began, found
            time.sleep(0.02)
        sys.exit(f"it did not happen that {what}; logs are in {self.scratch}")

    def ready(self, count):
        """Waits until so many nodes take leases, and as many of them vote as should."""
        def is_so():
            status = self.ask("status", "--timeout", "5s") or {}
            ready = [node for node in status.get("nodes", []) if node["state"] == "ready"]
            return len(ready) == count and sum(node["role"] == "voter" for node in ready) == (3 if count >= 3 else 1)
        self.until(f"{count} nodes are ready", is_so)

    def token(self):
        text = (self.scratch / "n1.out").read_text()
        return re.search(r"FN1\.\S+", text)

    def stop(self):
        for at in self.living():
            self.kill(at)


def megabytes(process, key):
    """VmRSS, which is resident now, or VmHWM, the most that was since `forget_peak`."""
    status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
    return int(re.search(rf"{key}:\s+(\d+)", status).group(1)) // 1024


def forget_peak(process):
    pathlib.Path(f"/proc/{process.pid}/clear_refs").write_text("5")


def files_below(folder):
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def run_alone(cluster, to, flags):
    line = [FRUITNODE, "-q", "-o", "json", "run", "--from", "s3://fruit/photographs/", "--to", to, *flags]
    ended = subprocess.run(line, env=cluster.environment, capture_output=True, text=True)
    if ended.returncode:
        sys.exit(ended.stderr)
    return json.loads(ended.stdout)


def submit(cluster, name, flags):
    words = ["job", "submit", "--from", "s3://fruit/photographs/", "--to", f"s3://fruit/{name}/", "--id", name, *flags]
    if cluster.ask(*words) is None:
        sys.exit(f"job {name} failed; logs are in {cluster.scratch}")


def whole_job(cluster, name, flags):
    began = time.monotonic()
    submit(cluster, name, flags)
    return time.monotonic() - began, cluster.job(name)


def under_way(cluster, name):
    """A job of small parts, some of which are done."""
    submit(cluster, name, ["--detach", *FINE])
    cluster.until(f"{name} extracts", lambda: cluster.job(name).get("extracted", 0) > 4)


def still_extracts(job):
    if job["phase"] != "extracting":
        sys.exit(f"{job['job']} is {job['phase']} already: it takes more photographs to meet it in the middle")


def same(what, job, alone):
    digest = job["success_sha256"] or job["phase"]
    bar(f"_SUCCESS of {what} is that of one node alone", digest[:12], digest == alone["success_sha256"], alone["success_sha256"][:12])


def succeeds(cluster, name, what, alone):
    ended = lambda: cluster.job(name).get("phase") in ("succeeded", "failed", "cancelled")
    cluster.until(f"{name} ends", ended)
    same(what, cluster.job(name), alone)


def verifies(cluster, name):
    line = [FRUITNODE, "verify", f"s3://fruit/{name}/"]
    ended = subprocess.run(line, env=cluster.environment, capture_output=True, text=True)
    passes = ended.returncode == 0
    bar(f"`fruitnode verify` of {name}", "passes" if passes else ended.stdout + ended.stderr, passes, "passes")


def of_nodes(cluster, count, alone):
    """The whole job on so many nodes."""
    while len(cluster.nodes) < count:
        cluster.join()
    cluster.ready(count)
    processes = [process for process, _ in cluster.nodes]
    for process in processes:
        forget_peak(process)
    took, job = whole_job(cluster, f"of-{count}-nodes", [])
    peaks = ", ".join(str(megabytes(process, "VmHWM")) for process in processes)
    disk = ", ".join(str(files_below(cluster.scratch / f"n{at}") // 1024) for at in cluster.living())
    note(f"{job['photographs']} photographs on {count} processes of one thread: {took:.1f} s; peak memory {peaks} MB; {disk} KiB on disk")
    same(f"{count} node{'s' if count > 1 else ''}", job, alone)


def reduction(cluster, photographs):
    """What three nodes move between them for one fit, and the most memory that each takes for that job."""
    processes = [process for process, _ in cluster.nodes]
    for partitions in (16, 64, 256):
        rows = -(-photographs // partitions)
        for process in processes:
            forget_peak(process)
        before = ", ".join(str(megabytes(process, "VmRSS")) for process in processes)
        name = f"reduced-{partitions}"
        _, job = whole_job(cluster, name, ["--rows-per-part", str(rows)])
        peaks = ", ".join(str(megabytes(process, "VmHWM")) for process in processes)
        stages = {stage["stage"]: stage for stage in cluster.ask("job", "explain", name)["stages"]}
        merges = stages["merge"]
        moved = f"{merges['attempts']} merges, {merges['bytes'] / 1e6:.1f} MB of moments between nodes"
        note(f"{job['partitions']} partitions: {moved}; peak memory of this job {peaks} MB, resident before it {before} MB")


def deaths(cluster, alone):
    """Kills the coordinator in the middle of jobs. A result may have been accepted just before, so they are counted from
    the first answer of the next coordinator on: what that one has accepted by then is not counted, and the time is rather
    too long than too short."""
    all_took = []
    for number in range(1, ROUNDS + 1):
        name = f"death-{number}"
        under_way(cluster, name)
        before = cluster.ask("status")
        began = time.monotonic()
        cluster.kill(before["coordinator"])
        _, after = cluster.until("another coordinator answers", lambda: cluster.ask("status", "--timeout", "5s"))
        answered = time.monotonic() - began
        if after["term"] <= before["term"]:
            sys.exit(f"n{before['leader']} was not the coordinator any more: start again")
        job = next(job for job in after["jobs"] if job["job"] == name)
        still_extracts(job)
        cluster.until("a result is accepted", lambda: cluster.job(name).get("extracted", 0) > job["extracted"])
        all_took.append(time.monotonic() - began)
        cluster.launch(before["coordinator"], ["start"])
        words = f"n{before['leader']} killed; n{after['leader']} answers after {answered:.2f} s with {job['extracted']} of {job['partitions']}"
        note(f"{name}: {words} parts accepted, and accepts the next by {all_took[-1]:.2f} s")
        succeeds(cluster, name, name, alone)
        cluster.ready(len(cluster.living()))
    figure = f"{statistics.median(all_took):.2f}, {max(all_took):.2f}"
    bar(f"from the coordinator's death to the next accepted result, seconds, {ROUNDS} times: median, largest", figure, max(all_took) <= 10, "10")
    verifies(cluster, f"death-{ROUNDS}")


def comings_and_goings(cluster, alone):
    """Amid each job a node joins, and the one that was there longest leaves for good, be it the coordinator."""
    all_took = []
    for number in range(1, ROUNDS + 1):
        name = f"moving-{number}"
        under_way(cluster, name)
        began = time.monotonic()
        newcomer = cluster.join()
        nodes = lambda: (cluster.ask("status", "--timeout", "5s") or {}).get("nodes", [])
        leased = lambda: any(node["node"] == newcomer and node["used"] > 0 for node in nodes())
        cluster.until(f"n{newcomer} has a lease", leased)
        all_took.append(time.monotonic() - began)
        leaver, status = cluster.living()[0], cluster.ask("status")
        still_extracts(next(job for job in status["jobs"] if job["job"] == name))
        left = cluster.leave(leaver)
        who = f"n{leaver}{', the coordinator,' if leaver == status['leader'] else ''}"
        note(f"{name}: n{newcomer} joined and had a lease in {all_took[-1]:.2f} s; {who} left in {left:.2f} s, then it was {cluster.job(name).get('phase')}")
        succeeds(cluster, name, name, alone)
        cluster.ready(len(cluster.living()))
    figure = f"{statistics.median(all_took):.2f}, {max(all_took):.2f}"
    bar(f"from `join` to the first lease, seconds, {ROUNDS} times: median, largest", figure, max(all_took) <= 3, "3")
    verifies(cluster, f"moving-{ROUNDS}")


def measure(cluster):
    alone = run_alone(cluster, "s3://fruit/alone/", [])
    fine = run_alone(cluster, "s3://fruit/alone-fine/", FINE)
    note(f"{alone['photographs']} photographs by `run`: {alone['took_s']:.1f} s; {fine['took_s']:.1f} s in parts of {FINE[1]}")
    cluster.found()
    for count in (1, 2, 3):
        of_nodes(cluster, count, alone)
    reduction(cluster, alone["photographs"])
    deaths(cluster, fine)
    of_nodes(cluster, 5, alone)
    comings_and_goings(cluster, fine)


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


if __name__ == "__main__":
    main()
