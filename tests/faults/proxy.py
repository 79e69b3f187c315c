"""A proxy before the S3 endpoint of the tests that can answer 500, hold its answers, or be deaf."""

import http.client
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self
from urllib.parse import urlsplit

HOP = frozenset({"connection", "transfer-encoding", "keep-alive", "content-length"})


class Proxy:
    """`fails` requests get a 500; `slow_s` is slept before each; `seen` counts what it refused."""

    def __init__(self, target: str) -> None:
        self.target = urlsplit(target).netloc
        self.failing, self.slow_s, self.seen = False, 0.0, 0
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                """Nothing is said."""

            def handle_one(self) -> None:
                proxy.answer(self)

            do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = handle_one  # noqa: N815 - the library's names

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def answer(self, asked: BaseHTTPRequestHandler) -> None:
        body = self._body(asked)
        time.sleep(self.slow_s)
        if self.failing:
            self.seen += 1
            asked.send_response(500)
            asked.send_header("Content-Length", "0")
            asked.end_headers()
            return
        connection = http.client.HTTPConnection(self.target, timeout=60)
        headers = {k: v for k, v in asked.headers.items() if k.lower() not in HOP}
        connection.request(asked.command, asked.path, body, headers)
        found = connection.getresponse()
        data = found.read()
        asked.send_response(found.status)
        for name, value in found.getheaders():
            if name.lower() not in HOP:
                asked.send_header(name, value)
        length = found.getheader("Content-Length") if asked.command == "HEAD" else None
        asked.send_header("Content-Length", length or str(len(data)))
        asked.end_headers()
        asked.wfile.write(data)
        connection.close()

    def _body(self, asked: BaseHTTPRequestHandler) -> bytes:
        if "chunked" not in asked.headers.get("Transfer-Encoding", ""):
            return asked.rfile.read(int(asked.headers.get("Content-Length", 0)))
        body = b""
        while size := int(asked.rfile.readline().split(b";")[0], 16):
            body += asked.rfile.read(size)
            asked.rfile.readline()
        asked.rfile.readline()
        return body

    def __enter__(self) -> Self:
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()
