"""A methods paragraph for a paper, from what ``mien evaluate`` wrote, with BibTeX."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

METRICS = "metrics.json"

BIBTEX = """\
@software{{mien,
  title   = {{mien: facial expression recognition with calibrated vote distributions}},
  author  = {{{{The mien authors}}}},
  version = {{{version}}},
  year    = {{2026}},
  license = {{Apache-2.0}}
}}

@inproceedings{{barsoum2016ferplus,
  title     = {{Training Deep Networks for Facial Expression Recognition with Crowd-Sourced Label \
Distribution}},
  author    = {{Barsoum, Emad and Zhang, Cha and Canton Ferrer, Cristian and Zhang, Zhengyou}},
  booktitle = {{ACM International Conference on Multimodal Interaction (ICMI)}},
  year      = {{2016}}
}}

@inproceedings{{goodfellow2013challenges,
  title     = {{Challenges in Representation Learning: A Report on Three Machine Learning \
Contests}},
  author    = {{Goodfellow, Ian J. and others}},
  booktitle = {{International Conference on Neural Information Processing (ICONIP)}},
  year      = {{2013}}
}}
"""


def read_metrics(path: Path) -> dict[str, Any]:
    """The result that ``mien evaluate`` wrote.

    Args:
        path: its folder, or the ``metrics.json`` in it.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it is not such a result.
    """
    file = path / METRICS if path.is_dir() else path
    if not file.is_file():
        raise FileNotFoundError(f"{file}: no such file; run mien evaluate MODEL DATA --out {path}")
    try:
        result = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{file}: not JSON ({error}); run mien evaluate again") from None
    if not isinstance(result, dict) or not {"pictures", "interval"} <= result.keys():
        raise ValueError(f"{file}: not a result of mien evaluate; give its folder")
    return result


def paragraph(result: dict[str, Any], *, versions: dict[str, str]) -> str:
    """One paragraph: software, model, data, protocol and figures; it says only what was measured.

    Args:
        result: of ``mien.measure.evaluate.evaluate``, with the card where a bundle was measured.
        versions: name → version of the software; ``mien`` and ``python`` first.
    """
    said = [_software(versions), _model(result), _data(result), _protocol(result)]
    said += [_labels(result), _votes(result), _calibration(result)]
    return " ".join(sentence for sentence in said if sentence)


def _software(versions: dict[str, str]) -> str:
    first, *others = (f"{name} {version}" for name, version in versions.items())
    with_them = f" ({', '.join(others)})" if others else ""
    return f"Facial expressions were scored with {first}{with_them}."


def _model(result: dict[str, Any]) -> str:
    card = result.get("card")
    if not card:
        return f"Scores of the system “{result.get('system') or 'unnamed'}” were evaluated."
    trained = card.get("data", {}).get("trained_on")
    learnt = f", trained on {trained}" if trained else ""
    # an evaluation of an earlier mien does not say which file it was
    hashed = f" (SHA-256 {card['sha256']})" if card.get("sha256") else ""
    return f"The model was “{card['name']}”{hashed}{learnt}."


def _data(result: dict[str, Any]) -> str:
    n = result["pictures"]
    text = (
        f"It was evaluated on {_count(n['n'])} of the split “{result.get('split') or 'unnamed'}”, "
        f"{n['with_label']:,} of them with a label and {n['with_votes']:,} with votes of two or "
        "more annotators."
    )
    if n.get("leaked"):
        text += (
            f" {_count(n['leaked'])} had a copy in the training data; figures without them are "
            "given as well."
        )
    return text


def _count(n: int) -> str:
    return f"{n:,} picture{'' if n == 1 else 's'}"


def _protocol(result: dict[str, Any]) -> str:
    how = result["interval"]
    text = (
        f"Intervals are {100 * how['level']:.0f} % percentile bootstrap intervals over "
        f"{how['draws']:,} resamples of {how['resampled']} (seed {how['seed']})."
    )
    if _fitted_here(result):
        text += (
            " The model's calibration was fitted to this split, so figures of its calibrated "
            "scores are slightly optimistic; cross-validated ones are marked as such."
        )
    return text


def _fitted_here(result: dict[str, Any]) -> bool:
    fitted = str((result.get("card") or {}).get("calibration", {}).get("fitted_on", ""))
    return fitted.split(" ")[0] == result.get("split") != ""


def _labels(result: dict[str, Any]) -> str:
    head = result.get("heads", {}).get("label")
    if head is None:
        return ""
    found = head["all"]
    text = f"Accuracy of the label was {_percent(found['accuracy'])}"
    if "without_leaked" in head:
        clean = _percent(head["without_leaked"]["accuracy"])
        text += f" ({clean} excluding pictures duplicated in the training data)"
    if "macro_f1" in found:
        text += f", macro F1 {_percent(found['macro_f1'])}"
    return text + "."


def _votes(result: dict[str, Any]) -> str:
    votes = result.get("votes")
    if votes is None:
        return ""
    found = votes["all"]
    return (
        "On pictures with a FER+ majority (published rule, eight classes) the predicted vote "
        f"distribution named it in {_percent(found['ferplus_majority'])}; as an estimate of the "
        f"vote distribution it was equivalent to {_number(found['worth_annotators'])} human "
        "annotators."
    )


def _calibration(result: dict[str, Any]) -> str:
    found = result.get("calibration", {}).get("label")
    if found is None or result.get("names_only"):
        return ""
    before, after = found["before"], found["after"]
    span = before["if_perfect"]
    return (
        f"The expected calibration error of the label was {before['ece']:.3f} (a perfectly "
        f"calibrated model would show {span['low']:.3f} to {span['high']:.3f}), and "
        f"{after['ece']:.3f} after temperature scaling, cross-validated in five folds that keep "
        "copies of a picture together."
    )


def _percent(estimate: dict[str, float | None]) -> str:
    return _shown(estimate, lambda value: f"{100 * value:.1f}", " %")


def _number(estimate: dict[str, float | None]) -> str:
    return _shown(estimate, lambda value: f"{value:.1f}", "")


def _shown(estimate: dict[str, float | None], form: Any, unit: str) -> str:
    value, low, high = (estimate[key] for key in ("value", "low", "high"))
    if value is None:
        return "not defined"
    if low is None or high is None:
        return f"{form(value)}{unit}"
    return f"{form(value)}{unit} (95 % interval {form(low)} to {form(high)})"
