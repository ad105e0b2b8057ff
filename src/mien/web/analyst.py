"""Uploads to results: decode and detect in a bounded pool, classify in shared runs."""

import asyncio
import re
from collections.abc import Callable, Coroutine, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.images import ImageError, read
from mien.infer.crop import SIDE, to_crop
from mien.infer.detect import Detection
from mien.infer.model import Model, join
from mien.infer.results import Expression, Scores
from mien.web.batching import Batcher
from mien.web.limits import Limits
from mien.web.problems import Problem
from mien.web.uploads import Upload

Crops = NDArray[np.uint8]
CROP_BYTES = SIDE * SIDE
RAW = "application/octet-stream"
_BEGINNING = re.compile(
    rb"\x89PNG\r\n|\xff\xd8\xff[\xc0-\xfe]|GIF8[79]a|II\*\0|MM\0\*|RIFF.{4}WEBP|.{4}ftyp"
    rb"|P[1-7]\s+[#\d]",
    re.DOTALL,
)


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
        self.threads = threads
        self.batcher = Batcher(model.classify, threads=threads, batch_size=64 if batching else 1)
        self.ready = False
        self._pool: ThreadPoolExecutor | None = None

    def start(self) -> None:
        """Start the threads and warm both graphs up."""
        self._pool = ThreadPoolExecutor(self.threads, thread_name_prefix="picture")
        self.batcher.start()
        self.model.find(np.zeros((64, 64, 3), np.uint8))
        self.model.classify(np.zeros((1, SIDE, SIDE), np.uint8))
        self.ready = True

    def close(self) -> None:
        """Finish what was accepted and stop the threads."""
        self.ready = False
        if self._pool is not None:
            self._pool.shutdown(wait=True)
        self.batcher.close()

    async def analyze(
        self, uploads: Sequence[Upload], *, min_face: int, cam: bool, head: str
    ) -> list[dict[str, Any]]:
        """One ``schemas.Picture`` an upload, in order.

        Raises:
            Problem: 503 when it takes longer than ``limits.seconds``.
        """
        return await self._all(self._picture(upload, min_face, cam, head) for upload in uploads)

    async def classify(
        self, uploads: Sequence[Upload], *, cam: bool, head: str
    ) -> list[dict[str, Any]]:
        """One ``schemas.Crop`` a crop, in order.

        Raises:
            Problem: 413, see ``check_crops``; 503 as above.
        """
        check_crops(uploads, self.limits)
        parts = await self._all(self._crops(upload, cam, head) for upload in uploads)
        return [entry for part in parts for entry in part]

    async def _all(self, work: Iterable[Coroutine[Any, Any, Any]]) -> list[Any]:
        # A group, so that nothing works on for a request whose place is given to another.
        try:
            async with asyncio.timeout(self.limits.seconds), asyncio.TaskGroup() as group:
                tasks = [group.create_task(part) for part in work]
            return [task.result() for task in tasks]
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None
        except TimeoutError:
            raise Problem(
                503,
                f"no answer within {self.limits.seconds:g} seconds; send less at a time",
                headers={"Retry-After": "5"},
            ) from None

    async def _picture(self, upload: Upload, min_face: int, cam: bool, head: str) -> dict[str, Any]:
        try:
            found, crops, size = await self._in_pool(self._find, upload.data, min_face)
        except ImageError as error:
            return _failed(upload, error) | {"faces": []}
        dropped = max(0, len(found) - self.limits.faces)
        found, crops = found[: self.limits.faces], crops[: self.limits.faces]
        faces = []
        if found:
            scores = await self._score(crops, cam)
            joined = join(found, scores.expressions(head), size)
            faces = [face.to_dict() | _maps(face.expression) for face in joined]
        return {
            "source": upload.name,
            "width": size[0],
            "height": size[1],
            "faces": faces,
            "dropped": dropped,
        }

    async def _crops(self, upload: Upload, cam: bool, head: str) -> list[dict[str, Any]]:
        if is_raw(upload):
            crops = np.frombuffer(upload.data, np.uint8).reshape(-1, SIDE, SIDE)
            names = [f"{upload.name}[{i}]" for i in range(len(crops))]
        else:
            try:
                crops = await self._in_pool(self._crop, upload.data)
            except ImageError as error:
                return [_failed(upload, error, _odd_size(upload))]
            names = [upload.name]
        scores = await self._score(crops, cam)
        return [
            {"source": name, "expression": expression.to_dict() | _maps(expression)}
            for name, expression in zip(names, scores.expressions(head), strict=True)
        ]

    async def _score(self, crops: Crops, cam: bool) -> Scores:
        return await asyncio.wrap_future(self.batcher.submit(crops, cam=cam))

    async def _in_pool(self, work: Callable[..., Any], *given: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._pool, work, *given)

    def _find(
        self, data: bytes, min_face: int
    ) -> tuple[list[Detection | None], Crops, tuple[int, int]]:
        picture = read(data, max_pixels=self.limits.pixels)
        found, crops = self.model.find(picture, min_face=min_face)
        return found, crops, (picture.shape[1], picture.shape[0])

    def _crop(self, data: bytes) -> Crops:
        return to_crop(read(data, max_pixels=self.limits.pixels))[None]


def is_raw(upload: Upload) -> bool:
    """Whether these are grey crops one after the other.

    curl states ``application/octet-stream`` for every picture but JPEG, PNG and GIF, so what has
    another size than crops, or begins as pictures do, is a picture.
    """
    data = upload.data
    if upload.media != RAW or not data or len(data) % CROP_BYTES:
        return False
    # Two letters alone may well be two grey levels; a BMP states its own size after them.
    bitmap = data[:2] == b"BM" and int.from_bytes(data[2:6], "little") == len(data)
    return not (bitmap or _BEGINNING.match(data))


def check_crops(uploads: Sequence[Upload], limits: Limits) -> None:
    """Count the crops of a whole request: grey bytes hold many, any picture is one.

    Raises:
        Problem: 413 too many.
    """
    total = sum(len(u.data) // CROP_BYTES if is_raw(u) else 1 for u in uploads)
    if total > limits.crops:
        raise Problem(413, f"more than {limits.crops} crops in one request; send fewer at a time")


def _odd_size(upload: Upload) -> str:
    """What else is wrong with grey bytes that were taken for a picture."""
    if upload.media != RAW or not upload.data:
        return ""
    return (
        f"; nor are {len(upload.data)} bytes a whole number of 48x48 crops "
        f"({CROP_BYTES} bytes each)"
    )


def _failed(upload: Upload, error: ImageError, more: str = "") -> dict[str, Any]:
    return {"source": upload.name, "error": str(error).removeprefix("image: ") + more}


def _maps(expression: Expression) -> dict[str, Any]:
    """``cam`` for JSON, where there is one."""
    if expression.cam is None:
        return {}
    return {"cam": np.round(expression.cam.astype(np.float64), 3).tolist()}
