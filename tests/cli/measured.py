"""The verbs that measure, as tests call them."""

import csv

import typer
from typer.testing import CliRunner

from mien.cli import measure as verbs

app = typer.Typer()
for name in ("evaluate", "compare", "ensemble", "report"):
    app.command(name)(getattr(verbs, name))


def run(*args):
    outcome = CliRunner().invoke(app, [str(a) for a in args])
    if outcome.exception and not isinstance(outcome.exception, SystemExit):
        raise outcome.exception
    return outcome.output


def write_csv(path, ids, scores):
    names = ["Anger", "Disgusted", "scared", "joy", "calm", "Sadness", "surprised"]
    with path.open("w", newline="") as file:
        csv.writer(file).writerow(["filename", *names])
        csv.writer(file).writerows([[i, *row] for i, row in zip(ids, scores, strict=True)])
    return path
