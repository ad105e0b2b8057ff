"""The whole project in one call: prepare, train three families, join them, measure, report."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mien.atomic import write_bytes, write_json
from mien.measure.predictions import Predictions
from mien.workflows import evaluation, families, plan
from mien.workflows.steps import Steps, fingerprint
from mien.workflows.truth import pictures_of

if TYPE_CHECKING:
    from mien.data.dataset import Dataset
    from mien.data.faces import Judge
    from mien.train.recipe import Recipe
    from mien.train.watch import Watcher

DATA, RUNS, PLAN, ENSEMBLE, REPORT = "data", "runs", "plan.json", "ensemble", "report.html"
HOURS_CPU, HOURS_GPU = 2.0, 1 / 3
PREPARING = 0.004
"""Seconds a picture that preparing, asking the teacher and measuring take on two cores."""


@dataclass(frozen=True)
class Options:
    """What a pipeline may be told.

    ``families`` names of ``families.FAMILIES``, of recipes, or of timm's networks; ``budget``
    seconds in all, None for what suits the machine; ``overrides`` recipe keys for every training,
    such as ``optimizer.lr=1e-3``; ``teacher`` a bundle whose scores are learnt as well, "" for
    none; ``seed`` of split and trainings; ``draws`` resamples behind each interval.
    """

    families: tuple[str, ...] = tuple(families.FAMILIES)
    budget: float | None = None
    overrides: tuple[str, ...] = ()
    teacher: str = "default"
    seed: int = 0
    draws: int = 1000


@dataclass(frozen=True)
class Result:
    """What came of it: the plan; test accuracy of each member and of ``ensemble`` as ``{value,
    low, high}``; the report's page; steps that were passed over; None before there are any.
    """  # noqa: D205

    plan: plan.Plan
    accuracy: dict[str, dict[str, float]]
    report: Path | None
    skipped: tuple[str, ...] = ()


class Talk:
    """Who listens to a pipeline; each call does nothing unless it is overridden."""

    def line(self, text: str) -> None:
        """A step begins, ends or is passed over."""

    def plan(self, made: plan.Plan, images: int) -> None:
        """The plan is made, or read again."""

    def stage(self, name: str, done: int, total: int) -> None:
        """How far a stage of a step is."""

    def watch(self, member: str) -> Watcher:
        """Who watches the training of a member."""
        from mien.train.watch import Silent

        return Silent()


def pipeline(
    source: Path | str,
    out: Path | str,
    options: Options | None = None,
    *,
    dry_run: bool = False,
    judge: Judge | None = None,
    talk: Talk | None = None,
) -> Result:
    """Go from a folder of faces to trained, joined and measured models and one report.

    Call it again after any stop: steps that were done are passed over, and a training goes on from
    its last epoch. ``out`` receives ``data/`` (unless ``source`` is prepared already),
    ``plan.json``, ``runs/``, the bundle ``ensemble/``, ``report.html`` and ``report.md``.

    Args:
        source: image folders, a table, or a folder that ``mien data prepare`` has written.
        out: folder to write to.
        options: what to train, and how long.
        dry_run: measure this machine and plan, without reading or writing pictures.
        judge: models that help to find what is no face while the data is prepared.
        talk: is told how it goes.

    Raises:
        ValueError: something the user can mend; the message says how.
        Stopped: a signal asked for the end; the same call goes on.
    """
    source, out, options, talk = Path(source), Path(out), options or Options(), talk or Talk()
    if dry_run:
        images = expected(source)
        made = draft(images, options, talk)[0]
        talk.plan(made, images)
        return Result(made, {}, None)
    out.mkdir(parents=True, exist_ok=True)
    steps = Steps(out, talk.line)
    folder = prepared(source, out, options, steps, talk, judge)
    data = load_splits(folder, options.seed)
    made = planned(out, folder, data, options, talk)
    talk.plan(made, len(data.of("train")))
    tables = {}
    for choice in made.choices:
        train(choice, out, folder, data, options, steps, talk)
        tables[choice.member] = measure(choice.member, out, folder, data, options, steps, talk)
    accuracy = join(tables, out, folder, data, made, options, steps, talk)
    return Result(made, accuracy, out / REPORT, tuple(steps.skipped))


def listed(source: Path) -> tuple[list[str], bool]:
    """The pictures of a source, and whether it says which of them are for train and for test."""
    from mien.data.sources import list_source

    listing = list_source(source)
    return list(listing.id), all(listing.split) and {"train", "test"} <= set(listing.split)


def expected(source: Path) -> int:
    """About how many pictures of a source will be trained on."""
    from mien.data.manifest import MANIFEST, read_manifest

    if (source / MANIFEST).is_file():
        return sum(row.split == "train" for row in read_manifest(source))
    from mien.data.sources import list_source

    listing = list_source(source)
    own = all(listing.split) and {"train", "test"} <= set(listing.split)
    train = listing.split.count("train") if own else 0.8 * len(listing)
    return round(0.9 * train) if own and "valid" not in listing.split else round(train)


def prepared(
    source: Path,
    out: Path,
    options: Options,
    steps: Steps,
    talk: Talk,
    judge: Judge | None,
) -> Path:
    """The prepared folder: the source itself where it is one, else made from it."""
    from mien.data.manifest import MANIFEST

    if (source / MANIFEST).is_file():
        return source
    from mien.data.options import KEEP_SPLIT
    from mien.data.options import Options as Preparing
    from mien.data.prepare import prepare

    names, own = listed(source)
    asked = Preparing(split=KEEP_SPLIT if own else "8:1:1", seed=options.seed)
    target = out / DATA
    seen = {"source": str(source.resolve()), "files": names, "options": asked.to_dict()}
    steps.run(
        "prepare", seen, [target / MANIFEST],
        lambda: prepare(source, target, asked, judge=judge, progress=talk.stage),
    )  # fmt: skip
    return target


def load_splits(folder: Path, seed: int) -> Dataset:
    """The data set, with a ``valid`` split: a tenth of train's groups where it has none.

    Raises:
        ValueError: there is nothing to train or to test on.
    """
    from mien.data.dataset import load
    from mien.train.samples import holdout_split

    data = load(folder)
    for split in ("train", "test"):
        if not len(data.of(split)):
            raise ValueError(f"{folder}: no pictures in its {split} split; prepare it anew")
    if len(data.of("valid")):
        return data
    rows = (data.split == "train").nonzero()[0]
    held = holdout_split(data.group[rows], 0.1, seed=seed)[1]
    split = data.split.astype("U5")
    split[rows[held]] = "valid"
    return replace(data, split=split)


def draft(
    images: int, options: Options, talk: Talk
) -> tuple[plan.Plan, dict[str, dict[int, float]]]:
    """A plan from this machine's speed, measured now, and that speed."""
    talk.line("measuring this machine …")
    speeds, recipes = {}, {}
    for name in options.families:
        member = families.find(name)
        recipes[member.name] = member.recipe
        speeds[member.name] = families.speeds(member, options, tell=talk.stage)
    budget = options.budget or 3600 * (HOURS_GPU if families.has_gpu() else HOURS_CPU)
    overhead = PREPARING * images * 1.25
    return plan.make(speeds, recipes, images=images, budget=budget, overhead=overhead), speeds


def planned(out: Path, folder: Path, data: Dataset, options: Options, talk: Talk) -> plan.Plan:
    """The plan of an earlier call for the same job, or a new one from this machine's speed.

    Raises:
        ValueError: ``out`` holds a plan for other data or options.
    """
    from mien.train.samples import trainable

    train = trainable(data.of("train"))
    job = fingerprint([train.fingerprint(), asdict(options)])
    path = out / PLAN
    if path.is_file():
        known = json.loads(path.read_text(encoding="utf-8"))
        if known["job"] == job:
            return plan.Plan.from_dict(known)
        if (out / RUNS).is_dir():
            raise ValueError(
                f"{path}: was made for other data or options; give another folder, or delete it"
            )
    made, speeds = draft(len(train), options, talk)
    write_json(path, {"job": job, "speeds": speeds, "folder": str(folder), **made.to_dict()})
    return made


def recipe_of(choice: plan.Choice, folder: Path, options: Options) -> Recipe:
    """The recipe of a member as the plan trains it."""
    sizes = choice.sizes
    changed = [f"epochs={choice.epochs}", f"network.size={sizes[-1]}", f"seed={options.seed}"]
    if len(sizes) > 1:
        changed.append(f'sizes={{"0"={sizes[0]},"{plan.SMALL_EPOCHS}"={sizes[1]}}}')
    else:
        changed.append("sizes={}")
    return families.load(choice.member, choice.recipe, folder, options, changed)


def train(
    choice: plan.Choice,
    out: Path,
    folder: Path,
    data: Dataset,
    options: Options,
    steps: Steps,
    talk: Talk,
) -> None:
    """Train one member, or go on training it."""
    from mien.train.fit import fit
    from mien.train.weights import FILE

    recipe, run = recipe_of(choice, folder, options), out / RUNS / choice.member
    learn, held = data.of("train"), data.of("valid")
    steps.run(
        f"train {choice.member}", [recipe.to_toml(), learn.fingerprint()], [run / FILE],
        lambda: fit(recipe, learn, run, watch=talk.watch(choice.member), held=held),
    )  # fmt: skip


def measure(
    member: str,
    out: Path,
    folder: Path,
    data: Dataset,
    options: Options,
    steps: Steps,
    talk: Talk,
) -> dict[str, Predictions]:
    """Export a member and score ``valid`` and ``test``; its tables by split."""
    from mien.bundle import sha256
    from mien.infer.crop import FRAME
    from mien.train.ship.bundle import ship
    from mien.train.weights import FILE

    run = out / RUNS / member
    crops = data.of("train").images[:512]

    def work() -> None:
        ship({run: 1.0}, run / "bundle", name=member, flip=True, weights="float32", crops=crops,
             frame=FRAME)  # fmt: skip
        for split in ("valid", "test"):
            table, card = evaluation.classify(str(run / "bundle"), data, split, progress=talk.stage)
            evaluation.keep(
                replace(table, system=member), scored(run, split).parent, card=card,
                draws=options.draws, seed=options.seed, progress=talk.stage,
            )  # fmt: skip

    tables = {split: scored(run, split) for split in ("valid", "test")}
    steps.run(
        f"measure {member}", [sha256(run / FILE), data.fingerprint(), options.draws],
        tables.values(), work,
    )  # fmt: skip
    return {split: Predictions.load(path) for split, path in tables.items()}


def join(
    tables: dict[str, dict[str, Predictions]],
    out: Path,
    folder: Path,
    data: Dataset,
    made: plan.Plan,
    options: Options,
    steps: Steps,
    talk: Talk,
) -> dict[str, dict[str, float]]:
    """Choose weights on ``valid``, export the ensemble, measure it on ``test``, write the report.

    Returns:
        Accuracy of each member and of ``ensemble`` on test.
    """
    from mien.bundle import sha256
    from mien.infer.crop import FRAME
    from mien.measure.ensemble import choose, mix, stack
    from mien.train.ship.bundle import ship

    target, names = out / ENSEMBLE, list(tables)
    files = [scored(out / RUNS / name, split) for name in names for split in ("valid", "test")]
    inputs = [*map(sha256, files), options.draws]

    def work() -> None:
        valid = [tables[name]["valid"] for name in names]
        weights = choose(stack(valid)) if len(names) > 1 else {names[0]: 1.0}
        chosen = [tables[name]["valid"] for name in weights]
        mixed = chosen[0]
        if len(chosen) > 1:
            mixed = mix(chosen, list(weights.values()), system=ENSEMBLE)
        ship(
            {out / RUNS / name: weight for name, weight in weights.items()}, target,
            name=ENSEMBLE, flip=True, weights="fp16", crops=data.of("train").images[:512],
            calibrate=mixed, frame=FRAME,
        )  # fmt: skip
        table, card = evaluation.classify(str(target), data, "test", progress=talk.stage)
        table = replace(table, system=ENSEMBLE)
        result = evaluation.keep(table, target / "test", card=card, draws=options.draws,
                                 seed=options.seed, progress=talk.stage)  # fmt: skip
        write_report(table, result, tables, out, folder, data, made, options, steps)

    steps.run(ENSEMBLE, inputs, [target / "test" / evaluation.PREDICTIONS, out / REPORT], work)
    found = {name: out / RUNS / name for name in names} | {ENSEMBLE: target / "test"}
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
    out: Path,
    folder: Path,
    data: Dataset,
    made: plan.Plan,
    options: Options,
    steps: Steps,
) -> None:
    """The page that shows the ensemble, the members beside it, and how they were made."""
    from mien.measure.report import build
    from mien.measure.tables import Table

    seconds = steps.seconds()
    rows = [
        (choice.member, choice.recipe, " then ".join(f"{s} px" for s in choice.sizes),
         str(choice.epochs), f"{choice.seconds / 60:.0f}",
         f"{seconds.get(f'train {choice.member}', 0) / 60:.1f}")
        for choice in made.choices
    ]  # fmt: skip
    counts = ", ".join(f"{len(data.of(s)):,} {s}" for s in ("train", "valid", "test"))
    how = Table(
        "How the members were trained",
        ("Member", "Recipe", "Pictures", "Epochs", "Minutes planned", "Minutes taken"),
        tuple(rows),
        note=f"Pictures: {counts}. Weights of the ensemble were chosen, and its scores calibrated, "
        "on valid; nothing was chosen on test. Flips are averaged.",
    )
    page = build(
        table, result, others=[tables[name]["test"] for name in tables],
        card=result.get("card"), pictures=pictures_of(table, folder), extra=[how],
    )  # fmt: skip
    write_bytes(out / REPORT, page.html.encode())
    write_bytes((out / REPORT).with_suffix(".md"), page.markdown.encode())
