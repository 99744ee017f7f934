"""Hands text out while a process runs: over HTTP to who asks for it, or into a file that is always whole.

One idea: a thread of its own calls ``text`` and gives away what it returns; what is counted is never touched, and who
reads slowly, or not at all, holds up nobody but itself.
"""

from __future__ import annotations

import contextlib
import http.server
import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path

from sevenm.host.metrics import CONTENT_TYPE

PATH = "/metrics"
CLIENT_SECONDS_MAX = 2.0
"""What a client that says nothing, or takes nothing, is waited for."""
EVERY = 10.0
"""Seconds between two versions of a file."""


class _Handler(http.server.BaseHTTPRequestHandler):
    """One request: GET or HEAD of PATH."""

    server_version = "sevenm"
    sys_version = ""
    timeout = CLIENT_SECONDS_MAX
    server: _Server

    def do_GET(self) -> None:
        self._answer(body=True)

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is that of the base class
        """Requests are not logged."""

    def _answer(self, body: bool) -> None:
        if self.path.partition("?")[0] != PATH:
            self.send_error(404, f"only {PATH} is here")
            return
        data = self.server.text().encode()
        self.send_response(200)
        self.send_header("Content-Type", CONTENT_TYPE)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if body:
            self.wfile.write(data)


class _Server(http.server.HTTPServer):
    def __init__(self, address: tuple[str, int], text: Callable[[], str]) -> None:
        self.text = text
        if ":" in address[0]:
            self.address_family = socket.AF_INET6
        super().__init__(address, _Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away in the midst of an answer is no fault of ours."""


class MetricsServer:
    """Answers at ``http://host:port/metrics`` until it is closed. Port 0 takes a free one; ``port`` says which.

    Raises OSError if the address cannot be used."""

    def __init__(self, host: str, port: int, text: Callable[[], str]) -> None:
        self._server = _Server((host, port), text)
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, name="metrics", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class MetricsFile:
    """Writes a file anew every ``every`` seconds and at the end; a reader sees one version or the next, never a part.

    Raises OSError if the first one cannot be written; ``failed`` has what went wrong later, None if nothing did."""

    def __init__(self, path: str | Path, text: Callable[[], str], every: float = EVERY) -> None:
        self._path, self._text, self._every = Path(path), text, every
        self.failed: OSError | None = None
        self._write()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._work, name="metrics", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._end.set()
        self._thread.join()
        self._try()

    def _work(self) -> None:
        while not self._end.wait(self._every):
            self._try()

    def _try(self) -> None:
        try:
            self._write()
        except OSError as error:
            self.failed = error

    def _write(self) -> None:
        # Beside the file, because a rename is whole within one file system only; not .prom, which collectors look for.
        beside = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        try:
            beside.write_text(self._text(), encoding="utf-8")
            beside.chmod(0o644)  # who collects it is another user
            beside.replace(self._path)
        except OSError:
            with contextlib.suppress(OSError):
                beside.unlink()
            raise
