"""The end of a pipeline: the accuracy of each model, and one report of all of them."""

from __future__ import annotations

import json
from pathlib import Path

from mien.atomic import write_bytes
from mien.bundle import CARD, Card, sha256
from mien.measure.predictions import Predictions
from mien.workflows import evaluation
from mien.workflows.members import BUNDLE, ENSEMBLE, Job, scored
from mien.workflows.settings import STUDENT
from mien.workflows.truth import pictures_of

REPORT = "report.html"


def close(job: Job) -> dict[str, dict[str, float]]:
    """Write the report of the ensemble, with its members and its student beside it.

    Returns:
        Test accuracy of each member, of the ensemble and of the student, as ``{value, low, high}``.
    """
    folders = {choice.member: job.run_of(choice.member) for choice in job.members}
    folders[ENSEMBLE] = job.out / ENSEMBLE / "test"
    if job.options.student:
        folders[STUDENT] = job.out / STUDENT / "test"
    files = {name: scored(folder, "test") for name, folder in folders.items()}
    job.steps.run(
        "report", [*map(sha256, files.values()), job.options.draws], [job.out / REPORT],
        lambda: write(job, {name: Predictions.load(path) for name, path in files.items()}),
    )  # fmt: skip
    return {name: accuracy_of(path / evaluation.METRICS) for name, path in folders.items()}


def accuracy_of(metrics: Path) -> dict[str, float]:
    """``{value, low, high}`` of the label head's accuracy."""
    found: dict[str, float] = json.loads(metrics.read_text(encoding="utf-8"))["heads"]["label"][
        "all"
    ]["accuracy"]
    return found


def teacher_of(member: str, job: Job) -> str:
    """Whose scores a network has learnt, and their share of its targets."""
    from mien.train.run import read_recipe

    targets = read_recipe(job.run_of(member)).targets
    if not targets.taught:
        return "–"
    path = Path(targets.teacher)
    name = path.parent.name if path.name == BUNDLE else path.name
    return f"{name}, {100 * targets.teacher_weight:.0f} %"


def write(job: Job, tables: dict[str, Predictions]) -> None:
    """The page, and the same as Markdown."""
    from mien.measure.report import build
    from mien.measure.tables import Table

    seconds = job.steps.seconds()
    joined = Card.read(job.out / ENSEMBLE / CARD).network["members"]
    weights = {member["run"]: member["weight"] for member in joined}
    rows = [
        (choice.member, choice.recipe, teacher_of(choice.member, job),
         " then ".join(f"{s} px" for s in choice.sizes),
         str(choice.epochs), f"{choice.seconds / 60:.0f}" if choice.seconds else "as written",
         f"{seconds.get(f'train {choice.member}', 0) / 60:.1f}",
         "–" if choice.member == STUDENT else f"{weights.get(choice.member, 0):.2f}")
        for choice in job.plan.choices
    ]  # fmt: skip
    counts = ", ".join(f"{len(job.data.of(s)):,} {s}" for s in ("train", "valid", "test"))
    how = Table(
        "How the networks were trained",
        ("Network", "Recipe", "Teacher", "Picture size", "Epochs", "Minutes planned",
         "Minutes taken", "Weight in the ensemble"),
        tuple(rows),
        note=f"Pictures: {counts}. Weights of the ensemble were chosen, and scores calibrated, on "
        "valid; nothing was chosen on test. Flips are averaged, but not by a student.",
    )  # fmt: skip
    table = tables[ENSEMBLE]
    result = json.loads((job.out / ENSEMBLE / "test" / evaluation.METRICS).read_bytes())
    page = build(
        table, result, others=[each for name, each in tables.items() if name != ENSEMBLE],
        card=result.get("card"), pictures=pictures_of(table, job.folder), extra=[how],
    )  # fmt: skip
    write_bytes(job.out / REPORT, page.html.encode())
    write_bytes((job.out / REPORT).with_suffix(".md"), page.markdown.encode())
