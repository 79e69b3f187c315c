"""Where the API listens: bound once by `up` and handed to the API, which may die and come back."""

import errno
import http.client
import socket
from types import TracebackType
from typing import Self

ASK_S = 5.0


class AddressError(Exception):
    """The address cannot be listened on."""


class Address:
    """A bound socket. As `up` holds it, nobody else can take the port while the API restarts."""

    def __init__(self, host: str, port: int) -> None:
        try:
            family, kind, _, _, address = socket.getaddrinfo(
                host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )[0]
        except socket.gaierror as error:
            raise AddressError(f"LAYERTUNE_HOST={host}: {error.strerror}") from error
        self._socket = socket.socket(family, kind)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Accepted connections inherit it. The server, given a descriptor, takes it for a Unix
        # socket and would leave it off: each reply on an open connection would then wait 40 ms
        # for the client's delayed acknowledgement.
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            self._socket.bind(address)
        except OSError as error:
            self._socket.close()
            raise AddressError(_why(host, port, error)) from error
        self.host, self.port = host, int(self._socket.getsockname()[1])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._socket.close()

    @property
    def fd(self) -> int:
        return self._socket.fileno()

    @property
    def reachable(self) -> str:
        """A host that a client on this machine can use, where we listen on all."""
        return {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(self.host, self.host)  # noqa: S104

    @property
    def url(self) -> str:
        host = self.reachable
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    def ask(self, path: str) -> tuple[int, str]:
        """Status and body of a GET; (0, reason) while nobody answers."""
        connection = http.client.HTTPConnection(self.reachable, self.port, timeout=ASK_S)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode(errors="replace")
        except (OSError, http.client.HTTPException) as error:
            return 0, f"{type(error).__name__}: {error}"
        finally:
            connection.close()


def _why(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"port {port} on {host} is taken by another process; set LAYERTUNE_PORT to a free one"
        )
    if error.errno == errno.EACCES:
        return f"port {port} needs more rights; set LAYERTUNE_PORT to one above 1023"
    return f"LAYERTUNE_HOST={host} LAYERTUNE_PORT={port}: {error.strerror}"
