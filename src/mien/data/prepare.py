"""``mien data prepare``: every stage in turn, from a source to a prepared folder."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mien.data import fates as fate
from mien.data.cache import Arrays, Cache, key_of
from mien.data.claim import CACHE, alone, check_output, claim, replacing_outputs
from mien.data.decisions import FILE, Decision, read_decisions
from mien.data.duplicates import Copies, find_copies
from mien.data.entries import NO_LABEL, USAGES, Listing
from mien.data.faces import Judge, Verdict
from mien.data.fates import Fates, split_index
from mien.data.groups import NOWHERE, SPLIT_NAMES
from mien.data.manifest import EXCLUSIONS, MANIFEST, read_placed
from mien.data.mislabelled import label_issues, match
from mien.data.options import ALL, KEEP_SPLIT, OFFICIAL, Options
from mien.data.photos import Finder
from mien.data.placing import placings
from mien.data.reading import Crops, Progress, quiet, read_crops
from mien.data.report_page import write_report
from mien.data.sources import list_source
from mien.data.split import parse_ratio, place_groups
from mien.data.stopping import stoppable
from mien.data.suspects import find_suspects
from mien.data.writing import Flags, Result, write_exclusions, write_outputs
from mien.measure.predictions import Predictions


def prepare(
    source: Path | str,
    out: Path | str,
    options: Options | None = None,
    *,
    votes: Path | None = None,
    judge: Judge | None = None,
    predictions: Predictions | None = None,
    decisions: Mapping[str, Decision] | None = None,
    finder: Finder | None = None,
    progress: Progress = quiet,
) -> Result:
    """Turn a source into a clean, split and documented data set; the source is only read.

    Running it again gives the same bytes; a run that was killed goes on from where it was.
    ``OUT/decisions.csv`` and the placement in ``OUT/manifest.csv`` of an earlier run are taken into
    account. One run at a time writes to a folder.

    Args:
        source: image folders, a table of labels, or a CSV of pixels, as ``list_source``
            understands them.
        out: an empty folder, or one that an earlier run made.
        options: how.
        votes: a file of votes; None looks beside the pictures.
        judge: models that help to find what is no face.
        predictions: scores by which wrong labels are found, of a model that did not see the
            pictures; ids as in the source.
        decisions: what people decided; None reads ``OUT/decisions.csv``.
        finder: cuts the face out of pictures larger than a crop; None takes them whole.
        progress: told how far each stage is.

    Raises:
        ValueError, FileNotFoundError: something the user can mend; the message says how.
    """
    source, out, options = Path(source), Path(out), options or Options()
    options.check()
    check_output(out, source)
    listing = list_source(source, mapping=options.mapping, votes=votes, numbers=options.numbers)
    _hints(listing, options)  # a source without splits is refused before anything is written
    with stoppable(), alone(out / CACHE):
        return _prepare(listing, out, options, judge, predictions, decisions, finder, progress)


def _prepare(
    listing: Listing,
    out: Path,
    options: Options,
    judge: Judge | None,
    predictions: Predictions | None,
    decisions: Mapping[str, Decision] | None,
    finder: Finder | None,
    progress: Progress,
) -> Result:
    hint = _hints(listing, options)
    if decisions is None:
        decisions = read_decisions(out / FILE)
    before = {} if options.fresh else read_placed(out)
    # Where the source decides the splits, an earlier run tells the numbers of the files alone.
    placed = before if hint is None else {}
    claim(out)
    cache = Cache(out / CACHE)

    crops = read_crops(listing, cache, progress, finder=finder)
    state = Fates.begin(listing.id, listing.emotion)
    astray = fate.apply_decisions(state, decisions)
    fate.apply_checks(state, crops.reason, crops.detail, outside=listing.outside, face=crops.face)
    fate.spread_drops(state, crops.sha256)
    readable = crops.reason == ""
    if not state.stays.any():
        _refuse_empty(listing, state, crops, out)
    copies = _copies(crops, readable, options, cache, progress)
    judged = np.flatnonzero(readable)
    verdict = find_suspects(
        crops, judged, listing.votes[judged], cache, judge=judge, progress=progress
    )
    fate.apply_faces(state, judged, verdict, options.drop)
    pinned = split_index([placed[i].split if i in placed else "" for i in listing.id])
    # Flat pictures and photos that a person keeps, or kept, are copies of those with the same
    # pixels.
    flat = np.isin(crops.reason, fate.OVERRULED)
    fate.apply_groups(
        state,
        copies,
        sha256=crops.sha256,
        votes=listing.votes,
        usable=readable | (flat & (state.protected | (pinned >= 0))),
        pinned=pinned,
        hint=hint,
        keep_all=options.copies == ALL,
    )
    if not state.stays.any():
        _refuse_empty(listing, state, crops, out)
    split = _place(state, crops, pinned, hint, options)
    bound = np.isin(state.group, state.group[pinned >= 0])
    result = Result(
        listing=listing,
        crops=crops,
        fates=state,
        split=split,
        copies=copies,
        flags=_flags(state, split, judged, verdict, predictions, options),
        options=options,
        placed=before,
        decisions=decisions,
        notes={
            **placings(
                out,
                options,
                stayed=bool((bound & state.stays).any()),
                new=bool((~bound & state.stays).any()),
            ),
            "decisions_astray": astray,
            "models": "" if judge is None else judge.key,
            "finder": "" if finder is None else finder.key,
            "predictions": "" if predictions is None else predictions.system or "unnamed",
        },
    )
    with replacing_outputs(out):
        write_outputs(out, result, progress)
    write_report(out)
    return result


def _refuse_empty(listing: Listing, state: Fates, crops: Crops, out: Path) -> None:
    """Raise ValueError that says why nothing is left; an earlier run's files stay as they are."""
    told = ""
    if not (out / MANIFEST).exists():
        write_exclusions(out, listing, state, crops, range(len(listing)))
        told = f"; {out / EXCLUSIONS} has a row for each"
    counts = Counter(state.reason).most_common()
    reasons = ", ".join(f"{count:,} {reason}" for reason, count in counts)
    row = state.reason.index(counts[0][0])
    because = f": {state.detail[row]}" if state.detail[row] else ""
    raise ValueError(
        f"{listing.root}: none of its {len(listing):,} pictures is left ({reasons}), such as "
        f"{listing.id[row]!r}{because}{told}"
    )


def _hints(listing: Listing, options: Options) -> NDArray[np.int64] | None:
    """Split of each picture where the source decides, -1 where it does not say."""
    if options.split == OFFICIAL:
        names = [USAGES.get(u.lower(), "") for u in listing.usage]
        remedy = "names do not begin with Training_, PublicTest_ or PrivateTest_"
    elif options.split == KEEP_SPLIT:
        names = list(listing.split)
        remedy = "are in no folder and no row that says train, valid or test"
    else:
        return None
    kinds = zip(listing.id, names, listing.emotion.tolist(), strict=True)
    lost = [i for i, name, emotion in kinds if not name and emotion != NO_LABEL]
    if lost:
        raise ValueError(
            f"--split {options.split}: {len(lost)} pictures {remedy}, such as {lost[0]}; "
            "use --split 8:1:1"
        )
    return split_index(names)


def _copies(
    crops: Crops,
    readable: NDArray[np.bool_],
    options: Options,
    cache: Cache,
    progress: Progress,
) -> Copies:
    def search() -> Arrays:
        found = find_copies(crops.rows, crops.sha256, readable, correlation=options.correlation)
        return {name: getattr(found, name) for name in ("pairs", "correlation", "mirrored")}

    progress("copies", 0, 1)
    arrays = cache.arrays("copies", key_of(2, crops.key, options.correlation), search)
    progress("copies", 1, 1)
    return Copies(**arrays)


def _place(
    state: Fates,
    crops: Crops,
    pinned: NDArray[np.int64],
    hint: NDArray[np.int64] | None,
    options: Options,
) -> NDArray[np.int64]:
    """Split of each picture that stays, -1 of the others."""
    stays = state.stays
    if hint is not None:
        return np.where(stays, hint, NOWHERE)
    rows = np.flatnonzero(stays)
    groups, first, number, size = np.unique(
        state.group[rows], return_index=True, return_inverse=True, return_counts=True
    )
    # All of a group bind it, also those left out now: what follows them goes where they were.
    bound = np.full(len(stays), NOWHERE)
    inside = state.group >= 0
    np.maximum.at(bound, state.group[inside], pinned[inside])
    place = place_groups(
        state.emotion[rows[first]],
        size,
        crops.sha256[rows[first]].astype(np.str_).tolist(),
        bound[groups],
        ratio=parse_ratio(options.split),
        seed=options.seed,
    )
    split = np.full(len(stays), NOWHERE)
    split[rows] = place[number]
    return split


def _flags(
    state: Fates,
    split: NDArray[np.int64],
    judged: NDArray[np.int64],
    verdict: Verdict,
    predictions: Predictions | None,
    options: Options,
) -> Flags:
    """What a person should look at among the pictures that stay."""
    stays = state.stays
    flags = Flags()
    for row, score, why in zip(judged.tolist(), verdict.score, verdict.reason, strict=True):
        if stays[row] and score >= options.flag:
            flags.add(row, fate.NOT_FACE, float(score), str(why))
    if predictions is not None:
        rows, scores = match(predictions, state.ids)
        # A model never speaks about the labels of the test set.
        kept = stays[rows] & (split[rows] != SPLIT_NAMES.index("test"))
        rows, scores = rows[kept], scores[kept]
        wrong, doubt = label_issues(state.emotion[rows], scores, method=options.label_filter)
        for at in np.flatnonzero(wrong).tolist():
            flags.add_label(int(rows[at]), float(doubt[at]), int(scores[at].argmax()))
    return flags
