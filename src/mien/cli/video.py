"""``mien video``: the faces of a video or a camera, and their expressions over time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mien.cli.plain import say
from mien.strings import LANGUAGES

if TYPE_CHECKING:
    from mien.infer.footage import Footage, Info
    from mien.infer.timeline import Timeline
    from mien.infer.video import Frame
    from mien.infer.video_outputs import FrameOutput


def video(
    source: Annotated[Path | None, typer.Argument(help="A video file.")] = None,
    camera: Annotated[
        int | None, typer.Option(help="Number of a camera instead; stop with Ctrl-C.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Annotated video to write (.mp4).")] = None,
    csv: Annotated[Path | None, typer.Option(help="A row for each face and frame.")] = None,
    json: Annotated[Path | None, typer.Option(help="A JSON line for each face and frame.")] = None,
    timeline: Annotated[
        Path | None, typer.Option(help="Picture of everyone's expressions over time (.png).")
    ] = None,
    every: Annotated[
        int, typer.Option(help="Search for faces in every n-th frame; track between.", min=1)
    ] = 3,
    smooth: Annotated[
        float, typer.Option(help="Smooth scores over this many seconds; 0 for none.", min=0)
    ] = 0.2,
    head: Annotated[
        str, typer.Option(help="votes: what people would say; label: FER-2013's labelling.")
    ] = "votes",
    lang: Annotated[str, typer.Option(help=f"Language of names: {' or '.join(LANGUAGES)}.")] = "en",
    model: Annotated[
        str | None, typer.Option(help="A model by name, or a bundle's folder.")
    ] = None,
    min_face: Annotated[
        int, typer.Option(help="Side of the smallest face to look for, pixels.", min=1)
    ] = 40,
    threads: Annotated[int, typer.Option(help="Cores to use; 0 for all.", min=0)] = 0,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace output files that are there.")
    ] = False,
) -> None:
    """Follow the faces of a video and read their expressions.

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
    footage = Footage(source if source is not None else camera or 0)
    info = footage.info() if camera is None else None
    if out is not None:
        video_outputs.check_film(out)
    if timeline is not None:
        video_outputs.check_picture(timeline)
    places = [path for path in (out, csv, json, timeline) if path is not None]
    video_outputs.check_places(places, source=source, overwrite=overwrite)
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
            outputs.append(video_outputs.VideoFilm(out, rate=rate, sound=source, language=lang))
        for output in outputs:
            output.open()
            stack.callback(output.close)
        frames = watch(footage, loaded, every=every, smooth=smooth, min_face=min_face)
        shown = _follow(frames, outputs, history, info)
    if timeline is not None:
        history.draw(lang).save(timeline)
    _report(history, footage, shown, lang)


def _follow(
    frames: Iterator[Frame], outputs: list[FrameOutput], history: Timeline, info: Info | None
) -> tuple[int, float]:
    """Hand every frame to the outputs; the number of frames and the seconds that they took."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (
        BarColumn(), TextColumn("{task.completed:,} frames"),
        TextColumn("{task.fields[rate]}", justify="right"), TimeRemainingColumn(),
    )  # fmt: skip
    begun, count = time.perf_counter(), 0
    with Progress(*columns, console=console, transient=True,
                  disable=not console.is_terminal) as progress:  # fmt: skip
        task = progress.add_task("", total=info.frames or None if info else None, rate="")
        try:
            for frame in frames:
                for output in outputs:
                    output.add(frame)
                history.add(frame)
                count += 1
                rate = count / (time.perf_counter() - begun)
                progress.update(task, completed=count, rate=f"{rate:,.0f} frames/s")
        except KeyboardInterrupt:  # how a camera is stopped: what was seen is kept
            for output in outputs:
                output.stop()
            say("stopped", console)
    return count, time.perf_counter() - begun


def _report(history: Timeline, footage: Footage, shown: tuple[int, float], language: str) -> None:
    """A row for each person, and how it went."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from mien.cli.show import bar
    from mien.infer.panels import COLOURS, percent

    frames, seconds = shown
    if not frames:
        raise ValueError(f"{footage.source}: no frame could be decoded; it may be cut short")
    out, err = Console(), Console(stderr=True, highlight=False)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("person", "from", "to", "mostly", "", "then"):
        table.add_column(heading, no_wrap=True)
    for person in history.shown():
        (top, share), *others = person.ranked()
        rest = ", ".join(f"{e.name_in(language)} {percent(s)}" for e, s in others[:2])
        table.add_row(
            str(person.number), f"{person.times[0]:.1f} s", f"{person.times[-1]:.1f} s",
            Text(f"{top.name_in(language)} {percent(share)}", style="bold"),
            Text(bar(share, 12), style=COLOURS[top]), Text(rest, style="dim"),
        )  # fmt: skip
    if table.row_count:
        out.print(table)
    say(
        f"{frames:,} frames, {len(history.shown()):,} people, {seconds:,.1f} s, "
        f"{frames / max(seconds, 1e-9):,.1f} frames a second",
        err,
    )
    if footage.broken:
        err.print(f"{footage.broken:,} broken frames were left out")
    if footage.cut_short:
        err.print("the file ends too early; what it has was read")
