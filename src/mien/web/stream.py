"""``/v1/stream``: JPEG frames in, faces with steady ids out, over one WebSocket."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Any

import numpy as np
from starlette.websockets import WebSocket, WebSocketDisconnect

from mien.images import ImageError
from mien.infer.model import join
from mien.infer.track import Tracker
from mien.web.analyst import Analyst, Asker
from mien.web.answers import encode
from mien.web.auth import client_of
from mien.web.prometheus import Metrics

LEAST_FACE, MOST_FACE, MIN_FACE = 8, 2000, 40
NORMAL, GOING, WRONG_KIND, TOO_BIG, LATER = 1000, 1001, 1003, 1009, 1013


def min_face_of(text: str | None) -> int:
    """The query's ``min_face``.

    Raises:
        ValueError: no number from 8 to 2000; one sentence.
    """
    if text is None:
        return MIN_FACE
    if not (text.isascii() and text.isdecimal() and LEAST_FACE <= int(text[:9]) <= MOST_FACE):
        raise ValueError(f"min_face: give a whole number from {LEAST_FACE} to {MOST_FACE}")
    return int(text)


class Stream:
    """One client's frames: while one is read, the latest waits, and those it replaces are dropped.

    Every message gets one answer, ``{"frame": n, ...}``, n from 0 in the order of arrival, with
    ``faces``, ``"dropped": true`` or ``error``. Frames are read at the rate of the limits at most;
    the rest wait on the client's side.

    Args:
        socket: accepted.
        analyst: who reads the frames.
        metrics: counts them.
        min_face: side of the smallest face, pixels.
    """

    def __init__(
        self, socket: WebSocket, analyst: Analyst, metrics: Metrics, *, min_face: int
    ) -> None:
        self.socket = socket
        self.analyst = analyst
        self.metrics = metrics
        self.min_face = min_face
        self.asker = Asker(client_of(socket))
        self.tracker = Tracker()
        self._latest: tuple[int, bytes] | None = None
        self._arrived = asyncio.Event()
        self._sending = asyncio.Lock()

    async def run(self) -> None:
        """Serve until the client leaves, says nothing for a while, or does not read."""
        code = NORMAL
        try:
            async with asyncio.TaskGroup() as group:
                worker = group.create_task(self._work())
                code = await self._receive()
                worker.cancel()
        except ExceptionGroup as errors:
            gone = errors.subgroup(lambda e: isinstance(e, WebSocketDisconnect | TimeoutError))
            rest = errors.subgroup(lambda e: not isinstance(e, WebSocketDisconnect | TimeoutError))
            if rest is not None:
                raise rest from None
            code = GOING if gone else code
        # it may be closed already, or not be read
        with contextlib.suppress(RuntimeError, WebSocketDisconnect, TimeoutError):
            async with asyncio.timeout(1):
                await self.socket.close(code)

    async def _receive(self) -> int:
        limits = self.analyst.limits
        count, due = 0, 0.0
        while True:
            try:
                async with asyncio.timeout(4 * limits.idle):
                    message = await self.socket.receive()
            except TimeoutError:
                return GOING
            if message["type"] == "websocket.disconnect":
                return NORMAL
            number, count = count, count + 1
            data = message.get("bytes")
            if data is None:
                await self._tell(number, error="send a frame as one binary message")
                return WRONG_KIND
            if len(data) > limits.frame:
                await self._tell(number, error=f"above the limit of {limits.frame} bytes a frame")
                return TOO_BIG
            replaced, self._latest = self._latest, (number, data)
            self._arrived.set()
            if replaced is not None:
                self.metrics.frames.labels("dropped").inc()
                await self._tell(replaced[0], dropped=True)
            now = time.monotonic()
            due = max(due, now - 1) + 1 / limits.rate  # a second's worth may come at once
            if due > now:
                await asyncio.sleep(due - now)

    async def _work(self) -> None:
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            if self._latest is None:
                continue
            (number, data), self._latest = self._latest, None
            try:
                faces, size = await self._read(data)
            except (ImageError, TimeoutError) as error:
                reason = str(error).removeprefix("image: ") or "no answer in time"
                self.metrics.frames.labels("error").inc()
                await self._tell(number, error=reason)
                continue
            self.metrics.frames.labels("read").inc()
            await self._tell(number, width=size[0], height=size[1], faces=faces)

    async def _read(self, data: bytes) -> tuple[list[dict[str, Any]], tuple[int, int]]:
        async with asyncio.timeout(self.analyst.limits.seconds):
            found, crops, size = await self.analyst.look(data, self.asker, min_face=self.min_face)
            self.analyst.counts.pictures += 1
            self.analyst.counts.faces += len(found)
            scores = await self.analyst.score(crops, self.asker)
        expressions = [one for piece in scores for one in piece.expressions()]
        # half a millisecond a face, in which the event loop would stand still
        faces = await asyncio.to_thread(join, found, crops, expressions, size)
        boxes = np.array([face.box for face in faces], np.float32).reshape(-1, 4)
        certain = np.array([face.score for face in faces], np.float32)
        numbers = self.tracker.update(boxes, certain, crops, time.monotonic())
        # 0 is a face too uncertain to begin a track
        return [
            {"id": number or None, **face.to_dict()}
            for number, face in zip(numbers, faces, strict=True)
        ], size

    async def _tell(self, number: int, **entry: Any) -> None:
        async with self._sending, asyncio.timeout(self.analyst.limits.seconds):
            await self.socket.send_text(encode({"frame": number, **entry}).decode())
