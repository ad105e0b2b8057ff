"""The members of a pipeline: train, export and score each, join them, write the report."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mien.atomic import write_bytes
from mien.measure.predictions import Predictions
from mien.workflows import evaluation, families, plan
from mien.workflows.settings import Options, Talk
from mien.workflows.steps import Steps
from mien.workflows.truth import classify, pictures_of

if TYPE_CHECKING:
    from mien.data.dataset import Dataset
    from mien.train.recipe import Recipe

RUNS, ENSEMBLE, REPORT = "runs", "ensemble", "report.html"


@dataclass(frozen=True)
class Job:
    """One pipeline: its folder ``out``, the prepared ``folder`` and its ``data``, and its steps."""

    out: Path
    folder: Path
    data: Dataset
    plan: plan.Plan
    options: Options
    steps: Steps
    talk: Talk


def recipe_of(choice: plan.Choice, folder: Path, options: Options, *, images: int) -> Recipe:
    """The recipe of a member as the plan trains it on so many images."""
    sizes = choice.sizes
    changed = [f"epochs={choice.epochs}", f"network.size={sizes[-1]}", f"seed={options.seed}"]
    if len(sizes) > 1:
        changed.append(f'sizes={{"0"={sizes[0]},"{plan.SMALL_EPOCHS}"={sizes[1]}}}')
    else:
        changed.append("sizes={}")
    return families.load(choice.member, choice.recipe, folder, options, changed, images=images)


def train(choice: plan.Choice, job: Job) -> None:
    """Train one member, or resume its training."""
    from mien.train.fit import fit
    from mien.train.weights import FILE

    run = job.out / RUNS / choice.member
    learn, valid = job.data.of("train"), job.data.of("valid")
    recipe = recipe_of(choice, job.folder, job.options, images=len(learn))
    job.steps.run(
        f"train {choice.member}", [recipe.to_toml(), learn.fingerprint()], [run / FILE],
        lambda: fit(recipe, learn, run, watch=job.talk.watch(choice.member), valid=valid),
    )  # fmt: skip


def measure(member: str, job: Job) -> dict[str, Predictions]:
    """Export a member and score ``valid`` and ``test``; its tables by split."""
    from mien.bundle import sha256
    from mien.infer.crop import FRAME
    from mien.train.ship.shipping import ship
    from mien.train.weights import FILE

    run = job.out / RUNS / member
    crops = job.data.of("train").images[:512]

    def work() -> None:
        ship({run: 1.0}, run / "bundle", name=member, flip=True, weights="float32", crops=crops,
             frame=FRAME)  # fmt: skip
        for split in ("valid", "test"):
            table, card = classify(str(run / "bundle"), job.data, split, progress=job.talk.stage)
            evaluation.keep(
                replace(table, system=member), scored(run, split).parent, card=card,
                draws=job.options.draws, seed=job.options.seed, progress=job.talk.stage,
            )  # fmt: skip

    tables = {split: scored(run, split) for split in ("valid", "test")}
    job.steps.run(
        f"measure {member}", [sha256(run / FILE), job.data.fingerprint(), job.options.draws],
        tables.values(), work,
    )  # fmt: skip
    return {split: Predictions.load(path) for split, path in tables.items()}


def join(tables: dict[str, dict[str, Predictions]], job: Job) -> dict[str, dict[str, float]]:
    """Choose weights on ``valid``, export the ensemble, measure it on ``test``, write the report.

    Returns:
        Accuracy of each member and of ``ensemble`` on test.
    """
    from mien.bundle import sha256
    from mien.infer.crop import FRAME
    from mien.measure.ensemble import choose, mix, stack
    from mien.train.ship.shipping import ship

    target, names = job.out / ENSEMBLE, list(tables)
    files = [scored(job.out / RUNS / name, split) for name in names for split in ("valid", "test")]
    inputs = [*map(sha256, files), job.options.draws]

    def work() -> None:
        valid = [tables[name]["valid"] for name in names]
        weights = choose(stack(valid)) if len(names) > 1 else {names[0]: 1.0}
        chosen = [tables[name]["valid"] for name in weights]
        mixed = chosen[0]
        if len(chosen) > 1:
            mixed = mix(chosen, list(weights.values()), system=ENSEMBLE)
        ship(
            {job.out / RUNS / name: weight for name, weight in weights.items()}, target,
            name=ENSEMBLE, flip=True, weights="fp16", crops=job.data.of("train").images[:512],
            calibrate=mixed, frame=FRAME,
        )  # fmt: skip
        table, card = classify(str(target), job.data, "test", progress=job.talk.stage)
        table = replace(table, system=ENSEMBLE)
        result = evaluation.keep(table, target / "test", card=card, draws=job.options.draws,
                                 seed=job.options.seed, progress=job.talk.stage)  # fmt: skip
        write_report(table, result, tables, job)

    job.steps.run(
        ENSEMBLE, inputs, [target / "test" / evaluation.PREDICTIONS, job.out / REPORT], work
    )
    found = {name: job.out / RUNS / name for name in names} | {ENSEMBLE: target / "test"}
    return {name: accuracy_of(path / evaluation.METRICS) for name, path in found.items()}


def scored(run: Path, split: str) -> Path:
    """Where a member's table of a split lies, as ``mien evaluate`` would have put it."""
    return (run if split == "test" else run / split) / evaluation.PREDICTIONS


def accuracy_of(metrics: Path) -> dict[str, float]:
    """``{value, low, high}`` of the label head's accuracy."""
    found: dict[str, float] = json.loads(metrics.read_text(encoding="utf-8"))["heads"]["label"][
        "all"
    ]["accuracy"]
    return found


def write_report(
    table: Predictions,
    result: dict[str, Any],
    tables: dict[str, dict[str, Predictions]],
    job: Job,
) -> None:
    """The page that shows the ensemble, the members beside it, and how they were made."""
    from mien.measure.report import build
    from mien.measure.tables import Table

    seconds = job.steps.seconds()
    rows = [
        (choice.member, choice.recipe, " then ".join(f"{s} px" for s in choice.sizes),
         str(choice.epochs), f"{choice.seconds / 60:.0f}",
         f"{seconds.get(f'train {choice.member}', 0) / 60:.1f}")
        for choice in job.plan.choices
    ]  # fmt: skip
    counts = ", ".join(f"{len(job.data.of(s)):,} {s}" for s in ("train", "valid", "test"))
    how = Table(
        "How the members were trained",
        ("Member", "Recipe", "Picture size", "Epochs", "Minutes planned", "Minutes taken"),
        tuple(rows),
        note=f"Pictures: {counts}. Weights of the ensemble were chosen, and its scores calibrated, "
        "on valid; nothing was chosen on test. Flips are averaged.",
    )
    page = build(
        table, result, others=[tables[name]["test"] for name in tables],
        card=result.get("card"), pictures=pictures_of(table, job.folder), extra=[how],
    )  # fmt: skip
    write_bytes(job.out / REPORT, page.html.encode())
    write_bytes((job.out / REPORT).with_suffix(".md"), page.markdown.encode())
