"""The notebooks run from top to bottom, as a person runs them, on what they make themselves."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")
pytest.importorskip("ipykernel")

EXAMPLES = Path(__file__).parents[2] / "examples"
NOTEBOOKS = sorted(EXAMPLES.glob("*.ipynb"))


def run(name: str, work: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """What the cells of a notebook showed: text, HTML, and the kinds of its pictures."""
    for variable in ("MIEN_PHOTOS", "MIEN_DATA"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("MIEN_WORK", str(work))
    monkeypatch.setenv("MIEN_RUNS", str(work / "runs"))
    monkeypatch.delenv("MPLBACKEND", raising=False)
    book = nbformat.read(EXAMPLES / f"{name}.ipynb", as_version=4)
    where = {"metadata": {"path": str(EXAMPLES)}}
    nbclient.NotebookClient(book, timeout=600, kernel_name="python3", resources=where).execute()
    parts = []
    for cell in book.cells:
        for output in cell.get("outputs", []):
            parts.append(output.get("text", ""))
            for kind, data in output.get("data", {}).items():
                parts.append(kind if kind.startswith("image/") else str(data))
    return "\n".join(parts)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_committed_without_outputs_and_installs_first(path: Path):
    book = nbformat.read(path, as_version=4)
    nbformat.validate(book)
    code = [cell for cell in book.cells if cell.cell_type == "code"]
    assert all(not cell.outputs and cell.execution_count is None for cell in code)
    assert re.search(r'find_spec\("mien"\) is None:\s+%pip install', code[0].source)
    assert "/root" not in json.dumps(book)


def test_both_notebooks_are_there():
    assert [path.stem for path in NOTEBOOKS] == ["read_your_photos", "train_your_own"]


def test_read_your_photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    shown = run("read_your_photos", tmp_path, monkeypatch)
    assert "6 photos in" in shown
    assert "most people would say: happy" in shown
    assert "two people.jpg - 2 faces" in shown
    assert "no face.jpg - 0 faces" in shown
    assert re.search(r"damaged\.jpg - .*(damaged|broken|ends)", shown)
    assert shown.count("image/png") >= 3
    assert "<table>" in shown  # _repr_html_ of a face, and of a picture
    assert len((tmp_path / "faces.csv").read_text().splitlines()) == 8


def test_train_your_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    shown = run("train_your_own", tmp_path, monkeypatch)
    assert (tmp_path / "project" / "report.html").is_file()
    assert shown.count("image/png") >= 2  # the accuracy curve and the confusion matrix
    right = re.search(r"(\d+)% of (\d+) test pictures right", shown)
    assert right and int(right[1]) > 30 and int(right[2]) >= 14
    assert "ensemble" in shown
