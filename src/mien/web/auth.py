"""Who may use the service: bearer tokens, when a token must be set, and web origins."""

import hmac
import ipaddress
import re
from collections.abc import Callable

from fastapi import Request
from fastapi.security import HTTPBearer

from mien.web.problems import Problem

# As browsers send it: no path, and a host outside ASCII in its xn-- form.
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://([a-z0-9._-]+|\[[0-9a-f:.]+\])(:\d+)?")

scheme = HTTPBearer(auto_error=False, description="Where `mien serve` was given a token.")


def is_loopback(host: str) -> bool:
    """Whether an address to listen on is reached from this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def check_exposure(host: str, token: str | None, *, insecure: bool) -> None:
    """Refuse to open a service to others without a token.

    Raises:
        ValueError: ``host`` is not loopback, there is no token, and ``insecure`` is not set.
    """
    if token is not None and not (token.isascii() and token.isprintable() and token.strip()):
        raise ValueError("the token is empty or not printable ASCII; choose another")
    if token is not None and token != token.strip():  # which no request could match
        raise ValueError("the token begins or ends with a space; take it off")
    if not (is_loopback(host) or token or insecure):
        raise ValueError(
            f"{host} can be reached from other machines; "
            "set a token (--token or MIEN_TOKEN), or say --insecure"
        )


def check_origin(origin: str) -> str:
    """A web origin as browsers send it, or "*"; one slash at the end is taken off.

    Raises:
        ValueError: it is neither, so that no browser would ever be let in by it.
    """
    plain = origin.strip().lower().removesuffix("/")
    if plain != "*" and not _ORIGIN.fullmatch(plain):
        raise ValueError(
            f"--cors {origin}: no web origin; give scheme://host or scheme://host:port, such as "
            "https://a.example, or * for all"
        )
    return plain


def guard(token: str | None) -> Callable[[Request], None]:
    """A dependency that lets a request in when it carries ``token`` (None: always)."""

    def check(request: Request) -> None:
        if token is None:
            return
        kind, _, given = request.headers.get("authorization", "").partition(" ")
        same = hmac.compare_digest(given.strip().encode(), token.encode())
        if kind.lower() != "bearer" or not same:
            raise Problem(
                401,
                "this service wants a token; send it as Authorization: Bearer TOKEN",
                headers={"WWW-Authenticate": "Bearer"},
            )

    return check
