"""Headers on every reply that tell a browser what it must not do with it."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

# The two pages of documentation run scripts of ours, one of them inline; nothing else does.
PAGES = frozenset({"/docs", "/redoc"})
_NOTHING = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
_OF_PAGES = (
    "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; font-src 'self' data:; connect-src 'self'; worker-src blob:; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
_ALWAYS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
)
_POLICY = b"content-security-policy"
_HSTS = (b"strict-transport-security", b"max-age=31536000")


def headers_for(path: str, scheme: str) -> tuple[tuple[bytes, bytes], ...]:
    policy = (_POLICY, (_OF_PAGES if path in PAGES else _NOTHING).encode())
    return (*_ALWAYS, policy, *((_HSTS,) if scheme == "https" else ()))


_PLAIN = headers_for("/", "http")


class Shield:
    """Pure ASGI, the outermost of all: no reply leaves without its headers."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        plain = scope["scheme"] != "https" and scope["path"] not in PAGES
        added = _PLAIN if plain else headers_for(scope["path"], scope["scheme"])

        async def shielded(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *added]
            await send(message)

        await self.app(scope, receive, shielded)
