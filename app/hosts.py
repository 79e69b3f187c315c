"""Which Host headers are answered: a page elsewhere must not reach the service by a name of its own
that it made point here (DNS rebinding).
"""

import ipaddress

ALWAYS = frozenset({"localhost", "127.0.0.1", "::1"})  # health checks on the machine itself
ANY = "*"


def listed(setting: str) -> tuple[str, ...]:
    """The names of the setting, in small letters."""
    return tuple(name.strip().lower() for name in setting.split(",") if name.strip())


def answered(host: str, names: tuple[str, ...]) -> bool:
    """Whether a Host header is one of the names; `*.x.org` stands for all below x.org, `*` for any.

    Where none is listed: addresses, and names without a dot, as nobody can make those point here
    from outside.
    """
    name = bare(host)
    if name in ALWAYS or ANY in names:
        return True
    if not names:
        return bool(name) and ("." not in name.rstrip(".") or _is_address(name))
    ends = tuple(known[1:] for known in names if known.startswith("*."))
    return name in names or bool(ends and name.endswith(ends))


def bare(host: str) -> str:
    """The name or address in a Host header, without its port."""
    host = host.strip().lower()
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
