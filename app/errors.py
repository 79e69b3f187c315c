"""What can be wrong with a request, as exceptions with a status and a stable code (RFC 9457)."""

from collections.abc import Iterable, Mapping


class Problem(Exception):  # noqa: N818 - RFC 9457's own word
    """An answer that is not the one hoped for; drawn as problem+json in app.replies.

    `code` is stable and for programs, `detail` is a sentence that names the value and the way
    out, and holds no patient data. `errors` is a list of {"pointer", "detail"}.
    """

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        errors: Iterable[Mapping[str, str]] = (),
        retryable: bool = False,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(f"{status} {code}: {detail}")
        self.status = status
        self.code = code
        self.detail = detail
        self.errors = [dict(error) for error in errors]
        self.retryable = retryable
        self.headers = dict(headers or {})


class BadRequest(Problem):
    def __init__(self, code: str, detail: str) -> None:
        super().__init__(400, code, detail)


class Unauthorised(Problem):
    def __init__(self, detail: str) -> None:
        headers = {"WWW-Authenticate": 'Bearer realm="layertune"'}
        super().__init__(401, "unauthorised", detail, headers=headers)


class Forbidden(Problem):
    def __init__(self, detail: str) -> None:
        super().__init__(403, "forbidden", detail)


class NotFound(Problem):
    """Also for what lies in another workspace: its existence is not told."""

    def __init__(self, detail: str, code: str = "not_found") -> None:
        super().__init__(404, code, detail)


class Conflict(Problem):
    def __init__(self, code: str, detail: str, *, retryable: bool = False) -> None:
        super().__init__(409, code, detail, retryable=retryable)


class TooLarge(Problem):
    def __init__(self, detail: str, code: str = "too_large") -> None:
        super().__init__(413, code, detail)


class UnsupportedMedia(Problem):
    def __init__(self, detail: str, code: str = "unsupported_media_type") -> None:
        super().__init__(415, code, detail)


class Unprocessable(Problem):
    def __init__(self, code: str, detail: str, errors: Iterable[Mapping[str, str]] = ()) -> None:
        super().__init__(422, code, detail, errors=errors)


class TooMany(Problem):
    """The caller is faster than its limit; `wait_s` is when to try again."""

    def __init__(self, detail: str, wait_s: float) -> None:
        headers = {"Retry-After": str(max(1, round(wait_s + 0.5)))}
        super().__init__(429, "too_many_requests", detail, retryable=True, headers=headers)


class Unavailable(Problem):
    """Something behind the API is away; trying again is right."""

    def __init__(self, code: str, detail: str, wait_s: int = 2) -> None:
        headers = {"Retry-After": str(wait_s)}
        super().__init__(503, code, detail, retryable=True, headers=headers)


class DiskFull(Problem):
    def __init__(self, detail: str) -> None:
        super().__init__(507, "disk_full", detail, retryable=True)
