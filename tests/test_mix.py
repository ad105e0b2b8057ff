import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from mien import bundle as bundles
from mien.emotions import EMOTIONS, votes_from_ballot
from mien.infer.model import load
from mien.infer.record import Made
from mien.mix import TINY, Mix, wrong
from tests.tiny import make_bundle

MIXES = [Mix(), Mix(0.0), Mix(1.0), Mix(0.5, (0.1, -0.5, 0.0, 0.2, -1.0, 2.0, 0.0))]
JS = Path(bundles.__file__).parent / "web" / "static" / "page" / "js" / "scores.js"


def _heads(n: int = 50) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    label, votes = rng.dirichlet(np.full(7, 0.3), n), rng.dirichlet(np.full(7, 0.3), n)
    votes[0] = 0, 0, 0, 1, 0, 0, 0
    label[0] = 1, 0, 0, 0, 0, 0, 0
    return label, votes


def test_the_ends_are_the_heads_and_the_middle_is_their_geometric_mean():
    label, votes = _heads()
    np.testing.assert_allclose(Mix(1.0).apply(label, votes), label, atol=1e-9)
    np.testing.assert_allclose(Mix(0.0).apply(label, votes), votes, atol=1e-9)
    middle = np.sqrt(label[1:] * votes[1:])
    middle /= middle.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(Mix(0.5).apply(label, votes)[1:], middle, atol=1e-6)
    assert Mix().apply(label[:0], votes[:0]).shape == (0, 7)


def test_an_offset_moves_its_emotion():
    label, votes = _heads()
    plain = Mix(0.5).apply(label, votes)
    less = Mix(0.5, (0, 0, 0, 0, -1.0, 0, 0)).apply(label, votes)
    odds = less[:, 4] / less[:, 5] / (plain[:, 4] / plain[:, 5])
    np.testing.assert_allclose(odds, np.exp(-1))


@pytest.mark.skipif(shutil.which("node") is None, reason="no node to run the page's code with")
def test_the_page_does_the_same_arithmetic(tmp_path):
    label, votes = _heads()
    module = tmp_path / "scores.mjs"
    shutil.copyfile(JS, module)
    given = {"label": label.tolist(), "votes": votes.tolist(), "tiny": TINY}
    given["mixes"] = [mix.to_dict() for mix in MIXES]
    (tmp_path / "given.json").write_text(json.dumps(given))
    code = (
        f'import {{ mixed }} from "{module.as_uri()}"; import {{ readFileSync }} from "node:fs";'
        f"const g = JSON.parse(readFileSync({json.dumps(str(tmp_path / 'given.json'))}));"
        "console.log(JSON.stringify(g.mixes.map((m) =>"
        " g.label.map((l, i) => mixed(l, g.votes[i], m, g.tiny)))));"
    )
    out = subprocess.run(
        ["node", "--input-type=module", "-e", code], capture_output=True, check=True, timeout=60
    )
    for mix, rows in zip(MIXES, json.loads(out.stdout), strict=True):
        np.testing.assert_allclose(rows, mix.apply(label, votes), atol=1e-12)


def test_the_card_decides_and_an_old_card_has_the_plain_mix(tmp_path):
    folder = make_bundle(tmp_path / "old")
    crops = np.random.default_rng(0).integers(0, 256, (8, 48, 48), np.uint8)
    card = json.loads((folder / bundles.CARD).read_text())
    del card["expression"]
    (folder / bundles.CARD).write_text(json.dumps(card))
    old = load(folder)
    scores = old.classify(crops)
    votes = votes_from_ballot(scores.ballot)[0]
    assert old.mix == Mix()
    np.testing.assert_allclose(scores.expression, Mix().apply(scores.label, votes))

    card["expression"] = {"share": 0.2, "offsets": [0, 0, 0, 0, 0, 10, 0]}
    (folder / bundles.CARD).write_text(json.dumps(card))
    new = load(folder)
    mixed = new.classify(crops).expression
    assert (mixed[:, 5] > scores.expression[:, 5]).all()
    assert [e.top for e in new.classify(crops).expressions()] == [
        EMOTIONS[i] for i in mixed.argmax(axis=1)
    ]
    assert [e.top for e in new.classify(crops).expressions("votes")] == [
        EMOTIONS[i] for i in votes.argmax(axis=1)
    ]
    made = [Made.by(model, crops=True, min_face=40) for model in (old, new)]
    assert (made[0].mix, made[1].mix) == ("0.35", "0.2 0 0 0 0 0 10 0")
    with pytest.raises(ValueError, match="mix"):
        made[1].check("faces.csv", made[0].to_json())


@pytest.mark.parametrize(
    "told",
    [{"share": -0.1}, {"share": float("nan")}, {"share": True}, {"share": "0.5"}, {"offsets": 3},
     {"offsets": [0] * 8}, {"offsets": [0] * 6 + [11]}, {"offsets": [None] * 7}],
)  # fmt: skip
def test_what_cannot_be_mixed_is_refused(told):
    assert wrong(told)


def test_a_card_may_leave_out_what_is_plain():
    assert wrong({}) is None and Mix.of_card({}) == Mix()
    assert Mix.of_card({"share": 1}) == Mix(1.0)
    assert Mix.of_card(MIXES[3].to_dict()) == MIXES[3]
