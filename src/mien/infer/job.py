"""A job over many pictures: what is left to do, where results go, and how it went."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Protocol

from mien.images import ImageError
from mien.infer.outputs import Output
from mien.infer.results import Picture, written

CROP = 112
"""Longest side of what is usually a crop of a face, pixels."""


class Writer(Protocol):
    """Anything else that makes something of finished pictures."""

    def lacks(self, source: str) -> bool:
        """Whether what it makes of a picture is not there yet."""
        ...

    def write(self, picture: Picture) -> None:
        """Take one."""
        ...


@dataclass
class Summary:
    """How a job went; ``tops`` counts faces by their top emotion.

    ``small`` counts pictures no larger than a face crop usually is in which no face was found.

    ``before`` pictures were there from an earlier run, which could not read ``unread`` of them.
    """

    pictures: int = 0
    faces: int = 0
    faceless: int = 0
    errors: int = 0
    before: int = 0
    unread: int = 0
    seconds: float = 0.0
    small: int = 0
    tops: Counter[str] = field(default_factory=Counter)

    @property
    def speed(self) -> float:
        """Pictures a second."""
        return self.pictures / max(self.seconds, 1e-9)

    @property
    def likely_crops(self) -> bool:
        """Whether most pictures look as if they were crops of faces, which nobody said."""
        return self.small > (self.pictures - self.errors) / 2

    @property
    def failed(self) -> bool:
        """Whether there were pictures and not one could be read."""
        return 0 < self.errors == self.pictures and not self.before

    def add(self, picture: Picture) -> None:
        """Count one."""
        self.pictures += 1
        self.errors += picture.error is not None
        self.faceless += picture.error is None and not picture.faces
        self.faces += len(picture.faces)
        sides = sorted((picture.width, picture.height))
        self.small += not picture.faces and 16 <= sides[0] >= 0.8 * sides[1] and sides[1] <= CROP
        self.tops.update(face.expression.top.value for face in picture.faces)


class Job:
    """Pictures that outputs do not hold yet, and the writing of them.

    Args:
        sources: paths of all pictures.
        outputs: files to write or resume.
        writers: what else takes each picture; what one lacks is left to do too, though rows are
            only added to outputs that have none for the picture. Without outputs everything is.
    """

    def __init__(
        self, sources: Sequence[str], outputs: Sequence[Output], writers: Sequence[Writer] = ()
    ) -> None:
        self.sources = sources
        self.outputs = outputs
        self.writers = writers
        self.summary = Summary()
        self.left: list[str] = list(sources)

    def open(self, *, fresh: bool = False, retry: bool = False) -> None:
        """Open every output; ``left`` is then what one of them or a writer lacks.

        Raises:
            ValueError: an output holds something else, see ``Output.open``.
        """
        self.done = [output.open(fresh=fresh, retry=retry) for output in self.outputs]
        whole = set.intersection(*self.done) if self.done else set()
        self.left = [
            source
            for source in self.sources
            if written(source) not in whole or any(w.lacks(source) for w in self.writers)
        ]
        self.summary.before = len(self.sources) - len(self.left)
        self.summary.unread = max((output.unread for output in self.outputs), default=0)

    def run(self, pictures: Iterable[Picture]) -> Iterator[Picture]:
        """Write pictures as they come, count them, and pass them on.

        Args:
            pictures: the entries of ``left``, in any order.
        """
        begun = time.perf_counter()
        with ExitStack() as stack:
            for output in self.outputs:
                stack.push(partial(_close, output))
            if isinstance(pictures, Generator):  # else its threads may outlive an error here
                stack.callback(pictures.close)
            for picture in pictures:
                for output, done in zip(self.outputs, self.done, strict=True):
                    if written(picture.source) not in done:
                        _write(output, picture)
                for writer in self.writers:
                    try:
                        writer.write(picture)
                    except ImageError as error:  # gone, or another one, since it was analysed
                        picture = replace(picture, error=str(error))
                self.summary.add(picture)
                self.summary.seconds = time.perf_counter() - begun
                yield picture


def _close(output: Output, kind: type[BaseException] | None, *_: object) -> None:
    try:
        output.close()
    except OSError:  # a full disk fails once more, with less to say
        if kind is None or not issubclass(kind, OSError):
            raise


def _write(output: Output, picture: Picture) -> None:
    try:
        output.write(picture)
    except OSError as error:
        raise OSError(
            f"{output.path}: cannot be written ({error.strerror or error}); free some space; "
            "the same command then resumes"
        ) from None
