"""The networks of a pipeline: train, export and score each, join them, distil a student."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from mien.measure.predictions import Predictions
from mien.mix import Mix
from mien.workflows import evaluation, families
from mien.workflows.plan import Choice, Plan
from mien.workflows.settings import STUDENT, Options, Talk
from mien.workflows.steps import Steps
from mien.workflows.teaching import Teaching, best_of
from mien.workflows.truth import classify, harder

if TYPE_CHECKING:
    from mien.data.dataset import Dataset
    from mien.train.recipe import Recipe

RUNS, ENSEMBLE, BUNDLE = "runs", "ensemble", "bundle"


@dataclass(frozen=True)
class Job:
    """One pipeline: its folder ``out``, the prepared ``folder`` and its ``data``, and its steps.

    ``networks`` says what each member of the plan is.
    """

    out: Path
    folder: Path
    data: Dataset
    networks: dict[str, families.Member]
    plan: Plan
    options: Options
    steps: Steps
    talk: Talk

    @property
    def members(self) -> list[Choice]:
        """What is trained for the ensemble."""
        return [choice for choice in self.plan.choices if choice.member != STUDENT]

    def run_of(self, member: str) -> Path:
        """The folder of a training."""
        return self.out / RUNS / member


def teacher_of(
    choice: Choice, job: Job, tables: dict[str, dict[str, Predictions]]
) -> tuple[str, Teaching]:
    """The bundle that a member learns from, "" for none, and how much.

    The wished one where it is fit. Where it is not, the best network so far teaches the last.
    """
    wished, teaching = job.options.teacher, job.plan.teaching
    if not wished or teaching.share:
        return wished, teaching
    if choice != job.members[-1]:
        return "", teaching
    valid = {name: splits["valid"] for name, splits in tables.items()}
    best, teaching = best_of(valid, learner=choice.member)
    return str(job.run_of(best) / BUNDLE) if best else "", teaching


def recipe_of(choice: Choice, job: Job, *, teacher: str, teaching: Teaching, images: int) -> Recipe:
    """A network's recipe as planned for so many images; it may start from a member's weights."""
    from mien.train.recipe import vary

    sizes, seed = choice.sizes, job.options.seed
    changed = [f"seed={seed}"]
    if not job.options.as_written:
        changed += [f"epochs={choice.epochs}", f"network.size={sizes[-1]}"]
        early = f'"0"={sizes[0]},"{choice.small}"={sizes[-1]}' if len(sizes) > 1 else ""
        changed.append(f"sizes={{{early}}}")
        changed += families.milder(job.networks[choice.member], choice.epochs)
    made = families.load(
        job.networks[choice.member], job.folder, job.options, changed,
        teacher=teacher, images=images, share=teaching.share,
    )  # fmt: skip
    start = made.network.start
    if start in {member.member for member in job.members} - {choice.member}:
        return vary(made, {"network.start": str(job.run_of(start))})
    return made


def train(choice: Choice, job: Job, *, teacher: str, teaching: Teaching) -> None:
    """Train one network, or resume its training; ``teacher`` is a bundle that it learns from."""
    from mien import bundle
    from mien.train.fit import fit
    from mien.train.weights import FILE

    run = job.run_of(choice.member)
    learn, valid = job.data.of("train"), job.data.of("valid")
    recipe = recipe_of(choice, job, teacher=teacher, teaching=teaching, images=len(learn))
    inputs = [recipe.to_toml(), learn.fingerprint()]
    if recipe.targets.teacher:
        inputs.append(bundle.load(recipe.targets.teacher).card.sha256)
    job.steps.run(
        f"train {choice.member}", inputs, [run / FILE],
        lambda: fit(recipe, learn, run, watch=job.talk.watch(choice.member), valid=valid),
    )  # fmt: skip


def measure(member: str, job: Job) -> dict[str, Predictions]:
    """Export a member and score ``valid`` and ``test``; its tables by split."""
    from mien.bundle import sha256
    from mien.infer.crop import FRAME
    from mien.train.ship.shipping import ship
    from mien.train.weights import FILE

    run = job.run_of(member)
    crops = job.data.of("train").images[:512]

    def work() -> None:
        ship({run: 1.0}, run / BUNDLE, name=member, flip=True, weights="float32", crops=crops,
             frame=FRAME)  # fmt: skip
        for split in ("valid", "test"):
            score(run / BUNDLE, split, scored(run, split).parent, job, system=member)

    tables = {split: scored(run, split) for split in ("valid", "test")}
    job.steps.run(
        f"measure {member}", [sha256(run / FILE), job.data.fingerprint(), job.options.draws],
        tables.values(), work,
    )  # fmt: skip
    return {split: Predictions.load(path) for split, path in tables.items()}


def join(tables: dict[str, dict[str, Predictions]], job: Job) -> None:
    """Choose weights on ``valid``, export the ensemble, and measure it on ``test``."""
    from mien.bundle import sha256
    from mien.infer.crop import FRAME
    from mien.measure.ensemble import choose, mix, stack
    from mien.train.ship.shipping import ship

    target, names = job.out / ENSEMBLE, list(tables)
    files = [scored(job.run_of(name), split) for name in names for split in ("valid", "test")]

    def work() -> None:
        valid = [tables[name]["valid"] for name in names]
        weights = choose(stack(valid)) if len(names) > 1 else {names[0]: 1.0}
        chosen = [tables[name]["valid"] for name in weights]
        mixed = chosen[0]
        if len(chosen) > 1:
            mixed = mix(chosen, list(weights.values()), system=ENSEMBLE)
        ship(
            {job.run_of(name): weight for name, weight in weights.items()}, target,
            name=ENSEMBLE, flip=True, weights="fp16", crops=job.data.of("train").images[:512],
            calibrate=mixed, frame=FRAME,
        )  # fmt: skip
        score(target, "test", target / "test", job, system=ENSEMBLE)

    job.steps.run(
        ENSEMBLE, [*map(sha256, files), job.options.draws], [scored(target / "test", "test")], work
    )


def teach(choice: Choice, job: Job) -> None:
    """Distil the ensemble into one network, ship it in int8 with one view, and measure it.

    Its scores are calibrated on ``valid``, which neither it nor its teacher was trained on.
    """
    from mien.bundle import load, sha256
    from mien.infer.crop import FRAME
    from mien.measure.small_faces import fit_all
    from mien.train.ship.recalibrate import recalibrate
    from mien.train.ship.shipping import ship
    from mien.train.weights import FILE

    run, target = job.run_of(STUDENT), job.out / STUDENT
    train(choice, job, teacher=str(job.out / ENSEMBLE), teaching=job.plan.teaching)

    def work() -> None:
        plain = ship(
            {run: 1.0}, run / BUNDLE, name=STUDENT, flip=False, weights="int8",
            crops=job.data.of("train").images[:512], frame=FRAME,
        )  # fmt: skip
        found, _ = classify(str(plain.path), job.data, "valid", progress=job.talk.stage)
        copies = harder(str(plain.path), job.data, "valid", found, progress=job.talk.stage)
        mix = Mix.of_card(plain.card.expression)
        recalibrate(load(plain.path), fit_all(copies, mix), target, name=STUDENT)
        score(target, "test", target / "test", job, system=STUDENT)

    job.steps.run(
        f"measure {STUDENT}", [sha256(run / FILE), job.data.fingerprint(), job.options.draws],
        [scored(target / "test", "test")], work,
    )  # fmt: skip


def score(bundle: Path, split: str, folder: Path, job: Job, *, system: str) -> None:
    """Write a bundle's scores of a split, and what they are worth, to a folder."""
    table, card = classify(str(bundle), job.data, split, progress=job.talk.stage)
    evaluation.keep(
        replace(table, system=system), folder, card=card, draws=job.options.draws,
        seed=job.options.seed, progress=job.talk.stage,
    )  # fmt: skip


def scored(folder: Path, split: str) -> Path:
    """Where a run's table of a split lies, as ``mien evaluate`` would have put it."""
    return (folder if split == "test" else folder / split) / evaluation.PREDICTIONS
