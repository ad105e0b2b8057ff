"""The tables that the terminal and the report print, as titles and rows of text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mien.emotions import BALLOT, EMOTIONS
from mien.measure.calibrate import pictures
from mien.measure.compare import better
from mien.measure.metrics import CLASS_METRICS, LABEL_METRICS, Metric
from mien.measure.votes import VOTE_METRICS

if TYPE_CHECKING:
    from mien.measure.small_faces import Change


@dataclass(frozen=True)
class Table:
    """A caption, column heads, rows of cells; the first column names the row."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


TRUSTS = {
    "confidence": "label confidence",
    "votes": "votes confidence",
    "unclear": "least unclear",
}


def spell(estimate: dict[str, float | None], *, percent: bool = False) -> str:
    """``69.2 % (67.7-70.7)`` or ``1.234 (1.1-1.4)``; a dash where there is no value."""
    value, low, high = (estimate[k] for k in ("value", "low", "high"))
    if value is None:
        return "-"
    digits = 1 if percent else (2 if abs(value) >= 2 else 3)
    scale, unit = (100, " %") if percent else (1, "")

    def number(x: float | None) -> str:
        return "∞" if x is None else f"{x * scale:.{digits}f}"

    return f"{number(value)}{unit} ({number(low)}–{number(high)})"


def scores(result: dict[str, Any]) -> list[Table]:
    """One table a head and one against votes; with and without copies of training pictures."""
    tables, named = [], result.get("names_only", False)
    for head, parts in result.get("heads", {}).items():
        title = f"Against the labels, {head} head"
        rows = [metric for metric in LABEL_METRICS if not (named and metric.needs_scores)]
        tables.append(_two_columns(title, parts, rows))
    if "votes" in result:
        title = "Against people's votes, " + ("ballot" if result["has_ballot"] else "label scores")
        tables.append(_two_columns(title, result["votes"], VOTE_METRICS, flattered(result)))
    return tables


def flattered(result: dict[str, Any]) -> str:
    """What to say of a bundle that was calibrated on just these pictures; else nothing."""
    fitted = result.get("card", {}).get("calibration", {}).get("fitted_on")
    if not fitted or fitted != pictures(result["split"], result["pictures"]["n"]):
        return ""
    return (
        f"The model was calibrated on {fitted}: on the same pictures figures of votes are a little "
        "too good. Judge it as it was before, where the cross-validated column is honest."
    )


def _spelled(figures: dict[str, Any], metric: Metric) -> str:
    if metric.unbounded and figures[metric.key]["value"] is None:
        return "∞"
    return spell(figures[metric.key], percent=metric.percent)


def _two_columns(
    title: str, parts: dict[str, Any], metrics: Sequence[Metric], note: str = ""
) -> Table:
    heads = {"all": "All pictures", "without_leaked": "Without training copies"}
    there = [key for key in heads if key in parts]
    columns = ("", *(f"{heads[key]} (n = {parts[key]['n']:,})" for key in there))
    cells = tuple(
        (metric.title, *(_spelled(parts[key], metric) for key in there)) for metric in metrics
    )
    return Table(title, columns, cells, f"With 95 % bootstrap intervals. {note}".rstrip())


def per_class(result: dict[str, Any], head: str = "label") -> Table:
    """Precision, recall, F1 and areas for each emotion."""
    named = result.get("names_only", False)
    metrics = [metric for metric in CLASS_METRICS if not (named and metric.needs_scores)]
    classes = result["heads"][head]["all"]["classes"]
    rows = tuple(
        (
            e.value,
            *(_spelled(classes[e], metric) for metric in metrics),
            f"{classes[e]['support']:,}",
        )
        for e in EMOTIONS
    )
    columns = ("Emotion", *(metric.title for metric in metrics), "n")
    return Table(f"Each emotion, {head} head", columns, rows)


def calibration(result: dict[str, Any]) -> Table:
    """Before and after calibration that was cross-validated in five grouped folds."""
    found = {} if result.get("names_only") else result["calibration"]
    rows: list[tuple[str, ...]] = []
    if "label" in found:
        states = [found["label"][when] for when in ("before", "after")]
        rows.append(("ECE of label, 15 equal-mass bins", *(f"{s['ece']:.4f}" for s in states)))
        ranges = (s["if_perfect"] for s in states)
        rows.append(
            (
                "… a perfectly calibrated model would show",
                *(f"{r['low']:.4f}–{r['high']:.4f}" for r in ranges),
            )
        )
        rows.append(("NLL of label (nats)", *(f"{s['nll']:.4f}" for s in states)))
        rows.append(("Temperature of label", "1", _mean(found["label"]["after"]["temperatures"])))
    if "votes" in found:
        states = [found["votes"][when] for when in ("before", "after")]
        for key, name in (
            ("classwise", "Classwise error of votes, 7"),
            ("classwise_ballot", "Classwise error of ballot, 10"),
        ):
            rows.append((name, *(f"{s[key]:.4f}" for s in states)))
        rows.extend(
            (metric.title, *(_spelled(state["all"], metric) for state in states))
            for metric in VOTE_METRICS
        )
        rows.append(("Offsets of ballot's options", "0", _offsets(found["votes"]["after"])))
    columns = ("", "As delivered", "Cross-validated calibration")
    return Table("Calibration", columns, tuple(rows), flattered(result))


def small_faces(changes: Sequence[Change]) -> Table:
    """Confidence beside accuracy of small and blurred faces, before and after calibration."""
    rows = []
    for each in changes:
        cells = []
        for accuracy, confidence in (
            (each.accuracy, each.confidence),
            (each.fitted_accuracy, each.fitted_confidence),
        ):
            cells += [f"{accuracy:.1%}".replace("%", " %"), f"{100 * (confidence - accuracy):+.1f}"]
        rows.append(("blurred" if each.blurred else f"{each.side} px", *cells))
    columns = ("Face", "Accuracy", "Overconfident", "Accuracy, calibrated", "Overconfident")
    note = "Overconfident: mean confidence less accuracy, points; cross-validated."
    return Table("Small and blurred faces, expression", columns, tuple(rows), note)


def abstention(result: dict[str, Any]) -> Table:
    """Accuracy on the most trusted share of the pictures, for each way to choose them."""
    ways = result["abstain"]
    shares = [k for k in next(iter(ways.values())) if k != "aurc"]
    columns = ("Answer the most trusted", *(TRUSTS[way] for way in ways))
    rows = [
        (
            "100 %",
            *(spell(result["heads"]["label"]["all"]["accuracy"], percent=True) for _ in ways),
        )
    ]
    rows += [
        (
            f"{float(share):.0%}".replace("%", " %"),
            *(spell(ways[w][share], percent=True) for w in ways),
        )
        for share in shares
    ]
    rows.append(("AURC, lower is better", *(spell(ways[way]["aurc"]) for way in ways)))
    return Table("Accuracy of the label head against coverage", columns, tuple(rows))


def rare(result: dict[str, Any]) -> Table:
    """What a constant on disgust's logit buys and costs."""
    found = result["disgust"]
    lost = found["accuracy_lost"]
    points = {k: None if v is None else v * 100 for k, v in lost.items()}
    rows = (
        ("Disgust recall, as delivered", spell(found["recall_before"], percent=True)),
        ("Disgust recall, adjusted", spell(found["recall_after"], percent=True)),
        ("Accuracy lost (points)", spell(points)),
        ("Offset added to disgust's logit", _mean(found["offsets"])),
    )
    title = f"Logit adjustment at no more than {found['budget'] * 100:.1f} points of accuracy"
    return Table(title, ("", "Cross-validated"), rows)


def comparison(found: dict[str, Any]) -> Table:
    """Two systems side by side, with the paired difference."""
    rows = []
    names = dict(zip(("first", "second"), found["systems"], strict=True))
    for metric in (*LABEL_METRICS, *VOTE_METRICS):
        if metric.key in found["metrics"]:
            figures = found["metrics"][metric.key]
            both = (_spelled({metric.key: figures[part]}, metric) for part in names)
            difference = figures["difference"]
            wins = names.get(better(difference, metric), "-")
            rows.append((metric.title, *both, _points(difference, metric.percent), wins))
    test = found["mcnemar"]
    note = (
        f"{found['n']:,} pictures that both scored; differences are the second's less the first's."
    )
    if test:
        note += (
            f" McNemar: right only by the first {test['only_first']:,}, only by the second "
            f"{test['only_second']:,}; {p_value(test['p_exact'])} (exact), "
            f"{p_value(test['p_mid'])} (mid-p)."
        )
    title = " against ".join(found["systems"])
    return Table(
        title, ("", *found["systems"], "Paired difference", "Better"), tuple(rows), note=note
    )


def contest(found: list[dict[str, Any]], *, n: int) -> Table:
    """The ways of joining systems, each choice scored on folds that it did not see."""
    rows = tuple(
        (
            row["method"],
            spell(row["accuracy"], percent=True),
            _points(row["gain"], True),
            p_value(row["mcnemar"]["p_mid"]),
            spell(row["nll"]),
        )
        for row in found
    )
    columns = ("", "Accuracy", "Gain over the best member", "McNemar", "NLL (nats)")
    note = f"{n:,} pictures, five grouped folds: neither members nor weights saw their own fold."
    return Table("Ways to combine them, cross-validated", columns, rows, note=note)


def p_value(p: float) -> str:
    """``p = 0.023`` or ``p < 0.0001``."""
    return "p < 0.0001" if p < 1e-4 else f"p = {p:.2g}"


def _points(estimate: dict[str, float | None], percent: bool) -> str:
    value, low, high = (estimate[k] for k in ("value", "low", "high"))
    if value is None or low is None or high is None:
        return "-"
    scale, digits = (100, 1) if percent else (1, 3)
    return f"{value * scale:+.{digits}f} ({low * scale:+.{digits}f} to {high * scale:+.{digits}f})"


def all_tables(result: dict[str, Any]) -> list[Table]:
    """Every table that the result has data for, in reading order."""
    tables = scores(result)
    if "heads" in result:
        tables.append(per_class(result))
    if result.get("names_only"):
        return tables
    if result["calibration"]:
        tables.append(calibration(result))
    if "heads" in result:
        tables += [abstention(result), rare(result)]
    return tables


def _offsets(after: dict[str, Any]) -> str:
    """The lowest and the highest, means over the folds, with the options they belong to."""
    folds = [scaling["offset"] for scaling in after["scalings"]]
    means = {name: sum(fold) / len(folds) for name, *fold in zip(BALLOT, *folds, strict=True)}
    ends = (min(means, key=means.__getitem__), max(means, key=means.__getitem__))
    return ", ".join(f"{name} {means[name]:+.2f}" for name in ends)


def _mean(values: list[float]) -> str:
    spread = max(values) - min(values)
    return f"{sum(values) / len(values):.3f}" + (f" ± {spread / 2:.3f}" if spread else "")
