"""Uploads to JSON: decode and detect in a fair pool, classify in shared runs."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from mien.images import ImageError, read
from mien.infer.crop import SIDE, to_crop
from mien.infer.detect import Detection
from mien.infer.model import Model, join
from mien.infer.results import Expression, Scores
from mien.web import memory
from mien.web.answers import as_list, encode, scored
from mien.web.batching import Batcher
from mien.web.contents import check_crops, is_raw, odd_size, pixels_of
from mien.web.fair import FairPool
from mien.web.limits import Limits
from mien.web.problems import Problem
from mien.web.uploads import Upload

T = TypeVar("T")
Crops = NDArray[np.uint8]
Found = tuple[list[Detection | None], Crops, tuple[int, int]]
_MAP = 5_000  # pixels whose work one face's maps are worth, when they are written as JSON
_PIECE = 32  # crops of one request in one run, so that others need not wait for all of them


@dataclass(frozen=True, slots=True, eq=False)
class Asker:
    """The client and request that a job belongs to, for fair scheduling."""

    client: str = ""


@dataclass(slots=True)
class Counts:
    """What has been worked on, for ``/metrics``."""

    pictures: int = 0
    faces: int = 0
    crops: int = 0


@dataclass(slots=True)
class _Seen:
    """A picture after the search: what to score, or why there is nothing."""

    upload: Upload
    error: str | None = None
    found: list[Detection | None] = field(default_factory=list)
    crops: Crops = field(default_factory=lambda: np.empty((0, SIDE, SIDE), np.uint8))
    size: tuple[int, int] = (0, 0)
    dropped: int = 0


class Analyst:
    """A model at work for many clients.

    Args:
        model: its detector and graph should use one thread a run: the pool keeps the cores busy.
        limits: see ``Limits``.
        threads: pictures decoded and searched at a time, and runs of the graph at a time.
        batching: whether requests share runs of the graph.
    """

    def __init__(
        self, model: Model, limits: Limits, *, threads: int = 2, batching: bool = True
    ) -> None:
        self.model = model
        self.limits = limits
        self.counts = Counts()
        self.pool = FairPool(threads, limits.decoding)
        self.batcher = Batcher(model.classify, threads=threads, batch_size=64 if batching else 1)
        self.ready = False

    def start(self) -> None:
        """Start the threads and warm both graphs up."""
        memory.few_arenas()
        self.pool.start()
        self.batcher.start()
        self.model.find(np.zeros((64, 64, 3), np.uint8))
        self.model.classify(np.zeros((1, SIDE, SIDE), np.uint8))
        self.ready = True

    def close(self) -> None:
        """Finish what was accepted and stop the threads."""
        self.ready = False
        self.pool.close()
        self.batcher.close()

    def trim(self) -> None:
        """Return unused memory to the system."""
        searched = getattr(self.model.detector, "session", None)  # not every detector has one
        memory.trim(self.model.session, *([] if searched is None else [searched]))

    async def analyze(
        self, uploads: Sequence[Upload], asker: Asker, *, min_face: int, cam: bool, head: str
    ) -> list[bytes]:
        """One ``schemas.Picture`` an upload, in order, as pieces of one JSON list.

        Raises:
            Problem: 503 when it takes longer than ``limits.seconds``.
        """

        async def work() -> list[bytes]:
            sizes = await self._sizes(asker, [upload.data for upload in uploads])
            looks, together = [], 0
            for upload, pixels in zip(uploads, sizes, strict=True):
                together += pixels
                looks.append(self._look(upload, asker, min_face, pixels, together))
            seen = await _group(looks)
            self._share(seen)
            maps = _shares([len(picture.crops) for picture in seen], self.limits.maps)
            done = (
                self._picture(picture, asker, share if cam else 0, head)
                for picture, share in zip(seen, maps, strict=True)
            )
            return as_list(await _group(done))

        return await self._in_time(work())

    async def classify(
        self, uploads: Sequence[Upload], asker: Asker, *, cam: bool, head: str
    ) -> list[bytes]:
        """One ``schemas.Crop`` a crop, in order, as pieces of one JSON list.

        Raises:
            Problem: 413, see ``check_crops``; 503 as above.
        """
        check_crops(uploads, self.limits, cam=cam)
        parts = await self._in_time(_group(self._crops(u, asker, cam, head) for u in uploads))
        return as_list(entry for part in parts for entry in part)

    async def look(self, data: bytes, asker: Asker, *, min_face: int) -> Found:
        """Detections, crops and size (width, height) of one picture, best detections first.

        Raises:
            ImageError: it cannot be read.
        """
        (pixels,) = await self._sizes(asker, [data])
        found = await self._run(asker, self._find, data, min_face, pixels=pixels)
        faces = self.limits.faces
        return found[0][:faces], found[1][:faces], found[2]

    async def score(self, crops: Crops, asker: Asker, *, cam: bool = False) -> list[Scores]:
        """Scores of crops (N, 48, 48), in pieces; two of a request at a time."""
        turns = asyncio.Semaphore(2)

        async def run(piece: Crops) -> Scores:
            async with turns:
                return await asyncio.wrap_future(self.batcher.submit(piece, cam=cam, request=asker))

        self.counts.crops += len(crops)
        return await _group(run(crops[at : at + _PIECE]) for at in range(0, len(crops), _PIECE))

    async def _in_time(self, work: Coroutine[Any, Any, T]) -> T:
        try:
            async with asyncio.timeout(self.limits.seconds):
                return await work
        except TimeoutError:
            raise Problem(
                503,
                f"no answer within {self.limits.seconds:g} seconds; send less at a time",
                headers={"Retry-After": "5"},
            ) from None

    async def _look(
        self, upload: Upload, asker: Asker, min_face: int, pixels: int, together: int
    ) -> _Seen:
        if upload.error is not None:
            return _Seen(upload, upload.error)
        if together > self.limits.together:
            most = f"{self.limits.together / 1e6:g} megapixels"
            return _Seen(upload, f"beyond the {most} of one request; send it in another")
        self.counts.pictures += 1
        try:
            found = await self._run(asker, self._find, upload.data, min_face, pixels=pixels)
        except ImageError as error:
            return _Seen(upload, _reason(error))
        return _Seen(upload, None, *found)

    def _share(self, seen: Sequence[_Seen]) -> None:
        """Keep the best faces of each picture, and as many of all as one answer may hold."""
        wanted = [min(len(picture.found), self.limits.faces) for picture in seen]
        for picture, keep in zip(seen, _shares(wanted, self.limits.crops), strict=True):
            picture.dropped = len(picture.found) - keep
            picture.found, picture.crops = picture.found[:keep], picture.crops[:keep]
            self.counts.faces += keep

    async def _picture(self, seen: _Seen, asker: Asker, maps: int, head: str) -> bytes:
        if seen.error is not None:
            return encode({"source": seen.upload.name, "error": seen.error, "faces": []})
        scores = await self.score(seen.crops[:maps], asker, cam=True)
        scores += await self.score(seen.crops[maps:], asker)

        def render() -> bytes:
            faces = join(seen.found, seen.crops, _expressions(scores, head), seen.size)
            written = (scored(face.to_dict(), face.expression) for face in faces)
            entry = {
                "source": seen.upload.name,
                "width": seen.size[0],
                "height": seen.size[1],
                "dropped": seen.dropped,
            }
            return encode(entry, faces=b"".join(as_list(written)))

        return await self._run(asker, render, pixels=maps * _MAP)

    async def _crops(self, upload: Upload, asker: Asker, cam: bool, head: str) -> list[bytes]:
        if upload.error is not None:
            return [encode({"source": upload.name, "error": upload.error})]
        if is_raw(upload):
            crops = np.frombuffer(upload.data, np.uint8).reshape(-1, SIDE, SIDE)
            names = [f"{upload.name}[{i}]" for i in range(len(crops))]
        else:
            (pixels,) = await self._sizes(asker, [upload.data])
            try:
                crops = await self._run(asker, self._crop, upload.data, pixels=pixels)
            except ImageError as error:
                return [encode({"source": upload.name, "error": _reason(error) + odd_size(upload)})]
            names = [upload.name]
        scores = await self.score(crops, asker, cam=cam)

        def render() -> list[bytes]:
            return [
                encode({"source": name}, expression=scored(one.to_dict(), one))
                for name, one in zip(names, _expressions(scores, head), strict=True)
            ]

        return await self._run(asker, render, pixels=len(crops) * _MAP if cam else 0)

    async def _sizes(self, asker: Asker, pictures: Sequence[bytes]) -> list[int]:
        """Pixels of each that will be decoded; those of too large ones will not."""
        most = self.limits.pixels
        return await self._run(asker, lambda: [min(pixels_of(data), most) for data in pictures])

    async def _run(self, asker: Asker, work: Callable[..., T], *given: Any, pixels: int = 0) -> T:
        return await asyncio.wrap_future(
            self.pool.submit(
                lambda: work(*given), client=asker.client, request=asker, pixels=pixels
            )
        )

    def _find(self, data: bytes, min_face: int) -> Found:
        picture = read(data, max_pixels=self.limits.pixels)
        found, crops = self.model.find(picture, min_face=min_face)
        return found, crops, (picture.shape[1], picture.shape[0])

    def _crop(self, data: bytes) -> Crops:
        return to_crop(read(data, max_pixels=self.limits.pixels))[None]


async def _group(work: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    # A group, so that nothing works on for a request whose place is given to another.
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(part) for part in work]
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return [task.result() for task in tasks]


def _shares(wanted: Sequence[int], most: int) -> list[int]:
    """Share ``most`` among requests, first come first served."""
    given = []
    for want in wanted:
        given.append(min(want, most))
        most -= given[-1]
    return given


def _expressions(scores: Iterable[Scores], head: str) -> Iterable[Expression]:
    return (one for piece in scores for one in piece.expressions(head))


def _reason(error: ImageError) -> str:
    return str(error).removeprefix("image: ")
