"""The command line: every verb of mien, assembled from one file a verb group."""

from __future__ import annotations

import sys
import warnings
from io import TextIOWrapper
from typing import Annotated

import typer

EXTRAS = {
    "train": ("accelerate", "filelock", "numba", "onnxscript", "optuna", "pydantic",
              "safetensors", "sklearn", "timm", "torch", "torchvision"),
    "measure": ("jinja2", "matplotlib", "onnx", "scipy"),
    "data": ("cleanlab",),
    "web": ("fastapi", "multipart", "starlette", "uvicorn"),
    "video": ("av",),
    "parquet": ("pyarrow",),
    "hub": ("huggingface_hub",),
    "ray": ("ray",),
    "tensorboard": ("tensorboard",),
}  # fmt: skip
"""Which extra of mien brings which package, for the message when one is missing."""


def build() -> typer.Typer:
    """The application with all verbs."""
    from mien.cli import (
        bundles,
        calibrate,
        data,
        doctor,
        export,
        measure,
        predict,
        study,
        train,
        tune,
        video,
        web,
    )

    app = typer.Typer(
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

    use, judge, make, house = "Use a model", "Evaluate a model", "Make a model", "Diagnostics"
    for panel, verbs in {
        use: (predict.predict, video.video, study.summary, web.serve, web.page),
        judge: (measure.evaluate, measure.compare, measure.report, study.methods),
        make: (
            train.train,
            train.runs,
            tune.tune,
            train.distill,
            export.soup,
            measure.ensemble,
            export.export,
            calibrate.calibrate,
        ),
        house: (doctor.doctor,),
    }.items():
        for verb in verbs:
            app.command(rich_help_panel=panel)(verb)
    app.add_typer(data.app, name="data", rich_help_panel=make)
    app.add_typer(bundles.app, name="models", rich_help_panel=house)
    return app


def _print_version(asked: bool) -> None:
    """Print the version and leave; a callback, since no verb follows it."""
    if asked:
        from mien import __version__

        typer.echo(__version__)
        raise typer.Exit


def main() -> None:
    """Run ``mien``; what a user can mend is one line, not a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # bars and Korean must not end a verb elsewhere
            stream.reconfigure(errors="replace")
    # Pillow's, of large pictures and odd EXIF blocks, which mien reads or refuses in its own words
    warnings.filterwarnings("ignore", module=r"PIL\.")
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
    except (ValueError, TypeError, OSError, ArithmeticError) as error:
        fail(str(error))


def fail(message: str) -> None:
    """Print one line and leave with 1."""
    print(f"mien: {message}", file=sys.stderr)
    sys.exit(1)
