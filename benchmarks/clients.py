"""Eight people pressing the same button: requests over loopback, as many as a server can take."""

import socket
import threading
import time
from dataclasses import dataclass, field
from statistics import median

BOUNDARY = "benchmark"


def form(image: bytes) -> bytes:
    """A multipart body with the image as `file`."""
    head = (
        f"--{BOUNDARY}\r\nContent-Disposition: form-data; "
        'name="file"; filename="frame.jpg"\r\nContent-Type: image/jpeg\r\n\r\n'
    )
    return head.encode() + image + f"\r\n--{BOUNDARY}--\r\n".encode()


def request(path: str, body: bytes, secret: str = "") -> bytes:
    """A whole HTTP/1.1 request; the connection stays open."""
    lines = [
        f"POST {path} HTTP/1.1",
        "Host: 127.0.0.1",
        f"Content-Type: multipart/form-data; boundary={BOUNDARY}",
        f"Content-Length: {len(body)}",
        "Accept: application/json",
        *([f"Authorization: Bearer {secret}"] if secret else []),
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


class Connection:
    """One open connection that sends the same bytes again and again."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self, asked: bytes) -> bytes:
        """The body of the reply; raises RuntimeError for any status but 200."""
        self._socket.sendall(asked)
        data = b""
        while b"\r\n\r\n" not in data:
            data += self._more()
        head, _, body = data.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").lower().split("\r\n")
        lengths = [int(line.partition(":")[2]) for line in lines if line.startswith("content-len")]
        while len(body) < lengths[0]:
            body += self._more()
        if " 200 " not in lines[0]:
            raise RuntimeError(f"{lines[0]}: {body[:300]!r}")
        return body

    def _more(self) -> bytes:
        chunk = self._socket.recv(65536)
        if not chunk:
            raise RuntimeError("the server closed the connection")
        return chunk

    def close(self) -> None:
        self._socket.close()


@dataclass
class Measured:
    """Replies in a stretch of time, and how long each took."""

    seconds: float
    took_ms: list[float] = field(default_factory=list)

    @property
    def per_s(self) -> float:
        return len(self.took_ms) / self.seconds

    @property
    def median_ms(self) -> float:
        return median(self.took_ms)


def measure(port: int, asked: bytes, clients: int, seconds: float) -> Measured:
    """What so many clients get from a server when each asks as soon as it has its answer."""
    begin, failures = time.perf_counter(), []
    found = Measured(seconds)

    def client() -> None:
        connection = Connection(port)
        try:
            while (sent := time.perf_counter()) - begin < seconds:
                connection.ask(asked)
                found.took_ms.append((time.perf_counter() - sent) * 1e3)
        except (OSError, RuntimeError) as error:
            failures.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=client) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise RuntimeError(f"{len(failures)} of {clients} clients failed: {failures[0]}")
    found.seconds = time.perf_counter() - begin
    return found
