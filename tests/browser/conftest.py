"""A real browser for tests: Chromium without a screen, spoken to through two pipes.

It needs nothing but the program itself (`apt-get install chromium`), no driver and no port.
"""

import json
import os
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "chromium-headless-shell", "google-chrome", "chrome")
PATIENCE = 60.0

# The browser reads commands from 3 and writes answers to 4; both ends may lie there already.
LAUNCHER = """
import os, sys
read, write = (os.dup(int(end)) for end in sys.argv[1:3])
while read <= 4 or write <= 4:
    read, write = os.dup(read), os.dup(write)
os.dup2(read, 3)
os.dup2(write, 4)
os.execvp(sys.argv[3], sys.argv[3:])
"""


class Browser:
    """One page of Chromium, by the DevTools protocol.

    Attributes:
        problems: errors and warnings of the console, exceptions, what the page's policy blocked.
        requests: addresses that were asked for, but for `file:`, `data:` and `blob:`.
    """

    def __init__(self, program: str, profile: Path) -> None:
        to_read, self._write = os.pipe()
        self._read, to_write = os.pipe()
        options = [
            "--headless",
            "--remote-debugging-pipe",
            f"--user-data-dir={profile}",
            "--no-first-run",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-background-networking",
            "--hide-scrollbars",
        ]
        if os.geteuid() == 0:
            options.append("--no-sandbox")  # which does not run as root
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-S", "-c", LAUNCHER, str(to_read), str(to_write)),
                *(program, *options, "about:blank"),
            ],
            pass_fds=(to_read, to_write),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_read)
        os.close(to_write)
        self._held, self._number, self._session = b"", 0, ""
        self.problems: list[str] = []
        self.requests: list[str] = []
        try:
            self._attach()
        except BaseException:
            self.close()
            raise

    def open(self, page: Path) -> None:
        """Load a page from disk and wait until it says that it is ready."""
        self.problems.clear()
        self.requests.clear()
        self._call("Page.navigate", url=page.as_uri())
        self.wait("document.documentElement?.dataset.ready === 'true'")

    def run(self, script: str) -> Any:
        """The value of an expression in the page."""
        answer = self._call(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def wait(self, condition: str) -> None:
        """Until an expression is true."""
        end = time.monotonic() + PATIENCE
        while not self.run(condition):
            assert time.monotonic() < end, f"not within {PATIENCE:g} s: {condition}"
            time.sleep(0.05)

    def screen(self, width: int, height: int, *, dark: bool = False, phone: bool = False) -> None:
        """Size of the window and what the reader prefers."""
        self._call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=2 if phone else 1,
            mobile=phone,
        )
        self._call("Emulation.setTouchEmulationEnabled", enabled=phone)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._call("Emulation.setEmulatedMedia", features=[scheme])

    def click(self, selector: str) -> None:
        """The mouse on the middle of an element, as a reader would."""
        x, y = self.middle(selector)
        for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
            button = {"button": "left", "clickCount": 1} if kind != "mouseMoved" else {}
            self._call("Input.dispatchMouseEvent", type=kind, x=x, y=y, **button)

    def move(self, x: float, y: float) -> None:
        """The mouse, to a place in the window."""
        self._call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def key(self, name: str) -> None:
        """One key, such as Enter or Tab."""
        codes = {"Enter": 13, "Tab": 9, " ": 32}
        text = {"Enter": "\r", " ": " "}.get(name, "")
        more = {"key": name, "windowsVirtualKeyCode": codes[name]}
        self._call("Input.dispatchKeyEvent", type="keyDown", text=text, **more)
        self._call("Input.dispatchKeyEvent", type="keyUp", **more)

    def middle(self, selector: str) -> tuple[float, float]:
        """Of an element, once it has been scrolled into the window."""
        box = self.run(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)});"
            "e.scrollIntoView({block: 'center', inline: 'center', behavior: 'instant'});"
            "const b = e.getBoundingClientRect();"
            "return [b.x + b.width / 2, b.y + b.height / 2] })()"
        )
        return box[0], box[1]

    def picture(self, path: Path, *, whole: bool = True) -> None:
        """A screenshot, for people."""
        import base64

        shot = self._call("Page.captureScreenshot", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(shot["data"]))

    def close(self) -> None:
        """End the process that was started."""
        self._session = ""
        try:
            self._call("Browser.close")
            self._process.wait(timeout=10)
        except (AssertionError, OSError, subprocess.TimeoutExpired):
            self._process.kill()
            self._process.wait()
        os.close(self._write)
        os.close(self._read)

    def _attach(self) -> None:
        """To the page that the browser begins with."""
        targets = self._call("Target.getTargets")["targetInfos"]
        target = next(item["targetId"] for item in targets if item["type"] == "page")
        attached = self._call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self._call(f"{domain}.enable")

    def _call(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._number:
                assert "error" not in answer, f"{method}: {answer['error']}"
                return answer["result"]
            self._note(answer.get("method", ""), answer.get("params", {}))

    def _next(self) -> dict[str, Any]:
        end = time.monotonic() + PATIENCE
        while b"\0" not in self._held:
            ready, _, _ = select.select([self._read], [], [], max(0.0, end - time.monotonic()))
            assert ready, f"no answer of the browser within {PATIENCE:g} s"
            piece = os.read(self._read, 1 << 20)
            assert piece, "the browser has ended"
            self._held += piece
        text, _, self._held = self._held.partition(b"\0")
        return json.loads(text)

    def _note(self, event: str, told: dict[str, Any]) -> None:
        if event == "Runtime.exceptionThrown":
            self.problems.append(str(told["exceptionDetails"]))
        elif event == "Runtime.consoleAPICalled" and told["type"] in ("error", "warning", "assert"):
            self.problems.append(str([item.get("value") for item in told["args"]]))
        elif event == "Log.entryAdded" and told["entry"]["level"] in ("error", "warning"):
            self.problems.append(told["entry"]["text"])
        elif event == "Network.requestWillBeSent":
            address = told["request"]["url"]
            if not address.startswith(("file:", "data:", "blob:", "about:")):
                self.requests.append(address)


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Chromium from the PATH, or named by ISTHMUS_CHROMIUM.

    Where there is none the test is skipped, but fails in continuous integration (CI is set).
    """
    program = find_program(shutil.which)
    if program is None:
        said = (
            "no Chromium on the PATH, so the report was not tested in a browser: "
            "apt-get install chromium, or name the program in ISTHMUS_CHROMIUM"
        )
        if os.environ.get("CI"):
            pytest.fail(said)
        pytest.skip(said)
    found = Browser(program, tmp_path_factory.mktemp("profile"))
    yield found
    found.close()


def find_program(which: Callable[[str], str | None]) -> str | None:
    named = os.environ.get("ISTHMUS_CHROMIUM")
    names = (named,) if named else NAMES
    return next((path for name in names if (path := which(name)) is not None), None)
