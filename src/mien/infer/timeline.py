"""A picture of each person's expressions over time, stacked so that it reads at a glance."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor, ImageDraw

from mien.emotions import EMOTIONS, Emotion, names
from mien.infer import panels
from mien.infer.overlay import thumbnail
from mien.infer.video import Frame

WIDTH, ROW, GAP = 1600, 128, 18
LEFT, RIGHT, HEAD, FOOT = 252, 28, 74, 48
GROUND, BARE, LINE = "#181b21", "#23272f", "#444b58"
CUT_LINE = "#7d8796"
MOST_PEOPLE = 12
"""Most people drawn: those seen longest."""
LEAST_SECONDS = 0.5
"""Seconds for which a person must be seen to be drawn."""
MOST_CUTS = 60
"""More cuts than these are not marked."""
HOLE = 0.35
"""Longest time in seconds without a face that is bridged."""

ORDER = (
    Emotion.ANGRY, Emotion.DISGUST, Emotion.FEAR, Emotion.SAD,
    Emotion.NEUTRAL, Emotion.SURPRISE, Emotion.HAPPY,
)  # fmt: skip
"""From the foot of a row to its top: unpleasant, neutral, pleasant."""

_FINE = 4


@dataclass
class Person:
    """What is known of one track: times, scores (7,) and unclear shares, and a portrait.

    ``frames`` and ``scenes`` are the numbers of the frames and of their scenes.
    """

    number: int
    times: list[float] = field(default_factory=list)
    scores: list[list[float]] = field(default_factory=list)
    unclear: list[float] = field(default_factory=list)
    frames: list[int] = field(default_factory=list)
    scenes: list[int] = field(default_factory=list)
    portrait: Image.Image | None = None
    merit: float = 0.0

    @property
    def seen(self) -> float:
        """Seconds between first and last sight."""
        return self.times[-1] - self.times[0]

    def ranked(self) -> list[tuple[Emotion, float]]:
        """Emotions with their mean scores, highest first."""
        mean = np.mean(self.scores, axis=0)
        return [(EMOTIONS[i], float(mean[i])) for i in np.argsort(-mean)]


class Timeline:
    """Collects frames, then draws; memory grows by a few numbers a face."""

    def __init__(self) -> None:
        self.people: dict[int, Person] = {}
        self.end = 0.0
        self.count = 0
        self.cuts: list[float] = []
        self.scene = 1

    def add(self, frame: Frame) -> None:
        """Take the faces of a frame."""
        self.end = max(self.end, frame.time)
        self.count += 1
        if frame.scene != self.scene:
            self.scene = frame.scene
            self.cuts.append(frame.time)
        for face in frame.faces:
            number = face.track or 0
            person = self.people.setdefault(number, Person(number))
            person.times.append(frame.time)
            person.scores.append([face.expression.scores[e] for e in EMOTIONS])
            person.unclear.append(face.expression.unclear)
            person.frames.append(frame.index)
            person.scenes.append(frame.scene)
            merit = face.score * min(face.box[2] - face.box[0], 96)
            if merit > person.merit * 1.05:
                person.merit = merit
                portrait = thumbnail(Image.fromarray(frame.image), face)
                person.portrait = portrait.resize((96, 96), Image.Resampling.LANCZOS)

    def shown(self) -> list[Person]:
        """Those who were there long enough, at most ``MOST_PEOPLE``, in order of number."""
        step = self.end / max(self.count - 1, 1)  # how long a frame lasts
        lasting = [
            p for p in self.people.values() if p.seen + step >= min(LEAST_SECONDS, self.end / 2)
        ]
        longest = sorted(lasting, key=lambda p: -len(p.times))[:MOST_PEOPLE]
        return sorted(longest, key=lambda p: p.number)

    def draw(self, language: str = "en") -> Image.Image:
        """The picture, RGB, ``WIDTH`` wide and as high as there are people.

        Raises:
            ValueError: an unknown language.
        """
        legend = names(language)
        people = self.shown()
        height = HEAD + FOOT + max(1, len(people)) * (ROW + GAP) - GAP
        page = Image.new("RGB", (WIDTH, height), GROUND)
        _legend(page, legend)
        if not people:
            note = panels.PHRASES[language][1]
            middle = (WIDTH // 2, HEAD + ROW // 2)
            ImageDraw.Draw(page).text(middle, note, "white", panels.font(26), anchor="mm")
        _axis(page, self.end, self.cuts)
        for row, person in enumerate(people):
            _row(page, person, HEAD + row * (ROW + GAP), self.end, language)
        return page


def columns(person: Person, end: float, width: int) -> tuple[NDArray[np.float64], ...]:
    """Scores (width, 7), unclear (width,) and presence (width,) at each pixel of the time axis."""
    times = np.array(person.times)
    at = (np.arange(width) + 0.5) / width * max(end, 1e-9)
    after = np.clip(np.searchsorted(times, at), 1, len(times) - 1) if len(times) > 1 else None
    if after is None:
        near = np.abs(at - times[0]) <= end / width
    else:
        inside = (at >= times[0]) & (at <= times[-1])
        frames, scenes = np.array(person.frames), np.array(person.scenes)
        bridged = (np.diff(times) <= HOLE) | (np.diff(frames) == 1)
        near = inside & (bridged & (np.diff(scenes) == 0))[after - 1]
    scores = np.array(person.scores)
    shown = np.stack([np.interp(at, times, scores[:, k]) for k in range(scores.shape[1])], axis=1)
    return shown, np.interp(at, times, person.unclear), near.astype(np.float64)


def bands(scores: NDArray[np.float64], height: int) -> NDArray[np.intp]:
    """Which place of ``ORDER`` each pixel (height, width) belongs to, the first one at the foot."""
    edges = np.cumsum(scores[:, [e.position for e in ORDER]], axis=1)
    edges /= np.maximum(edges[:, -1:], 1e-9)
    level = 1 - (np.arange(height) + 0.5) / height
    return np.asarray((edges[None, :, :-1] <= level[:, None, None]).sum(axis=2))


def _row(page: Image.Image, person: Person, top: int, end: float, language: str) -> None:
    draw = ImageDraw.Draw(page)
    width = WIDTH - LEFT - RIGHT
    scores, unclear, present = columns(person, end, width)
    which = bands(scores, ROW * _FINE)
    palette = np.array([ImageColor.getrgb(panels.COLOURS[e]) for e in ORDER], np.float32)
    ground = np.array(ImageColor.getrgb(BARE), np.float32)
    area = palette[which].reshape(ROW, _FINE, width, 3).mean(axis=1)
    strength = (present * (1 - 0.75 * np.clip(unclear, 0, 1)))[None, :, None]
    area = ground + strength * (area - ground)
    page.paste(Image.fromarray(np.rint(area).astype(np.uint8)), (LEFT, top))
    _names(draw, scores, present, top, language)
    if person.portrait is not None:
        page.paste(person.portrait, (24, top + (ROW - 96) // 2))
    text = 24 + 96 + 14
    best, share = person.ranked()[0]
    draw.text((text, top + ROW // 2 - 16), str(person.number), "white", panels.font(34),
              anchor="lm")  # fmt: skip
    words = f"{best.name_in(language)} {panels.percent(share)}"
    size = 19 if panels.font(19).getlength(words) <= LEFT - text - 6 else 15
    draw.text((text, top + ROW // 2 + 22), words, panels.COLOURS[best], panels.font(size),
              anchor="lm")  # fmt: skip


def _names(
    draw: ImageDraw.ImageDraw,
    scores: NDArray[np.float64],
    present: NDArray[np.float64],
    top: int,
    language: str,
) -> None:
    """Write an emotion's name into its band wherever the band is high and long enough."""
    font = panels.font(20)
    ordered = scores[:, [e.position for e in ORDER]]
    foot = np.cumsum(ordered, axis=1) - ordered
    for place, emotion in enumerate(ORDER):
        name = emotion.name_in(language)
        room = font.getlength(name) + 24
        high = (ordered[:, place] > 0.34) & (present > 0)
        edges = np.flatnonzero(np.diff(np.concatenate([[0], high, [0]])))
        for start, stop in zip(edges[::2], edges[1::2], strict=True):
            if stop - start < room:
                continue
            middle = (foot[start:stop, place] + ordered[start:stop, place] / 2).mean()
            draw.text((LEFT + (start + stop) / 2, top + ROW * (1 - middle)), name, panels.INK,
                      font, anchor="mm")  # fmt: skip


def _legend(page: Image.Image, legend: tuple[str, ...]) -> None:
    draw, font = ImageDraw.Draw(page), panels.font(21)
    x = float(LEFT)
    for emotion in reversed(ORDER):
        draw.rounded_rectangle((x, 25, x + 24, 49), 5, panels.COLOURS[emotion])
        name = legend[emotion.position]
        draw.text((x + 34, 37), name, "white", font, anchor="lm")
        x += 34 + font.getlength(name) + 36


def _axis(page: Image.Image, end: float, cuts: list[float]) -> None:
    draw, font = ImageDraw.Draw(page), panels.font(18)
    foot = page.height - FOOT
    for time in cuts if len(cuts) <= MOST_CUTS else ():
        x = LEFT + (WIDTH - LEFT - RIGHT) * (time / end if end else 0)
        draw.line((x, HEAD - 14, x, foot), CUT_LINE, 3)
    for time in ticks(end):
        x = LEFT + (WIDTH - LEFT - RIGHT) * (time / end if end else 0)
        draw.line((x, HEAD - 8, x, foot + 8), LINE)
        minutes, seconds = divmod(round(time), 60)
        draw.text((x, foot + 24), f"{minutes}:{seconds:02}", panels.MUTED, font, anchor="mm")


def ticks(end: float) -> list[int]:
    """At most 13 round times in seconds from 0 to ``end``."""
    steps = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21600)
    step = next((s for s in steps if end / s <= 12), 86400)
    return list(range(0, int(end) + 1, step))
