"""Results in a notebook: short reprs, HTML, plots, tables."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pytest
from PIL import Image

import mien
from mien.infer.rows import COLUMNS, FACE_COLUMNS
from tests.tiny import make_bundle

mpl.use("Agg")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return mien.load(make_bundle(tmp_path_factory.mktemp("bundles") / "tiny"), threads=1)


@pytest.fixture(scope="module")
def scores(model):
    return model.classify(np.random.default_rng(0).integers(0, 256, (30, 48, 48), np.uint8))


@pytest.fixture(scope="module")
def pictures(model, tmp_path_factory):
    """A crop, a picture without a face, and a file that is none with a name that is HTML."""
    folder = tmp_path_factory.mktemp("pictures")
    pixels = np.random.default_rng(1).integers(0, 256, (48, 48), np.uint8)
    Image.fromarray(pixels).save(folder / "<b>a.png")
    Image.new("RGB", (90, 70)).save(folder / "blank.png")
    (folder / "<script>.png").write_bytes(b"")
    crop = list(model.analyze_many([folder / "<b>a.png"], crops=True))
    return crop + list(model.analyze_many([folder / "blank.png", folder / "<script>.png"]))


def test_reprs_are_short_and_say_what_is_there(scores, pictures):
    assert repr(scores).startswith("Scores(30 crops: ")
    crop, blank, bad = pictures
    (face,) = crop.faces
    assert repr(face).startswith(f"Face({face.expression.top.value} ")
    assert "1 face:" in repr(crop) and "48x48" in repr(crop)
    assert "0 faces: none" in repr(blank)
    assert "empty file" in repr(bad)
    assert max(map(len, map(repr, (scores, face, face.expression)))) < 150


def test_html_has_bars_and_escapes_names(scores, pictures):
    crop, blank, bad = pictures
    assert scores._repr_html_().count("<table>") == 20
    assert "10 more" in scores._repr_html_()
    assert crop._repr_html_().count("<table>") == 1
    assert crop.faces[0]._repr_html_().count("<tr>") == 8
    assert "&lt;b&gt;a.png" in crop._repr_html_() and "<b>a.png" not in crop._repr_html_()
    assert "no face found" in blank._repr_html_()
    assert "&lt;script&gt;" in bad._repr_html_() and "<script>" not in bad._repr_html_()


def test_plots_show_the_scores(scores, pictures):
    crop, blank, bad = pictures
    widths = [bar.get_width() for bar in scores.plot().patches]
    np.testing.assert_allclose(widths[:7], scores.expression.mean(axis=0), atol=1e-6)
    (face,) = crop.faces
    assert face.plot().patches[0].get_width() == face.expression.expression[mien.Emotion.ANGRY]
    axes = crop.plot()
    assert len(axes.images) == 1 and len(axes.patches) == 1
    assert axes is crop.plot(axes)
    assert not blank.plot().patches
    assert "empty" in bad.plot().get_title()
    mien.Picture("a$\\frac$.png", 4, 4).plot().figure.canvas.draw()
    mpl.pyplot.close("all")


def test_tables_are_tidy(model, scores, pictures):
    table = mien.to_pandas(pictures)
    made = ("model", "head", "model_sha256", "mien_version")
    assert list(table.columns) == [name for name in COLUMNS if name not in made]
    assert len(table) == 3 and table["error"].notna().tolist() == [False, False, True]
    faces = mien.to_pandas(pictures[0].faces)
    assert list(faces.columns) == ["face", *sorted(FACE_COLUMNS, key=list(faces.columns).index)]
    assert mien.to_pandas(pictures[0]).shape[0] == 1
    crops = mien.to_pandas(scores)
    assert len(crops) == 30
    np.testing.assert_array_equal(crops["ballot_contempt"], scores.ballot[:, 7])
    assert crops["top"].tolist() == [mien.EMOTIONS[i] for i in scores.expression.argmax(axis=1)]
    np.testing.assert_allclose(crops.filter(like="expression_"), scores.expression)
    np.testing.assert_allclose(crops.filter(like="votes_").sum(axis=1), 1, atol=1e-5)
    assert list(mien.to_pandas([]).columns) == list(table.columns)
    assert len(mien.to_pandas(model.classify(np.empty((0, 48, 48), np.uint8)))) == 0
    with pytest.raises(TypeError, match="str"):
        mien.to_pandas(["a.png"])


def test_without_pandas_the_remedy_is_named(monkeypatch, scores):
    monkeypatch.setitem(__import__("sys").modules, "pandas", None)
    with pytest.raises(ImportError, match="pip install pandas"):
        mien.to_pandas(scores)
