"""The whole project in one call: prepare, train four families, join them, measure, report."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from mien.atomic import write_json
from mien.workflows import families, members, plan
from mien.workflows.closing import REPORT, close
from mien.workflows.members import RUNS, Job
from mien.workflows.settings import STUDENT, Options, Talk
from mien.workflows.steps import Steps, fingerprint
from mien.workflows.teaching import trust

if TYPE_CHECKING:
    from mien.data.dataset import Dataset
    from mien.data.entries import Listing
    from mien.data.faces import Judge
    from mien.data.photos import Finder
    from mien.measure.predictions import Predictions
    from mien.workflows.families import Member

DATA, PLAN = "data", "plan.json"
HOURS_CPU, HOURS_GPU = 2.0, 1 / 3
PREPARING, ASKING = 0.004, 0.01
"""Seconds a picture that preparing, asking the teacher and measuring take on two cores, and that
asking an ensemble takes where a student learns from it."""


@dataclass(frozen=True)
class Result:
    """What a pipeline gives.

    ``plan``; test ``accuracy`` of each member, of ``ensemble`` and of the student as ``{value, low,
    high}``; the ``report``, None in a dry run; ``skipped`` steps, which an earlier call had done;
    ``seconds`` that each step took.
    """

    plan: plan.Plan
    accuracy: dict[str, dict[str, float]]
    report: Path | None
    skipped: tuple[str, ...] = ()
    seconds: dict[str, float] = field(default_factory=dict)


def pipeline(
    source: Path | str,
    out: Path | str,
    options: Options | None = None,
    *,
    dry_run: bool = False,
    judge: Judge | None = None,
    finder: Finder | None = None,
    talk: Talk | None = None,
) -> Result:
    """Go from a folder of faces to trained, joined and measured models and one report.

    Call it again after any stop: steps that were done are passed over, and a training goes on from
    its last epoch. ``out`` receives ``data/`` (unless ``source`` is prepared already),
    ``plan.json``, ``runs/``, the bundle ``ensemble/``, the bundle ``student/`` where one is asked
    for, ``report.html`` and ``report.md``.

    Args:
        source: image folders, a table, or a folder that ``mien data prepare`` has written.
        out: folder to write to.
        options: what to train, and how long.
        dry_run: measure this machine and plan, without reading or writing pictures.
        judge: models that help to find what is no face while the data is prepared.
        finder: cuts the face out of pictures larger than a crop; None takes them whole.
        talk: is told how it goes.

    Raises:
        ValueError: something the user can mend; the message says how.
        Stopped: a signal asked for the end; the same call goes on.
    """
    source, out, options, talk = Path(source), Path(out), options or Options(), talk or Talk()
    families.check(options)
    networks = {member.name: member for member in families.chosen(options)}
    if dry_run:
        images = expected(source)
        made = draft(images, networks, options, talk)[0]
        talk.plan(made, images, made.budget)
        return Result(made, {}, None)
    out.mkdir(parents=True, exist_ok=True)
    steps = Steps(out, talk.line)
    folder = prepared(source, out, options, steps, talk, judge, finder)
    data = load_splits(folder, options.seed)
    made = planned(out, folder, data, networks, options, talk)
    spent = sum(steps.seconds().values())
    talk.plan(made, len(data.of("train")), max(0.0, made.budget - spent))
    if made.teaching.why:
        talk.line(made.teaching.why)
    job = Job(out, folder, data, networks, made, options, steps, talk)
    tables: dict[str, dict[str, Predictions]] = {}
    for choice in job.members:
        teacher, teaching = members.teacher_of(choice, job, tables)
        if teaching.why and teaching != made.teaching:
            talk.line(teaching.why)
        members.train(choice, job, teacher=teacher, teaching=teaching)
        tables[choice.member] = members.measure(choice.member, job)
    members.join(tables, job)
    for choice in made.choices:
        if choice.member == STUDENT:
            members.teach(choice, job)
    accuracy = close(job)
    return Result(made, accuracy, out / REPORT, tuple(steps.skipped), steps.seconds())


def listed(source: Path) -> tuple[Listing, bool]:
    """The pictures of a source, and whether it says which of them are for train and for test."""
    from mien.data.sources import list_source

    listing = list_source(source)
    return listing, all(listing.split) and {"train", "test"} <= set(listing.split)


def expected(source: Path) -> int:
    """About how many pictures of a source will be trained on."""
    from mien.data.manifest import MANIFEST, read_placed

    if (source / MANIFEST).is_file():
        return sum(placed.split == "train" for placed in read_placed(source).values())
    listing, own = listed(source)
    train = listing.split.count("train") if own else 0.8 * len(listing)
    return round(0.9 * train) if own and "valid" not in listing.split else round(train)


def prepared(
    source: Path,
    out: Path,
    options: Options,
    steps: Steps,
    talk: Talk,
    judge: Judge | None,
    finder: Finder | None,
) -> Path:
    """The prepared folder: the source itself where it is one or is asked for, else made from it."""
    from mien.data.manifest import MANIFEST

    if options.raw or (source / MANIFEST).is_file():
        return source
    from mien.data.options import KEEP_SPLIT
    from mien.data.options import Options as Preparing
    from mien.data.prepare import prepare

    listing, own = listed(source)
    asked = Preparing(split=KEEP_SPLIT if own else "8:1:1", seed=options.seed)
    target = out / DATA
    seen = {"source": str(source.resolve()), "files": list(listing.id), "options": asked.to_dict()}
    steps.run(
        "prepare", seen, [target / MANIFEST],
        lambda: prepare(source, target, asked, judge=judge, finder=finder, progress=talk.stage),
    )  # fmt: skip
    talk.line(kept(target))
    return target


def kept(folder: Path) -> str:
    """How many pictures a preparation kept, and why others were left out."""
    from mien.data.claim import FACTS

    counts = json.loads((folder / FACTS).read_text(encoding="utf-8"))["counts"]
    told = f"{counts['kept']:,} of {counts['read']:,} pictures kept"
    reasons = ", ".join(f"{number:,} {reason}" for reason, number in counts["reasons"].items())
    return f"{told}; left out: {reasons}; see {folder / 'report.html'}" if reasons else told


def load_splits(folder: Path, seed: int) -> Dataset:
    """What can be trained on, and a ``valid`` split: a tenth of train's groups where it has none.

    The test split stays whole.

    Raises:
        ValueError: there is nothing to train or to test on.
    """
    from mien.data.dataset import load
    from mien.train.samples import hold_valid, trainable_rows

    data = load(folder)
    data = data.take(trainable_rows(data) | (data.split == "test"))
    there = set(data.split.tolist())
    for split in ("train", "test"):
        if split not in there:
            raise ValueError(
                f"{folder}: no pictures in its {split} split; run mien data prepare again"
            )
    if "valid" in there:
        return data
    try:
        return hold_valid(data, seed=seed)
    except ValueError as error:
        raise ValueError(f"{folder}: {error}") from None


def draft(
    images: int, networks: Mapping[str, Member], options: Options, talk: Talk
) -> tuple[plan.Plan, dict[str, dict[int, float]]]:
    """A plan from this machine's speed, measured now, and that speed."""
    if options.as_written:
        return plan.Plan(0.0, tuple(families.whole(m, options) for m in networks.values())), {}
    talk.line("measuring this machine …")
    speeds = {
        name: families.speeds(member, options, images=images, tell=talk.stage)
        for name, member in networks.items()
    }
    budget = options.budget or 3600 * (HOURS_GPU if families.has_gpu() else HOURS_CPU)
    overhead = (PREPARING + (ASKING if options.student else 0)) * images * 1.25
    recipes = {name: member.recipe for name, member in networks.items()}
    return plan.make(speeds, recipes, images=images, budget=budget, overhead=overhead), speeds


def planned(
    out: Path,
    folder: Path,
    data: Dataset,
    networks: Mapping[str, Member],
    options: Options,
    talk: Talk,
) -> plan.Plan:
    """The plan of an earlier call for the same job, or a new one from this machine's speed.

    Raises:
        ValueError: ``out`` holds a plan for other data or options.
    """
    train = data.of("train")
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
    teaching = trust(options.teacher, data.of("valid"))
    asked = replace(options, teacher=options.teacher if teaching.share else "")
    made, speeds = draft(len(train), networks, asked, talk)
    made = replace(made, teaching=teaching)
    write_json(path, {"job": job, "speeds": speeds, "folder": str(folder), **made.to_dict()})
    return made
