"""Uploads to results: decode and detect in a bounded pool, classify in shared runs."""

import asyncio
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
            Problem: 413 or 422, see ``check_crops``; 503 as above.
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
        if upload.media == RAW:
            crops = np.frombuffer(upload.data, np.uint8).reshape(-1, SIDE, SIDE)
            names = [f"{upload.name}[{i}]" for i in range(len(crops))]
        else:
            try:
                crops = await self._in_pool(self._crop, upload.data)
            except ImageError as error:
                return [_failed(upload, error)]
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


def check_crops(uploads: Sequence[Upload], limits: Limits) -> None:
    """Count the crops of a whole request: grey bytes hold many, any other picture is one.

    Raises:
        Problem: 422 not a whole number of crops, 413 too many.
    """
    total = 0
    for upload in uploads:
        size = len(upload.data) if upload.media == RAW else CROP_BYTES
        count, rest = divmod(size, CROP_BYTES)
        if rest or not count:
            raise Problem(
                422, f"{size} bytes are not a whole number of 48x48 crops ({CROP_BYTES} bytes each)"
            )
        total += count
    if total > limits.crops:
        raise Problem(413, f"more than {limits.crops} crops in one request; send fewer at a time")


def _failed(upload: Upload, error: ImageError) -> dict[str, Any]:
    return {"source": upload.name, "error": str(error).removeprefix("image: ")}


def _maps(expression: Expression) -> dict[str, Any]:
    """``cam`` for JSON, where there is one."""
    if expression.cam is None:
        return {}
    return {"cam": np.round(expression.cam.astype(np.float64), 3).tolist()}
