import pytest
from tools import figures


def test_figures_in_pages_and_docs_are_those_of_the_cards(capsys):
    assert figures.main(["--check"]) == 0, capsys.readouterr().out


def test_a_marked_place_takes_the_figure_of_the_card():
    found = figures.collect()
    value = found["default"]["label"]
    assert figures.filled("<!--f:default.label~-->0 %<!--/-->", found) == (
        f"<!--f:default.label~-->{100 * value['value']:.1f} %<!--/-->"
    )
    whole = figures.filled("<!--f:default.annotators|ko--><!--/-->", found)
    assert f"{found['default']['annotators']['value']:.1f}명 (" in whole
    with pytest.raises(KeyError):
        figures.filled("<!--f:default.nothing--><!--/-->", found)


def test_a_typed_figure_is_found(tmp_path, monkeypatch, capsys):
    page = tmp_path / "page.md"
    page.write_text("<!--f:default.label~-->99.9 %<!--/-->", encoding="utf-8")
    monkeypatch.setattr(figures, "ROOT", tmp_path)
    monkeypatch.setattr(figures, "FIGURES", tmp_path / "docs" / "figures.json")
    figures.FIGURES.parent.mkdir()
    assert figures.main(["--check"]) == 1
    assert "page.md: figures differ" in capsys.readouterr().out
    assert figures.main([]) == 0 and figures.main(["--check"]) == 0
    assert "99.9" not in page.read_text(encoding="utf-8")
