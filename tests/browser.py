"""What the browser tests share: servers to wait for, and a tab that is watched."""

import socket
import subprocess
import time
import urllib.request
from typing import Any
from urllib.parse import urlsplit

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
FLAGS += ["--disable-component-update", "--disable-sync"]


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until_up(url: str, server: subprocess.Popen, seconds: float = 60) -> None:
    """Until a server answers at an address."""
    until = time.monotonic() + seconds
    while True:
        assert server.poll() is None, "the server has stopped"
        try:
            urllib.request.urlopen(url, timeout=2).close()
            return
        except OSError:
            assert time.monotonic() < until, f"no page after {seconds} s"
            time.sleep(0.1)


class Watched:
    """What a tab says in its console and asks of the network, from now on."""

    def __init__(self, tab: Any) -> None:
        self.errors: list[str] = []
        self.requests: list[str] = []
        tab.on("console", lambda message: self.errors.append(message.text) if message.type == "error" else None)
        tab.on("pageerror", lambda error: self.errors.append(str(error)))
        tab.on("request", lambda request: self.requests.append(request.url))

    def has_no_fault(self, address: str) -> None:
        """No error in the console, and nothing asked of anybody but the server at `address`."""
        assert self.errors == []
        foreign = [url for url in self.requests if urlsplit(url).hostname not in (None, "127.0.0.1", "localhost")]
        assert foreign == []
        assert all(url.startswith((address, "data:", "blob:")) for url in self.requests)
