"""A headless Chromium, driven through the pipe of its DevTools protocol: no driver and no port."""

import base64
import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PATIENCE = 400.0  # seconds for one answer: the machine may be busy


def find() -> str | None:
    """The browser of this machine, or None."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


class Browser:
    """One page. `messages`: what was written to the console, uncaught errors and refusals of the page's own policy."""

    def __init__(self, executable: str, profile: Path):
        self.messages: list[str] = []
        self._number = 0
        self._buffer = b""
        read_commands, self._out = os.pipe()
        self._in, write_answers = os.pipe()
        # The browser reads commands from descriptor 3 and answers on 4.
        script = f'exec 3<&{read_commands} 4>&{write_answers}; exec "$0" "$@"'
        flags = [
            "--headless=new",
            "--no-sandbox",
            "--remote-debugging-pipe",
            "--disable-gpu",
            "--disable-dev-shm-usage",
        ]
        flags += [f"--user-data-dir={profile}", "--no-first-run", "--disable-background-networking"]
        self._process = subprocess.Popen(
            ["bash", "-c", script, executable, *flags, "about:blank"],
            pass_fds=(read_commands, write_answers),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # so that its children end with it
        )
        os.close(read_commands)
        os.close(write_answers)
        targets = self.call("Target.getTargets", at_page=False)["targetInfos"]
        target = next(found["targetId"] for found in targets if found["type"] == "page")
        self._session = self.call("Target.attachToTarget", at_page=False, targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, *, at_page: bool = True, **parameters: Any) -> dict[str, Any]:
        """The answer to one command."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        os.write(self._out, json.dumps(message | ({"sessionId": self._session} if at_page else {})).encode() + b"\0")
        while True:
            found = self._read()
            if found.get("id") == self._number:
                assert "error" not in found, found
                return found["result"]

    def open(self, address: str) -> None:
        """Loads the page and waits until it and its script are done."""
        if self.evaluate("location.href").split("#")[0] == address.split("#")[0]:
            self.call("Page.navigate", url="about:blank")  # a new fragment alone loads nothing
        self.call("Page.navigate", url=address)
        end = time.monotonic() + PATIENCE
        while self.evaluate("location.href") == "about:blank" or self.evaluate("document.readyState") != "complete":
            assert time.monotonic() < end, f"{address} does not load"
            time.sleep(0.05)

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression in the page."""
        found = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def look(self, *, width: int, dark: bool = False) -> None:
        """A window of this width, under the light or the dark scheme of colours."""
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=width < 600
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])

    def screenshot(self, path: Path) -> None:
        """The whole page, not only what is in the window."""
        found = self.call("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(found["data"]))

    def close(self) -> None:
        with contextlib.suppress(OSError, ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(30)
        for descriptor in (self._in, self._out):
            with contextlib.suppress(OSError):
                os.close(descriptor)

    def _read(self) -> dict[str, Any]:
        """The next message that is not an event; events are noted on the way."""
        while True:
            while b"\0" not in self._buffer:
                assert select.select([self._in], [], [], PATIENCE)[0], "the browser does not answer"
                chunk = os.read(self._in, 1 << 20)
                assert chunk, "the browser has gone"
                self._buffer += chunk
            part, _, self._buffer = self._buffer.partition(b"\0")
            message = json.loads(part)
            if "id" in message:
                return message
            self._note(message.get("method"), message.get("params", {}))

    def _note(self, method: str | None, content: dict[str, Any]) -> None:
        if method == "Runtime.consoleAPICalled":
            self.messages.append(str([argument.get("value") for argument in content["args"]]))
        elif method == "Runtime.exceptionThrown":
            self.messages.append(content["exceptionDetails"]["text"])
        elif method == "Log.entryAdded":
            self.messages.append(content["entry"]["text"])
