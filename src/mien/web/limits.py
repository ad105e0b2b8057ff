"""Limits of the service; defined only here."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of the service, so that the cost of a request is bounded before it is worked on.

    One request: ``body`` bytes, ``pictures``, ``pixels`` of one picture and ``together`` of all
    its pictures, ``crops`` (also the faces of one answer), ``faces`` scored in one picture, best
    detections first, ``maps`` (faces with activation maps in one answer).

    All requests: ``requests`` worked on at a time; ``held`` bytes of bodies and answers;
    ``decoding``, pixels of large pictures that are decoded at a time; ``connections`` open, of
    which the longest idle one gives way to a new one; ``streams`` (WebSockets), each with frames
    of at most ``frame`` bytes, ``rate`` of them a second.

    Time: ``seconds`` to receive a body, again to work on it, and again to send the answer;
    ``header`` seconds to send a request's head; ``idle`` seconds between two requests of a
    connection, and four times that between two frames of a stream. ``guesses`` wrong tokens a
    minute from one address.
    """

    body: int = 32 * 2**20
    pixels: int = 50_000_000
    together: int = 400_000_000
    pictures: int = 32
    faces: int = 100
    crops: int = 1024
    maps: int = 64
    requests: int = 64
    held: int = 256 * 2**20
    decoding: int = 64_000_000
    connections: int = 1000
    streams: int = 16
    frame: int = 2 * 2**20
    rate: int = 30
    seconds: float = 30.0
    header: float = 10.0
    idle: float = 15.0
    guesses: int = 20

    def __post_init__(self) -> None:
        for name in self.__dataclass_fields__:
            if getattr(self, name) <= 0:
                raise ValueError(f"limit {name} is {getattr(self, name)}; give more than 0")
        if self.held < self.body:
            raise ValueError(
                f"limit held ({self.held} bytes) is below body ({self.body}); no request would "
                "ever fit"
            )

    @classmethod
    def of(cls, *, megabytes: int, megapixels: float, **others: float) -> "Limits":
        """Limits in the units of the command line; what follows from others grows with them."""
        body, pixels = megabytes * 2**20, int(megapixels * 1e6)
        default = cls()
        return cls(
            body=body,
            pixels=pixels,
            held=max(8 * body, default.held),
            together=max(pixels, default.together),
            decoding=max(pixels, default.decoding),
            **others,  # type: ignore[arg-type]
        )
