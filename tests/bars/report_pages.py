"""Looks at the pages of a result as a person does: takes pictures of them, and measures.

    python3 tests/bars/report_pages.py RESULT PICTURES

draws RESULT/report.html and every RESULT/_run/*/run.html at 390, 800 and 1400 pixels, on light and
on dark ground, into the folder PICTURES, and measures what a picture does not tell at a glance.

    CHROMIUM     the browser (default chromium, as Debian has it)

Needs nothing but the standard library: it speaks to the browser through a pipe.
"""

import base64
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

WIDTHS = (390, 800, 1400)
SCHEMES = ("light", "dark")
LETTER_PX_MIN = 11
# Taller than this a picture is of no use, and the browser refuses it at last.
HEIGHT_MAX = 12_000

# Runs in the page. Letters are measured as drawn: what is scaled down is small.
MEASURE = """
(() => {
  const shown = [...document.querySelectorAll('svg text')].filter(t => t.getClientRects().length);
  const boxes = shown.map(t => [t.closest('.plot'), t.getBoundingClientRect(), t.textContent]);
  const clashes = [];
  boxes.forEach(([plot, a, one], i) => boxes.slice(i + 1).forEach(([other, b, two]) => {
    if (plot === other && a.left < b.right - 1 && b.left < a.right - 1
        && a.top < b.bottom - 4 && b.top < a.bottom - 4) clashes.push(one + ' / ' + two);
  }));
  const words = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  let least = 99;
  while (words.nextNode()) {
    const at = words.currentNode;
    if (!at.textContent.trim() || at.parentElement.closest('style, title, defs')) continue;
    least = Math.min(least, parseFloat(getComputedStyle(at.parentElement).fontSize));
  }
  const alone = [...document.images].filter(i => !i.alt).length
    + [...document.querySelectorAll('.plot svg[role]')].filter(s => !s.ariaLabel).length;
  return {
    wide: document.documentElement.scrollWidth - innerWidth,
    beyond: boxes.filter(([, a]) => a.right > innerWidth || a.left < 0).map(b => b[2]),
    clashes, least, alone, height: document.documentElement.scrollHeight,
    asked: performance.getEntriesByType('resource').filter(r => !r.name.startsWith('data:')).length,
  };
})()
"""


class Browser:
    """A browser without a window, spoken to by the DevTools protocol over two pipes."""

    def __init__(self, program, profile):
        ours, theirs = os.pipe()
        back, forth = os.pipe()
        line = [program, "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
                "--remote-debugging-pipe", f"--user-data-dir={profile}", "about:blank"]

        def hand_over():
            # The browser reads at 3 and writes at 4.
            held = os.dup2(ours, 30), os.dup2(forth, 31)
            os.dup2(held[0], 3)
            os.dup2(held[1], 4)

        self.process = subprocess.Popen(line, close_fds=False, preexec_fn=hand_over,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(ours)
        os.close(forth)
        self.into, self.out, self.rest, self.calls = theirs, back, b"", 0
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self.session = attached["sessionId"]
        self.call("Page.enable")

    def call(self, method, **params):
        """Calls and waits for the answer."""
        self.calls += 1
        message = {"id": self.calls, "method": method, "params": params}
        if hasattr(self, "session"):
            message["sessionId"] = self.session
        os.write(self.into, json.dumps(message).encode() + b"\0")
        answer = self.until(lambda said: said.get("id") == self.calls)
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']}")
        return answer["result"]

    def until(self, due):
        """Reads until something is said that is due."""
        while True:
            while b"\0" not in self.rest:
                read = os.read(self.out, 1 << 20)
                if not read:
                    raise RuntimeError("the browser is gone")
                self.rest += read
            said, self.rest = self.rest.split(b"\0", 1)
            said = json.loads(said)
            if due(said):
                return said

    def look(self, page, width, scheme, picture):
        """Takes a picture of a page, and returns what was measured in it."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=900,
                  deviceScaleFactor=1, mobile=False)
        feature = {"name": "prefers-color-scheme", "value": scheme}
        self.call("Emulation.setEmulatedMedia", features=[feature])
        self.call("Page.navigate", url=page.resolve().as_uri())
        self.until(lambda said: said.get("method") == "Page.loadEventFired")
        answer = self.call("Runtime.evaluate", expression=MEASURE, returnByValue=True)
        measured = answer["result"]["value"]
        clip = {"x": 0, "y": 0, "width": width, "height": min(measured["height"], HEIGHT_MAX),
                "scale": 1}
        shot = self.call("Page.captureScreenshot", format="png", clip=clip,
                         captureBeyondViewport=True)
        picture.write_bytes(base64.b64decode(shot["data"]))
        return measured

    def close(self):
        """Ends the browser."""
        self.process.terminate()
        self.process.wait()


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    result, pictures = Path(sys.argv[1]), Path(sys.argv[2])
    program = os.environ.get("CHROMIUM", "chromium")
    if not shutil.which(program):
        print(f"skipped: there is no {program}: install Debian's chromium, or set CHROMIUM")
        return
    pages = [result / "report.html", *sorted(result.glob("_run/*/run.html"))]
    pages = [page for page in pages if page.exists()]
    if not pages:
        sys.exit(f"{result} holds no page")
    pictures.mkdir(parents=True, exist_ok=True)
    missed = False
    with tempfile.TemporaryDirectory() as profile:
        browser = Browser(program, profile)
        try:
            for page in pages:
                for width in WIDTHS:
                    for scheme in SCHEMES:
                        picture = pictures / f"{page.stem}-{width}-{scheme}.png"
                        seen = browser.look(page, width, scheme, picture)
                        wrong = {
                            "pixels wider than the screen": max(0, seen["wide"]),
                            "labels beyond the screen": seen["beyond"],
                            "labels that overlap": seen["clashes"],
                            "pictures without words": seen["alone"],
                            "requests": seen["asked"],
                            f"letters below {LETTER_PX_MIN} px":
                                seen["least"] if seen["least"] < LETTER_PX_MIN else 0,
                        }
                        wrong = {what: found for what, found in wrong.items() if found}
                        missed |= bool(wrong)
                        words = json.dumps(wrong, ensure_ascii=False) if wrong else \
                            f"{seen['height']} px tall, letters of {seen['least']:.1f} px and more"
                        print(f"{'FAIL' if wrong else 'ok  '}  {picture.name:<28} {words}")
        finally:
            browser.close()
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
