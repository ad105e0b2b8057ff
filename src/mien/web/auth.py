"""Who may use the service: bearer tokens, how often they may be guessed, and web origins."""

import hmac
import ipaddress
import re
import time
from collections import OrderedDict
from collections.abc import Callable

from fastapi.security import HTTPBearer
from starlette.requests import HTTPConnection, Request

from mien.web.problems import Problem

# As browsers send it: no path, and a host outside ASCII in its xn-- form.
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://([a-z0-9._-]+|\[[0-9a-f:.]+\])(:\d+)?")
_MINUTE = 60.0
_ADDRESSES = 10_000  # remembered; the longest quiet one is forgotten first

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
            f"--cors {origin}: not a web origin; give scheme://host or scheme://host:port, such as "
            "https://a.example, or * for all"
        )
    return plain


class Guesses:
    """Wrong tokens by address; with too many in a minute, none from there is looked at.

    Args:
        most: wrong tokens a minute.
        clock: seconds, rising.
    """

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.most = most
        self.clock = clock
        self._seen: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def check(self, address: str) -> None:
        """Refuse an address that has guessed too often.

        Raises:
            Problem: 429 with Retry-After.
        """
        begin, count = self._seen.get(_network(address), (0.0, 0))
        left = begin + _MINUTE - self.clock()
        if count >= self.most and left > 0:
            raise Problem(
                429,
                "too many wrong tokens from this address; try again in a minute",
                headers={"Retry-After": str(int(left) + 1)},
            )

    def note(self, address: str) -> None:
        """Count a wrong token."""
        network, now = _network(address), self.clock()
        begin, count = self._seen.get(network, (now, 0))
        if now - begin >= _MINUTE:
            begin, count = now, 0
        self._seen[network] = begin, count + 1
        self._seen.move_to_end(network)
        if len(self._seen) > _ADDRESSES:
            self._seen.popitem(last=False)


def _network(address: str) -> str:
    """The address, or the /64 of IPv6 that one machine has to itself."""
    try:
        return str(ipaddress.ip_network((address, 64), strict=False)) if ":" in address else address
    except ValueError:
        return address


class Tokens:
    """Lets a request or WebSocket in when it carries ``token`` (None: always).

    Args:
        token: what clients must send.
        guesses: wrong tokens a minute from one address.
    """

    def __init__(self, token: str | None, guesses: int) -> None:
        self.token = token
        self.guesses = Guesses(guesses)

    def __call__(self, request: Request) -> None:
        """As a dependency of routes.

        Raises:
            Problem: 401 no token or a wrong one; 429 too many wrong ones.
        """
        self.check(request)

    def check(self, connection: HTTPConnection, given: str | None = None) -> None:
        """Look at the Authorization header, or at ``given`` where browsers cannot send one.

        Raises:
            Problem: as above.
        """
        if self.token is None:
            return
        address = client_of(connection)
        self.guesses.check(address)
        kind, _, sent = connection.headers.get("authorization", "").partition(" ")
        sent = sent.strip() if kind.lower() == "bearer" else (given or "")
        if hmac.compare_digest(sent.encode(), self.token.encode()):
            return
        if sent:
            self.guesses.note(address)
        raise Problem(
            401,
            "this service needs a token; send it as Authorization: Bearer TOKEN",
            headers={"WWW-Authenticate": "Bearer"},
        )


def client_of(connection: HTTPConnection) -> str:
    """The client's address, as uvicorn knows it, or the proxy that it trusts says."""
    return connection.client.host if connection.client else ""
