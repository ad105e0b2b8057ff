"""Very many pictures: decoding, detection and classification of batches on all cores, in order."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence, Sized
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from mien.cores import cores
from mien.images import ImageError, Source, read
from mien.infer.detect import Detection
from mien.infer.model import Model, join
from mien.infer.results import Picture
from mien.infer.session import is_shortage

_AHEAD = 3  # batches in work or waiting for their turn, for each worker


@dataclass(frozen=True, slots=True)
class _Seen:
    """A picture after detection: only its crops are kept, so a batch of photos stays small."""

    name: str
    size: tuple[int, int]
    found: list[Detection | None]
    faces: NDArray[np.uint8]
    error: str | None = None


def analyze_many(
    model: Model,
    images: Iterable[Source],
    *,
    batch_size: int = 32,
    crops: bool = False,
    min_face: int = 40,
    cam: bool = False,
    embed: bool = False,
    workers: int = 0,
) -> Iterator[Picture]:
    """Analyse pictures in order, several batches at a time.

    Each worker thread takes a whole batch through decoding, detection and one run of the
    classifier; Pillow and ONNX Runtime let other threads run meanwhile. Memory does not grow with
    the number of pictures: ``images`` is read only a few batches ahead of what was taken.

    Args:
        model: what to analyse with; its detector and its graph are run on one thread a worker.
        images: paths, encoded bytes, Pillow images or arrays, lazily read.
        batch_size: pictures whose faces share one run of the graph; fewer where ``images`` has a
            length that would leave workers without one.
        crops: take every picture as one crop, without a search.
        min_face: side in pixels of the smallest face to search for.
        cam: also give class-activation maps, where the bundle has them.
        embed: also give each face's pooled features.
        workers: threads; 0 for the model's own ``threads``, or all cores.

    Yields:
        One entry a picture; one that cannot be read has ``error``.

    Raises:
        TypeError: ``images`` is one picture.
        ValueError: ``batch_size`` or ``min_face`` is below 1.
    """
    if isinstance(images, str | bytes):
        raise TypeError("images is one path or one file's bytes; give a list of them")
    if isinstance(images, np.ndarray) and (
        images.ndim == 2 or (images.ndim == 3 and images.shape[2] in (3, 4))
    ):
        raise TypeError(f"images is one picture, {images.shape}; give a list of pictures")
    if batch_size < 1 or min_face < 1:
        raise ValueError(f"batch_size {batch_size}, min_face {min_face}: give 1 or more")
    workers = workers or model.threads or cores()
    if isinstance(images, Sized):
        batch_size = max(1, min(batch_size, -(-len(images) // workers)))
        if len(images) == 1:  # one picture: all cores for each run, and no pool
            names = [name_of(image, 0) for image in images]
            yield from analyze_batch(
                model, list(images), names=names, crops=crops, min_face=min_face, cam=cam,
                embed=embed,
            )  # fmt: skip
            return
    single = on_one_thread(model)
    pool = ThreadPoolExecutor(workers, thread_name_prefix="mien")
    pending: deque[Future[list[Picture]]] = deque()
    look = partial(analyze_batch, single, crops=crops, min_face=min_face, cam=cam, embed=embed)
    try:
        for at, batch in enumerate(batched(images, batch_size)):
            names = [name_of(image, at * batch_size + i) for i, image in enumerate(batch)]
            pending.append(pool.submit(look, batch, names=names))
            if len(pending) >= _AHEAD * workers:
                yield from pending.popleft().result()
        while pending:
            yield from pending.popleft().result()
    finally:  # also where the caller stops early
        pool.shutdown(wait=True, cancel_futures=True)


def analyze_batch(
    model: Model,
    images: Sequence[Source],
    *,
    names: Sequence[str],
    crops: bool = False,
    min_face: int = 40,
    cam: bool = False,
    embed: bool = False,
) -> list[Picture]:
    """Analyse one batch on the calling thread: the unit of work of every engine.

    Args:
        model: what to analyse with.
        images: the batch.
        names: what to call each picture in its entry and in errors.
        crops: take every picture as one crop.
        min_face: side in pixels of the smallest face to search for.
        cam: also give class-activation maps, where the bundle has them.
        embed: also give each face's pooled features.

    Returns:
        One entry a picture, in order.
    """
    seen = [
        _look(model, image, name, crops=crops, min_face=min_face)
        for image, name in zip(images, names, strict=True)
    ]
    faces = [each.faces for each in seen if len(each.faces)]
    if faces:
        expressions = model.classify(np.concatenate(faces), cam=cam).expressions(model.head)
    else:
        expressions = iter(())
    pictures = [
        Picture(
            source=each.name,
            width=each.size[0],
            height=each.size[1],
            faces=join(each.found, each.faces, islice(expressions, len(each.found)), each.size),
            error=each.error,
        )
        for each in seen
    ]
    if not (embed and faces):
        return pictures
    vectors = iter(model.embed(np.concatenate(faces)))
    return [
        replace(picture, faces=[replace(face, embedding=next(vectors)) for face in picture.faces])
        for picture in pictures
    ]


def on_one_thread(model: Model) -> Model:
    """The model itself if its runs keep to one thread, else a copy whose runs do.

    Many pictures are spread over cores by the picture: runs that also spread would get in each
    other's way.
    """
    if model.threads == 1:
        return model
    detector = model.detector
    if hasattr(detector, "on_one_thread"):  # a stand-in of a test may only detect
        detector = detector.on_one_thread()
    return type(model)(model.bundle, detector, threads=1, head=model.head)


def batched(items: Iterable[Source], size: int) -> Iterator[list[Source]]:
    """Lists of ``size`` items, the last one shorter (``itertools.batched`` needs Python 3.12)."""
    rest = iter(items)
    while batch := list(islice(rest, size)):
        yield batch


def name_of(image: Source, number: int) -> str:
    """The path of a picture, or its number from 0."""
    if isinstance(image, str | os.PathLike):
        return os.fsdecode(image)
    return f"picture {number}"


def _look(model: Model, image: Source, name: str, *, crops: bool, min_face: int) -> _Seen:
    try:
        picture = read(image)
    except ImageError as error:
        text = str(error)
        if not isinstance(image, str | os.PathLike):  # bytes and arrays have no name of their own
            text = f"{name}: {text.removeprefix('image: ')}"
        return _failed(name, text)
    except Exception as error:  # a decoder's own bug must not end a batch of many
        return _failed(name, f"{name}: cannot be decoded ({type(error).__name__}: {error})")
    try:
        found, faces = model.find(picture, crops=crops, min_face=min_face)
    except Exception as error:
        if not is_shortage(error):
            raise
        remedy = "use fewer threads, or scale it down"
        return _failed(name, f"{name}: not enough memory to search it; {remedy}")
    return _Seen(name, (picture.shape[1], picture.shape[0]), found, faces)


def _failed(name: str, error: str) -> _Seen:
    return _Seen(name, (0, 0), [], np.empty((0, 48, 48), np.uint8), error)
