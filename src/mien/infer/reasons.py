"""Why a face is hard to read: it is small, blurred, turned away or covered.

Told by the landmarks and the crop alone, whatever the scores say. The page computes the same in
``web/static/page/js/reasons.js``, with the numbers of this module. ``python -m benchmarks.reasons``
prints how often each rule hits and how often it is wrong.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mien.infer.crop import SIDE, placement, scale_of
from mien.infer.detect import Detection

REASONS = ("small", "blurred", "turned", "covered")
"""All reasons, in the order in which they are listed."""

SMALL = 24.0
"""Pixels of the picture that a side of the crop covers, below which a face is small.

Right answers to real photos fall by 12 points where crops were 24 pixels wide, by 28 at 16.
"""

DETAIL = 0.04
"""Least variance of second differences, across or down, over the variance of grey.

Of the two directions the lesser counts: a moving camera blurs one. Right answers fall by 16 points
where a Gaussian of one pixel blurs the crop; nearly all such crops lie below this limit, and one
in a hundred of those that were not blurred. It falls with the square of the scale of enlarged
crops, as the detail of crops does that are shrunk and enlarged.
"""

ASIDE, NARROW = 0.28, 0.7
"""Turned to a side: the nose's offset from the middle of the eyes, along the line through them,
over the distance of the eyes; and the distance of the eyes over that from eyes to mouth.

Together with ``UP`` and ``DOWN`` they call two in three heads turned by 40 degrees, and none of 88
real faces as they are. The second tells side views, whose eyes coincide.
"""

UP, DOWN = 0.3, 0.72
"""Turned up or down: the nose's place from the eyes (0) to the mouth (1).

Of faces that look ahead it is 0.53. Half of the heads bowed by 25 degrees are beyond a limit, and
nine in ten of those bowed by 40; of heads raised by 40, six in ten.
"""

Area = tuple[int, int, int, int]
"""First row, row after the last, first column, column after the last, in pixels of the crop."""

MOUTH: Area = (31, 43, 14, 34)
EYES: Area = (14, 26, 10, 38)
EACH_EYE: tuple[Area, Area] = ((15, 25, 10, 21), (15, 25, 27, 38))
LENSES: tuple[Area, Area] = ((17, 22, 11, 19), (17, 22, 29, 37))
CHEEKS: Area = (25, 33, 13, 35)
MIDDLE: Area = (10, 44, 8, 40)
BETWEEN: Area = (10, 44, 10, 38)

FLAT_MOUTH = 0.38
"""Least contrast (standard deviation of grey) of ``MOUTH`` over that of ``EYES``: a mask, a scarf
or a hand is flatter than a mouth."""
FLAT_EYE = 0.3
"""Least contrast of the flatter of ``EACH_EYE`` over that of ``MIDDLE``: something lies over it."""
DARK_EYES = -1.4
"""Least mean plus standard deviation of ``LENSES``, less the mean of ``CHEEKS``, over the contrast
of ``BETWEEN``: sunglasses are darker than eyes, and show no whites.

With these limits 1.7 % of 1,111 crops of real faces are called covered, and 73 to 99 % of those
with a mask, scarf, hand, sunglasses or arm drawn on them. What covers less, such as a microphone,
is not seen. Of blurred and small faces 5 to 10 % are called covered too.
"""


def reasons(
    detection: Detection | None, crop: NDArray[np.uint8], size: tuple[int, int]
) -> list[str]:
    """Why a face is hard to read, in the order of ``REASONS``; empty where nothing is the matter.

    Args:
        detection: the face in its picture; None where the whole picture is the crop, in which
            nothing tells whether a face is turned.
        crop: uint8 (48, 48), as it is classified.
        size: width and height of the picture, pixels.
    """
    grey = crop.astype(np.float64)
    if detection is None:
        side, turned = float(min(size)), False
    else:
        side = SIDE * scale_of(placement(detection))
        turned = is_turned(detection.landmarks)
    small = side < SMALL
    said = {
        "small": small,
        "blurred": not small and is_blurred(grey, side / SIDE),
        "turned": turned,
        "covered": is_covered(grey, turned=turned),
    }
    return [reason for reason in REASONS if said[reason]]


def is_turned(landmarks: NDArray[np.floating]) -> bool:
    """Whether a head is turned to a side, up or down; a head that leans aside is not.

    Args:
        landmarks: (5, 2) as in ``Detection``.
    """
    right, left, nose, *mouth = landmarks.astype(np.float64)
    eyes, across = (right + left) / 2, left - right
    down, point = (mouth[0] + mouth[1]) / 2 - eyes, nose - eyes
    apart, height = float(np.hypot(*across)), float(np.hypot(*down))
    if apart < 1e-6 or height < 1e-6:  # a detector's guess: it saw no face from ahead
        return True
    aside = abs(float(point @ across)) / apart**2
    along = float(point @ down) / height**2
    return aside > ASIDE or apart / height < NARROW or not UP <= along <= DOWN


def is_blurred(grey: NDArray[np.float64], scale: float) -> bool:
    """Whether a crop (48, 48) lacks fine detail for its contrast.

    Args:
        grey: the crop.
        scale: pixels of the picture in one of the crop; enlarged crops, below 1, may have less.
    """
    across = np.diff(grey, 2, axis=1)[1:-1]
    down = np.diff(grey, 2, axis=0)[:, 1:-1]
    detail = min(float(np.mean(across**2)), float(np.mean(down**2)))
    return detail < DETAIL * min(scale, 1) ** 2 * float(grey.var())


def is_covered(grey: NDArray[np.float64], *, turned: bool = False) -> bool:
    """Whether something lies over the mouth, over an eye, or dark over both eyes.

    Args:
        grey: the crop (48, 48).
        turned: whether the head is: of a side view one eye is not seen, which covers nothing.
    """
    flat_mouth = _contrast(grey, MOUTH) < FLAT_MOUTH * (_contrast(grey, EYES) + 1)
    eye = min(_contrast(grey, area) for area in EACH_EYE)
    flat_eye = not turned and eye < FLAT_EYE * (_contrast(grey, MIDDLE) + 1)
    lenses = np.concatenate([_part(grey, area) for area in LENSES])
    brightest = float(lenses.mean() + lenses.std()) - float(_part(grey, CHEEKS).mean())
    dark_eyes = brightest < DARK_EYES * (_contrast(grey, BETWEEN) + 1)
    return flat_mouth or flat_eye or dark_eyes


def _part(grey: NDArray[np.float64], area: Area) -> NDArray[np.float64]:
    top, bottom, left, right = area
    return grey[top:bottom, left:right]


def _contrast(grey: NDArray[np.float64], area: Area) -> float:
    """Standard deviation of grey; those who divide by it add a grey level, for plain crops."""
    return float(_part(grey, area).std())
