"""A server on this machine that misbehaves on request, and what it served: for tests of suspects behind an address."""

import json
import random
import threading
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Server:
    """Answers POSTs with what a function says of their body.

    Args:
        answer: from path, headers and body to a JSON value, or to status, headers and bytes.
        mischief: from the number of a request to a word of ``Handler.do_POST``, or an empty one.
        port: 0 for any that is free.
        context: of TLS.
    """

    def __init__(
        self, answer: Callable[[str, Any, bytes], Any], mischief: Callable[[int], str] = lambda number: "", port: int = 0,
        context: Any = None,
    ) -> None:  # fmt: skip
        self.answer, self.mischief = answer, mischief
        self.requests: list[bytes] = []
        self.good: Counter[bytes] = Counter()
        self.did: Counter[str] = Counter()
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1  # an answer goes out in one piece: no 40 ms of waiting for acknowledgements

            def do_POST(self) -> None:
                server.handle(self)

            def log_message(self, *_: object) -> None:
                pass

        class Quiet(ThreadingHTTPServer):
            daemon_threads, allow_reuse_address = True, True

            def handle_error(self, *_: object) -> None:
                pass

        self._server = Quiet(("127.0.0.1", port), Handler)
        if context is not None:
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_address[1]
        self.url = f"{'https' if context else 'http'}://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def handle(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers.get("Content-Length", 0)))
        self.requests.append(body)
        done = self.mischief(len(self.requests) - 1)
        self.did[done] += 1
        if done in MISCHIEF:
            MISCHIEF[done](request)
            return
        found = self.answer(request.path, request.headers, body)
        status, headers, data = found if isinstance(found, tuple) else (200, {}, json.dumps(found).encode())
        send(request, status, data, headers)
        if status == 200:
            self.good[body] += 1

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def send(request: BaseHTTPRequestHandler, status: int, data: bytes, headers: dict[str, str] | None = None) -> None:
    request.send_response(status)
    for name, value in ({"Content-Type": "application/json"} | (headers or {})).items():
        request.send_header(name, value)
    request.send_header("Content-Length", str(len(data)))
    request.end_headers()
    request.wfile.write(data)


def _closed(request: BaseHTTPRequestHandler) -> None:
    request.close_connection = True


def _half(request: BaseHTTPRequestHandler) -> None:
    request.send_response(200)
    request.send_header("Content-Type", "application/json")
    request.send_header("Content-Length", "1000")
    request.end_headers()
    request.wfile.write(b'{"scores": [0.1,')
    request.close_connection = True


def _late(request: BaseHTTPRequestHandler) -> None:
    request.connection.settimeout(10)
    request.connection.recv(1)  # until the client has given up
    request.close_connection = True


MISCHIEF: dict[str, Callable[[BaseHTTPRequestHandler], None]] = {
    "fails": lambda request: send(request, 500, b'{"error": "broken"}'),
    "is away": lambda request: send(request, 503, b"", {"Retry-After": "7"}),
    "limits": lambda request: send(request, 429, b"slow down", {"Retry-After": "3"}),
    "garbage": lambda request: send(request, 200, b"\x00\xff garbage"),
    "page": lambda request: send(request, 200, b"<html>sign in</html>", {"Content-Type": "text/html"}),
    "short": lambda request: send(request, 200, b'{"scores": [1, 2]}'),
    "nan": lambda request: send(request, 200, b'{"scores": [NaN, 1, 2, 3, 4, 5, 6, 7, 8, 9]}'),
    "closes": _closed,
    "half": _half,
    "late": _late,
}


def now_and_then(share: float, seed: int = 0) -> Callable[[int], str]:
    """Return what does each mischief at random, in such a share of all requests; being late costs time, and is rare."""
    rng, quick = random.Random(seed), [word for word in MISCHIEF if word != "late"]
    return lambda number: "late" if number % 300 == 99 else rng.choice(quick) if rng.random() < share else ""
