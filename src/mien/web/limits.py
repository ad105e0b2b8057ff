"""What one service will take, so that nothing a client sends makes it grow."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of the service; each is checked before the work it bounds.

    ``body`` bytes of one request; ``pixels`` of one picture, before it is decoded; ``pictures``
    of one request; ``faces`` scored in one picture, best detections first; ``crops`` of one
    request; ``requests`` accepted at a time and ``held`` bytes of their bodies together, beyond
    which the answer is 503; ``seconds`` to receive a body, and again to answer it.
    """

    body: int = 32 * 2**20
    pixels: int = 50_000_000
    pictures: int = 32
    faces: int = 100
    crops: int = 1024
    requests: int = 64
    held: int = 256 * 2**20
    seconds: float = 30.0

    def __post_init__(self) -> None:
        for name in self.__dataclass_fields__:
            if getattr(self, name) <= 0:
                raise ValueError(f"limit {name} is {getattr(self, name)}; give more than 0")
        if self.held < self.body:
            raise ValueError(
                f"limit held ({self.held} bytes) is below body ({self.body}); no request would fit"
            )
