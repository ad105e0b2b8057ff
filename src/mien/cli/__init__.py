"""The command line: every verb of mien, assembled from one file a verb group."""

from __future__ import annotations

import signal
import sys
import warnings
from io import TextIOWrapper
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

EXTRAS = {
    "train": ("accelerate", "filelock", "onnxscript", "optuna", "pydantic",
              "safetensors", "sklearn", "timm", "torch", "torchvision"),
    "fast": ("numba",),
    "measure": ("jinja2", "matplotlib", "onnx", "scipy"),
    "data": ("cleanlab",),
    "web": ("fastapi", "multipart", "prometheus_client", "starlette", "uvicorn", "websockets"),
    "video": ("av",),
    "heic": ("pillow_heif",),
    "parquet": ("pyarrow",),
    "hub": ("huggingface_hub",),
    "ray": ("ray",),
    "tensorboard": ("tensorboard",),
}  # fmt: skip
"""Which extra of mien brings which package, for the message when one is missing."""


LEAST_MEMORY = 512 << 20
"""Bytes of address space below which nothing is tried."""


class Group(TyperGroup):
    """Verbs whose help writes arguments in capitals, as its text and the docs do."""

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """See click, or the copy of it that newer Typers bring."""
        command = super().get_command(ctx, cmd_name)
        for param in getattr(command, "params", ()):
            if param.param_type_name == "argument" and not param.metavar:
                param.metavar = param.name.upper()
        return command


class Verbs(Group):
    """The verbs; a picture or folder in place of a verb gets a suggestion."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """See click, or the copy of it that newer Typers bring."""
        try:
            return super().resolve_command(ctx, args)
        except Exception as error:
            said = vars(error).get("message")
            if said and (hint := _meant(args[0])):
                vars(error)["message"] = f"{str(said).partition(' Did you')[0].rstrip('.')}. {hint}"
            raise


def _meant(word: str) -> str:
    from mien.images import is_picture

    if is_picture(word) or Path(word).exists():
        return f"To read pictures: mien predict {word}"
    if word in ("prepare", "review"):
        return f"Did you mean: mien data {word}?"
    return ""


def build() -> typer.Typer:
    """The application with all verbs."""
    from mien.cli import (
        bundles,
        calibrate,
        data,
        doctor,
        export,
        measure,
        pipeline,
        predict,
        study,
        train,
        tune,
        video,
        web,
    )

    app = typer.Typer(
        cls=Verbs,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode="markdown",
        context_settings={"help_option_names": ["-h", "--help"]},
        help="Recognise facial expressions: seven classes, and how ten people would vote.\n\n"
        "Start with: mien predict photo.jpg",
    )

    @app.callback()
    def root(
        version: Annotated[
            bool,
            typer.Option(
                "--version",
                is_eager=True,
                callback=_print_version,
                help="Show the version and exit.",
            ),
        ] = False,
    ) -> None:
        pass

    use, judge, make, diagnose = "Use a model", "Evaluate a model", "Train a model", "Diagnostics"
    for panel, verbs in {
        use: (predict.predict, video.video, study.summary, web.serve, web.page),
        judge: (measure.evaluate, measure.compare, measure.report, study.methods),
        make: (
            pipeline.pipeline,
            train.train,
            train.runs,
            tune.tune,
            train.distill,
            export.soup,
            measure.ensemble,
            export.export,
            calibrate.calibrate,
        ),
        diagnose: (doctor.doctor,),
    }.items():
        for verb in verbs:
            app.command(rich_help_panel=panel)(verb)
    app.add_typer(data.app, name="data", rich_help_panel=make)
    app.add_typer(bundles.app, name="models", rich_help_panel=diagnose)
    return app


def _print_version(asked: bool) -> None:
    """Print the version and leave; a callback, since no verb follows it."""
    if asked:
        from mien import __version__

        typer.echo(__version__)
        raise typer.Exit


def main() -> None:
    """Run ``mien``; an error that the user can correct is one line, not a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # bars and Korean must not end a verb elsewhere
            stream.reconfigure(errors="replace")
    # Pillow's, of large pictures and odd EXIF blocks, which mien reads or refuses in its own words
    warnings.filterwarnings("ignore", module=r"PIL\.")
    warnings.formatwarning = lambda message, *_, **__: f"mien: {message}\n"
    _end_in_order()
    _check_room()
    try:
        build()()
    except ModuleNotFoundError as error:
        package = (error.name or "").split(".")[0]
        extra = next((e for e, packages in EXTRAS.items() if package in packages), None)
        if extra is None:
            raise
        fail(f"this verb needs the package {package}; install it with: pip install 'mien[{extra}]'")
    except KeyboardInterrupt:
        print("\nmien: stopped", file=sys.stderr)
        sys.exit(130)
    except Exception as error:
        if shortage := _shortage(error):
            fail(shortage)
        if not isinstance(error, ValueError | TypeError | OSError | ArithmeticError):
            raise
        fail(str(error))


def _check_room() -> None:
    """Say that memory is short before the libraries load, which crash where it is."""
    try:
        import resource
    except ModuleNotFoundError:  # Windows has no such limit
        return
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    if limit != resource.RLIM_INFINITY and limit < LEAST_MEMORY:
        fail(
            f"not enough memory: this shell allows {limit >> 20} MB (ulimit -v), and mien needs "
            f"{LEAST_MEMORY >> 20} MB"
        )


def _shortage(error: Exception) -> str | None:
    """What this process may not have more of, by the many names that libraries have for it."""
    said = str(error).lower()
    if "start new thread" in said:
        return "no more threads can be started; raise the limits of this shell, or use --threads 1"
    words = ("bad_alloc", "cannot allocate memory", "failed to map segment", "failed to allocate")
    if isinstance(error, MemoryError) or any(word in said for word in words):
        return "not enough memory; free some, raise the limit (ulimit -v), or use fewer --threads"
    return None


def fail(message: str) -> None:
    """Print one line and leave with 1."""
    from mien.cli.plain import visible

    print(f"mien: {visible(message, lines=True)}", file=sys.stderr)
    sys.exit(1)


def _end_in_order() -> None:
    """Let signals unwind the process, so that files are finished and parts removed."""

    def stop(number: int, frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)  # the second time at once
        name = signal.Signals(number).name
        print(f"\nmien: stopped by {name}; finishing what is open", file=sys.stderr)
        sys.exit(128 + number)

    for name in ("SIGTERM", "SIGHUP", "SIGQUIT"):
        number = getattr(signal, name, None)
        # not where someone chose otherwise, such as nohup
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, stop)
