#!/usr/bin/env python3
"""Keys listed per second, each request some milliseconds away: from the beginning of a run, or of a job of one node
and of three, to the first photograph that is asked for. Every page of photographs is asked for once.

    tests/bars/listing.py         FRUITNODE, TEST_STORE: binaries; KEYS=200000 PAGE=1000 DELAY_MS=20
                                  BEFORE: another binary of fruitnode, whose run is timed beside

Needs nothing but Python. About a minute on two cores."""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request

import cluster as bars

KEYS = int(os.environ.get("KEYS", "200000"))
PAGE = int(os.environ.get("PAGE", "1000"))
DELAY_MS = int(os.environ.get("DELAY_MS", "20"))
BEFORE = os.environ.get("BEFORE")
SOURCE = "s3://fruit/synthetic/"


def counted(url):
    with urllib.request.urlopen(f"{url}/_test/counters") as answer:
        counters = json.load(answer)
    return counters["folders"].get("synthetic", {})


class Store:
    """A store of its own for each measurement, so that nothing is counted twice."""

    def __enter__(self):
        line = [bars.STORE, "--synthetic", str(KEYS), "--delay-ms", str(DELAY_MS), "--page", str(PAGE)]
        self.process = subprocess.Popen(line, stdout=subprocess.PIPE, text=True)
        self.url = self.process.stdout.readline().strip()
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def environment(self, scratch):
        return {**os.environ, **bars.KEYS, "AWS_ENDPOINT_URL": self.url, "XDG_CONFIG_HOME": str(scratch / "config")}

    def until_listed(self, began, lives):
        """Seconds from `began` to the first photograph, and pages that were asked for again by then."""
        while lives():
            folder = counted(self.url)
            if folder.get("keys_read", 0) > 0:
                return time.monotonic() - began, folder["pages_asked_again"]
            time.sleep(0.02)
        sys.exit("it ended before a photograph was asked for")


def run(binary):
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="fruitnode-listing-"))
    with Store() as store:
        line = [binary, "-q", "run", "--from", SOURCE, "--to", "s3://fruit/result/"]
        began = time.monotonic()
        process = subprocess.Popen(line, env=store.environment(scratch), stdout=subprocess.DEVNULL)
        try:
            return store.until_listed(began, lambda: process.poll() is None)
        finally:
            process.kill()
            process.wait()
            shutil.rmtree(scratch)


def job(nodes):
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="fruitnode-listing-"))
    with Store() as store:
        cluster = bars.Cluster(scratch, store.environment(scratch))
        try:
            cluster.start(["init", "--uses", "16"])
            cluster.until("the first node prints its token", cluster.token)
            for _ in range(1, nodes):
                cluster.start(["join", f"127.0.0.1:{cluster.nodes[0][1]}", "--token", cluster.token().group(0)])
            cluster.ready(nodes)
            began = time.monotonic()
            if cluster.ask("job", "submit", "--from", SOURCE, "--to", "s3://fruit/result/", "--id", "listing", "--detach") is None:
                sys.exit(f"the job was not taken; logs are in {scratch}")
            return store.until_listed(began, lambda: True)
        finally:
            cluster.stop()
            shutil.rmtree(scratch)


def main():
    bars.note(f"{KEYS} keys in pages of {PAGE}, each request {DELAY_MS} ms away")
    before = run(BEFORE) if BEFORE else None
    if before:
        bars.note(f"`run` before: {before[0]:.2f} s, {KEYS / before[0]:,.0f} keys/s")
    alone = None
    measured = [("`run`", lambda: run(bars.FRUITNODE), 1), ("one node", lambda: job(1), 1), ("three nodes", lambda: job(3), 3)]
    for what, measure, nodes in measured:
        took, again = measure()
        # Each node looks at one key when it opens the source, and counts that as a page.
        again -= nodes - 1
        alone = alone or took
        beside = f", {before[0] / took:.2f} times `run` before" if before else f", {alone / took:.2f} times `run`"
        bars.note(f"{what}: {took:.2f} s, {KEYS / took:,.0f} keys/s{beside}")
        bars.bar(f"{what}: pages of photographs asked for again", again, again == 0, "0")
    sys.exit(bars.failed)


if __name__ == "__main__":
    main()
