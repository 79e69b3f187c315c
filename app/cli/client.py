"""The HTTP client behind the commands: one place that asks, retries politely and explains a no."""

import os
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import httpx

Json = dict[str, Any]
Params = Mapping[str, str | int | float | bool]

TRIES = 4  # of a request that is told to come back later
PAGE = 200


class CliError(Exception):
    """A sentence for the person at the terminal that names the way out. Ends with exit code 1."""


class Readable(Protocol):
    """Something uploaded in pieces; `read` answers b"" at the end."""

    def read(self, size: int = -1) -> bytes: ...


@dataclass(frozen=True)
class Event:
    """One message of a sweep's event stream; `id` is what a reconnect continues from."""

    id: str
    kind: str
    data: str


WAYS_OUT = {
    401: "Set LAYERTUNE_KEY to a valid key, or run this where `./run up` keeps var/admin.key.",
    403: "Ask an administrator for a key with a higher role (`layertune keys add`).",
    404: "The `list` commands show what this key can see.",
    413: "The limits are settings of the service (docs/settings.md).",
}


def sentence(response: httpx.Response) -> str:
    """What a problem+json reply says, with every pointed-at error and a way out."""
    try:
        problem = response.json()
    except ValueError:
        problem = {}
    if not isinstance(problem, dict):
        problem = {}
    said = problem.get("detail") or problem.get("title") or f"HTTP {response.status_code}"
    lines = [str(said)]
    for error in problem.get("errors") or []:
        lines.append(f"  {error.get('pointer', '')}: {error.get('detail', '')}".rstrip(": "))
    if response.status_code in WAYS_OUT:
        lines.append(WAYS_OUT[response.status_code])
    elif response.status_code >= 500:
        lines.append(f"The service's log has more under request {problem.get('request_id', '?')}.")
    return "\n".join(lines)


def found_key(given: str) -> str:
    """The key to use: as given, or the embedded stack's own from `var/admin.key`."""
    if given:
        return given
    kept = Path(os.environ.get("LAYERTUNE_VAR", "var")) / "admin.key"
    return kept.read_text().strip() if kept.is_file() else ""


class Api:
    """The service as the commands see it. `http` may carry any transport, so tests need no port."""

    def __init__(self, http: httpx.Client) -> None:
        self.http = http

    @classmethod
    def connect(cls, url: str, key: str, transport: httpx.BaseTransport | None = None) -> "Api":
        headers = {"User-Agent": "layertune-cli"}
        if secret := found_key(key):
            headers["Authorization"] = f"Bearer {secret}"
        timeout = httpx.Timeout(300, connect=5)
        return cls(
            httpx.Client(base_url=url, headers=headers, timeout=timeout, transport=transport)
        )

    def send(self, method: str, path: str, **parts: Any) -> httpx.Response:
        """One request, repeated while the service says 429; CliError on any other refusal."""
        for left in reversed(range(TRIES)):
            try:
                response = self.http.request(method, path, **parts)
            except httpx.ConnectError as error:
                raise CliError(
                    f"Nothing answers at {self.http.base_url}: start the service with `./run up`, "
                    "or say where it is with --url or LAYERTUNE_URL."
                ) from error
            except httpx.TransportError as error:
                raise CliError(f"The connection to {self.http.base_url} broke: {error}.") from error
            if response.status_code != httpx.codes.TOO_MANY_REQUESTS or not left:
                break
            time.sleep(float(response.headers.get("Retry-After", "1")))
        if response.is_error:
            raise CliError(sentence(response))
        return response

    def get(self, path: str, params: Params | None = None) -> Json:
        reply: Json = self.send("GET", path, params=params).json()
        return reply

    def post(self, path: str, body: Json | None = None) -> Json:
        headers = {"Idempotency-Key": uuid.uuid4().hex}
        reply: Json = self.send("POST", path, json=body, headers=headers).json()
        return reply

    def put(self, path: str, body: Json) -> Json:
        reply: Json = self.send("PUT", path, json=body).json()
        return reply

    def items(self, path: str, params: Params | None = None) -> Iterator[Json]:
        """Every item of a paged list, page after page."""
        asked: dict[str, Any] = {"limit": PAGE, **(params or {})}
        while True:
            page = self.get(path, asked)
            yield from page["items"]
            if not page.get("next_cursor"):
                return
            asked["cursor"] = page["next_cursor"]

    def upload(self, path: str, fields: Json, part: str, name: str, stream: Readable) -> Json:
        """Sends one large part without holding it in memory; the small fields go first."""
        # Not repeated on 429: a stream can be read once only.
        try:
            response = self.http.post(
                path,
                data=fields,
                files={part: (name, stream, "application/octet-stream")},  # type: ignore[dict-item]
                headers={"Idempotency-Key": uuid.uuid4().hex},
            )
        except httpx.ConnectError as error:
            raise CliError(
                f"Nothing answers at {self.http.base_url}: `./run up` starts it."
            ) from error
        except httpx.TransportError as error:
            raise CliError(f"The upload broke off: {error}. Send it again.") from error
        if response.is_error:
            raise CliError(sentence(response))
        reply: Json = response.json()
        return reply

    def download(self, path: str, out: Path, tick: Callable[[int, int], None]) -> None:
        """Streams a file to `out` under a temporary name; tick(done, total) counts bytes."""
        part = out.with_name(out.name + ".part")
        with self.http.stream("GET", path) as response:
            if response.is_error:
                response.read()
                raise CliError(sentence(response))
            total = int(response.headers.get("Content-Length", "0"))
            with part.open("wb") as file:
                for block in response.iter_bytes(1 << 20):
                    file.write(block)
                    tick(file.tell(), total)
        part.replace(out)

    def stream(self, path: str, last_id: str = "") -> Iterator[Event]:
        """The events of one connection after `last_id`; httpx.TransportError if it breaks."""
        headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": last_id} if last_id else {})
        with self.http.stream("GET", path, headers=headers) as response:
            if response.is_error:
                response.read()
                raise CliError(sentence(response))
            yield from parse_events(response.iter_lines())


def parse_events(lines: Iterator[str]) -> Iterator[Event]:
    """Server-sent events out of their lines; comments (heartbeats) are dropped."""
    last, kind = "", "message"
    data: list[str] = []
    for line in lines:
        if not line:
            if data:
                yield Event(last, kind, "\n".join(data))
            kind, data = "message", []
        elif not line.startswith(":"):
            field, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if field == "id":
                last = value
            elif field == "event":
                kind = value
            elif field == "data":
                data.append(value)
