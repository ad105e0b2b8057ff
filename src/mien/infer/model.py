"""The model in hand: crops to scores, a photo to its faces, many photos to entries."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mien import bundle as bundles
from mien.emotions import check_head
from mien.images import Source, read
from mien.infer.crop import FRAME, SIDE, crop_face, to_crop
from mien.infer.detect import Detection, Detector, default_detector
from mien.infer.features import Features
from mien.infer.lanes import Lanes
from mien.infer.reasons import reasons
from mien.infer.results import Expression, Face, Picture, Scores
from mien.mix import Mix

if TYPE_CHECKING:
    import onnxruntime


def load(bundle: str | Path | None = None, *, threads: int = 0, head: str = "expression") -> Model:
    """Load a model by name or path; without one, the default that mien carries.

    Args:
        bundle: a name that ``mien models`` lists, a bundle's folder, or a run's folder.
        threads: for each run of a graph; 0 takes all cores.
        head: decides which scores ``Expression.top`` looks at: ``"expression"``, mixed from both
            heads; ``"votes"``, what people would say; or ``"label"``, FER-2013's labelling.

    Raises:
        BundleError: no such bundle, or a damaged one.
        ValueError: an unknown head.
    """
    check_head(head)
    found = bundles.load(bundle)
    frame = {name: tuple(point) for name, point in found.card.frame.items()}
    if frame and frame != FRAME:
        raise bundles.BundleError(
            f"{found.path}: was trained on faces in another frame than this mien's; export it again"
        )
    return Model(found, default_detector(threads=threads), threads=threads, head=head)


class Model:
    """A bundle and a detector; safe to share between threads."""

    def __init__(
        self,
        bundle: bundles.Bundle,
        detector: Detector,
        *,
        threads: int = 0,
        head: str = "expression",
    ) -> None:
        self.bundle = bundle
        self.detector = detector
        self.threads = threads
        self.head = head
        self.mix = Mix.of_card(bundle.card.expression)

    @cached_property
    def lanes(self) -> Lanes:
        """The graph, opened on first use."""
        return Lanes(self.bundle, threads=self.threads)

    @cached_property
    def features(self) -> Features:
        """The graph with its pooled features, opened on first use."""
        return Features(self.bundle, threads=self.threads)

    @property
    def session(self) -> onnxruntime.InferenceSession:
        """The ONNX Runtime session whose runs take all of the model's threads."""
        return self.lanes.shared

    def classify(
        self,
        crops: NDArray[np.uint8] | Sequence[NDArray[np.uint8]],
        *,
        cam: bool = False,
        batch_size: int | None = None,
    ) -> Scores:
        """Score ready crops.

        Args:
            crops: uint8 (N, H, W), (N, H, W, 3), or a list of (H, W) or (H, W, 3); (48, 48) passes
                through untouched, anything else is made grey and area-resized.
            cam: also give class-activation maps, where the bundle has them.
            batch_size: maximum batch size of one inference call; unless given, what suits the
                processor.

        Raises:
            TypeError: crops that are not uint8.
            ValueError: an array of another shape, or ``batch_size`` below 1.
        """
        if batch_size is not None and batch_size < 1:
            raise ValueError(f"batch_size {batch_size}: give at least 1")
        faces = as_faces(crops)
        names = ["label", "ballot"]
        if cam and any(out.name == "cam" for out in self.session.get_outputs()):
            names.append("cam")
        arrays = self.lanes.run(names, faces, batch_size=batch_size)
        return Scores(
            label=arrays[0],
            ballot=arrays[1],
            unclear_threshold=self.bundle.card.unclear_threshold,
            cam=arrays[2] if len(names) > 2 else None,
            mix=self.mix,
        )

    def embed(
        self,
        crops: NDArray[np.uint8] | Sequence[NDArray[np.uint8]],
        *,
        batch_size: int | None = None,
    ) -> NDArray[np.float32]:
        """Pooled features of ready crops, from which the scores are computed.

        Networks of an ensemble stand side by side; mirror views are averaged. Features of
        different models cannot be compared.

        Args:
            crops: as for ``classify``; ``find`` cuts them out of a picture.
            batch_size: as for ``classify``.

        Returns:
            float32 (N, D); D depends on the model.

        Raises:
            BundleError: the model's graph has no pooled features.
            TypeError: crops that are not uint8.
            ValueError: an array of another shape, or ``batch_size`` below 1.
        """
        if batch_size is not None and batch_size < 1:
            raise ValueError(f"batch_size {batch_size}: give at least 1")
        return self.features.run(as_faces(crops), batch_size=batch_size)

    def analyze(
        self, image: Source, *, crops: bool = False, min_face: int = 40, cam: bool = False
    ) -> list[Face]:
        """Find the faces of one picture and score them, best detection first.

        Args:
            image: path, encoded bytes, open file, Pillow image or array (RGB or grey).
            crops: take the whole picture as one face, without a search; for crops as those of
                FER-2013, in which a detector finds little.
            min_face: side in pixels of the smallest face to search for.
            cam: also give each expression's class-activation maps, where the bundle has them.

        Returns:
            One entry a face; empty where none was found.

        Raises:
            ImageError: the picture cannot be read.
        """
        picture = read(image)
        found, faces = self.find(picture, crops=crops, min_face=min_face)
        if not found:
            return []
        scores = self.classify(faces, cam=cam)
        size = (picture.shape[1], picture.shape[0])
        return join(found, faces, scores.expressions(self.head), size)

    def analyze_many(
        self,
        images: Iterable[Source],
        *,
        batch_size: int = 32,
        crops: bool = False,
        min_face: int = 40,
    ) -> Iterator[Picture]:
        """Analyse pictures in order, with the faces of several in one run of the graph.

        A picture that cannot be read yields an entry with ``error``; nothing is raised for it.
        """
        from mien.infer.many import analyze_many

        return analyze_many(self, images, batch_size=batch_size, crops=crops, min_face=min_face)

    def find(
        self, picture: NDArray[np.uint8], *, crops: bool = False, min_face: int = 40
    ) -> tuple[list[Detection | None], NDArray[np.uint8]]:
        """Detections and their crops (N, 48, 48) of an upright picture (H, W, 3).

        A None among the detections stands for the whole picture taken as a crop.
        """
        if crops:
            return [None], to_crop(picture)[None]
        found: list[Detection | None] = [*self.detector.detect(picture, min_face=min_face)]
        faces = [crop_face(picture, detection) for detection in found if detection is not None]
        return found, np.stack(faces) if faces else np.empty((0, SIDE, SIDE), np.uint8)


def join(
    found: Sequence[Detection | None],
    crops: NDArray[np.uint8] | Sequence[NDArray[np.uint8]],
    expressions: Iterable[Expression],
    size: tuple[int, int],
) -> list[Face]:
    """Faces of one picture.

    Args:
        found: what was detected; a None is the whole picture.
        crops: of each, (48, 48), as it was classified.
        expressions: what each shows.
        size: width and height of the picture, pixels.
    """
    faces = []
    for detection, crop, expression in zip(found, crops, expressions, strict=True):
        why = reasons(detection, crop, size)
        if detection is None:
            box = (0.0, 0.0, float(size[0]), float(size[1]))
            faces.append(Face(box=box, expression=expression, detected=False, reasons=why))
        else:
            points = tuple((float(x), float(y)) for x, y in detection.landmarks)
            face = Face(detection.box, expression, detection.score, points, reasons=why)
            faces.append(face)
    return faces


def as_faces(
    crops: NDArray[np.uint8] | Sequence[NDArray[np.uint8]],
) -> NDArray[np.uint8]:
    """Crops of any size as one (N, 48, 48) array; those of 48x48 are untouched.

    Raises:
        TypeError: crops that are not uint8.
        ValueError: an array of another shape.
    """
    if isinstance(crops, np.ndarray):
        if crops.ndim not in (3, 4) or (crops.ndim == 4 and crops.shape[3] != 3):
            raise ValueError(
                f"crops has shape {crops.shape}; give (N, H, W) or (N, H, W, 3), or a list of crops"
            )
        if crops.dtype == np.uint8 and crops.shape[1:] == (SIDE, SIDE):
            return crops
    for crop in crops:
        shape = crop.shape if isinstance(crop, np.ndarray) else ()
        if len(shape) not in (2, 3) or 0 in shape or shape[2:] not in ((), (3,)):
            told = shape or type(crop).__name__
            raise ValueError(f"a crop is {told}; give arrays of (H, W) or (H, W, 3)")
        if crop.dtype != np.uint8:
            raise TypeError(f"crops are {crop.dtype}; give uint8, 0 to 255")
    if not len(crops):
        return np.empty((0, SIDE, SIDE), np.uint8)
    return np.stack([to_crop(crop) for crop in crops])
