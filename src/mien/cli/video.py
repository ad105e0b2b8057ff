"""``mien video``: the faces of a video or a camera, and their expressions over time."""

from __future__ import annotations

import errno
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mien.cli.plain import counted, say
from mien.strings import LANGUAGES

if TYPE_CHECKING:
    from mien.infer.footage import Footage, Info
    from mien.infer.timeline import Timeline
    from mien.infer.video import Frame
    from mien.infer.video_outputs import FrameOutput


def video(
    source: Annotated[
        str | None, typer.Argument(help="A video file.", metavar="FILE", show_default=False)
    ] = None,
    camera: Annotated[
        int | None,
        typer.Option(help="Number of a camera, in place of a file. Stop with Ctrl-C.", min=0),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Write a video with boxes and scores (.mp4, .mkv, .mov).")
    ] = None,
    csv: Annotated[Path | None, typer.Option(help="Write one row per face and frame.")] = None,
    json: Annotated[
        Path | None, typer.Option(help="Write one JSON line per face and frame.")
    ] = None,
    timeline: Annotated[
        Path | None,
        typer.Option(help="Draw each person's expressions over time (.png)."),
    ] = None,
    every: Annotated[
        int,
        typer.Option(
            help="Detect faces in every n-th frame and interpolate between. Frames more than half "
            "a second apart are all searched.",
            min=1,
        ),
    ] = 3,
    smooth: Annotated[
        float,
        typer.Option(help="Time constant of smoothing, in seconds; 0 turns it off.", min=0),
    ] = 0.2,
    head: Annotated[
        str,
        typer.Option(
            help="Scores to rank by. expression: a mix of both heads; votes: how people would "
            "vote; label: FER-2013's label."
        ),
    ] = "expression",
    lang: Annotated[str, typer.Option(help=f"Language of names: {' or '.join(LANGUAGES)}.")] = "en",
    model: Annotated[
        str | None, typer.Option(help="Name of a model, or a bundle's folder.")
    ] = None,
    min_face: Annotated[
        int, typer.Option(help="Smallest face to detect: its side in pixels.", min=1)
    ] = 40,
    threads: Annotated[int, typer.Option(help="Cores to use; 0 for all.", min=0)] = 0,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace output files that exist.")
    ] = False,
) -> None:
    """Track the faces of a video and read their expressions over time.

    Prints one row per person. Output files take their names when they are complete; Ctrl-C stops
    early and keeps what was read so far.

    Example: mien video talk.mp4 --out talk-faces.mp4 --csv talk.csv --timeline talk.png
    """
    if (source is None) == (camera is None):
        raise ValueError("name a video file, or --camera N")
    try:
        from mien.infer.footage import Footage
    except ImportError:
        raise ValueError("video needs PyAV; pip install 'mien[video]'") from None
    from mien.emotions import names
    from mien.infer import video_outputs
    from mien.infer.model import load
    from mien.infer.timeline import Timeline
    from mien.infer.video import watch

    names(lang)
    footage = Footage(camera if source is None and camera is not None else source or "")
    info = footage.info() if camera is None else None
    film = Path(source) if source is not None and Path(source).is_file() else None
    if out is not None:
        video_outputs.check_film(out)
    if timeline is not None:
        video_outputs.check_picture(timeline)
    places = [path for path in (out, csv, json, timeline) if path is not None]
    video_outputs.check_places(places, source=film, overwrite=overwrite)
    loaded = load(model, threads=threads, head=head)
    history = Timeline()
    outputs: list[FrameOutput] = []
    with ExitStack() as stack:
        if csv is not None:
            outputs.append(video_outputs.VideoCsv(csv))
        if json is not None:
            outputs.append(video_outputs.VideoJson(json))
        if out is not None:
            rate = info.rate if info else 30
            outputs.append(video_outputs.VideoFilm(out, rate=rate, sound=film, language=lang))
        for output in outputs:
            stack.callback(output.abandon)
            output.open()
        frames = watch(footage, loaded, every=every, smooth=smooth, min_face=min_face)
        run = _follow(frames, outputs, history, info)
        if not run.count:
            raise ValueError(f"{footage.source}: no frame could be decoded; it may be cut short")
        for output in outputs:
            if output not in run.failed:
                _attempt(output, output.close, run)
    if timeline is not None:
        video_outputs.save_picture(history.draw(lang), timeline)
    _report(history, footage, run, lang)
    if run.failed:
        raise ValueError("; ".join(run.failed.values()))
    if run.signal and camera is None:  # whoever waits for a whole film must see that it is none
        raise typer.Exit(128 + run.signal)


@dataclass
class _Run:
    """What became of a run: ``signal`` stopped it, or 0; ``failed`` says why an output did."""

    count: int = 0
    seconds: float = 0.0
    signal: int = 0
    failed: dict[FrameOutput, str] = field(default_factory=dict)


def _follow(
    frames: Iterator[Frame], outputs: list[FrameOutput], history: Timeline, info: Info | None
) -> _Run:
    """Hand every frame to the outputs; one that fails is left, and the others go on."""
    from rich.console import Console

    from mien.cli.following import Frames, stoppable

    console, run = Console(stderr=True), _Run()
    shown = Frames(console, info.frames or None if info else None)
    with stoppable() as stop, shown.progress:
        try:
            for frame in frames:
                for output in outputs:
                    if output not in run.failed:
                        _attempt(output, partial(output.add, frame), run)
                history.add(frame)
                shown.advance()
                if stop.signal or (outputs and len(run.failed) == len(outputs)):
                    break
        except KeyboardInterrupt:
            stop.signal = stop.signal or signal.SIGINT
    if stop.signal:
        for output in outputs:
            output.stop()
        say(f"stopped after {shown.count:,} frames, which are kept", console)
    run.count, run.seconds, run.signal = shown.count, shown.seconds, stop.signal
    return run


def _attempt(output: FrameOutput, act: Callable[[], None], run: _Run) -> None:
    """Write; a full disk or a codec's refusal ends this output alone."""
    try:
        act()
    except (OSError, ValueError, ArithmeticError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        remedy = "; free some space" if getattr(error, "errno", None) == errno.ENOSPC else ""
        run.failed[output] = f"{output.path}: could not be written ({reason}){remedy}"
        output.abandon()


def _report(history: Timeline, footage: Footage, run: _Run, language: str) -> None:
    """A row for each person, and how it went."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from mien.cli.following import NARROW
    from mien.cli.show import bar
    from mien.infer.panels import COLOURS, percent

    out, err = Console(), Console(stderr=True, highlight=False)
    wide = out.width >= NARROW
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("person", "from", "to", "mostly", *(("", "then") if wide else ())):
        table.add_column(heading, no_wrap=True)
    for person in history.shown():
        (top, share), *others = person.ranked()
        rest = ", ".join(f"{e.name_in(language)} {percent(s)}" for e, s in others[:2])
        more = (Text(bar(share, 12), style=COLOURS[top]), Text(rest, style="dim"))
        table.add_row(
            str(person.number), f"{person.times[0]:.1f} s", f"{person.times[-1]:.1f} s",
            Text(f"{top.name_in(language)} {percent(share)}", style="bold"),
            *(more if wide else ()),
        )  # fmt: skip
    if table.row_count:
        out.print(table)
    people, scenes = len(history.shown()), len(history.cuts) + 1
    say(
        f"{counted(run.count, 'frame')}, {counted(people, 'person', 'people')}, "
        + (f"{counted(scenes, 'scene')}, " if scenes > 1 else "")
        + f"{run.seconds:,.1f} s, {run.count / max(run.seconds, 1e-9):,.1f} frames a second",
        err,
    )
    if footage.broken:
        say(f"{counted(footage.broken, 'broken frame')} left out", err)
    if footage.cut_short:
        say("the file ends too early; what it has was read", err)
