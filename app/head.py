"""HEAD for whatever answers GET: the same status and headers, and no body."""

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

METHOD = "HEAD"


class _EnoughError(OSError):
    """The headers have left: the body that would follow is made for nobody.

    An OSError, as that is what a server raises to a reply whose client has gone.
    """


class Head:
    """Pure ASGI, innermost of ours: routes see a GET and are stopped once they have answered."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != METHOD:
            await self.app(scope, receive, send)
            return
        begun = False

        async def headless(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                await send(message)
            elif message["type"] == "http.response.body":
                raise _EnoughError

        # A copy: the server decides by the method in its own scope what it may send.
        inner = {**scope, "method": "GET"}
        try:
            await self.app(inner, receive, headless)
        except (_EnoughError, ClientDisconnect):
            if not begun:
                raise
        finally:
            if "route" in inner:
                scope["route"] = inner["route"]  # for the log and the counters
        await send({"type": "http.response.body", "body": b""})
