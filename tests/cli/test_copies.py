"""``mien predict`` draws annotated copies, and says what its options need."""

import typer
from PIL import Image
from typer.testing import CliRunner

from mien.cli.predict import predict
from tests.tiny import make_bundle


def test_annotated_copies_mirror_the_folder(run, folder, tmp_path):
    out = tmp_path / "out"
    result = run(
        folder / "0.png", folder / "sub" / "1.png", "--crops", "--annotate", out, "--explain"
    )
    assert result.exit_code == 0
    assert len(list(out.rglob("*.png"))) == 2
    with Image.open(out / "sub" / "1.png") as drawn:
        assert max(drawn.size) >= 640


def test_a_copy_never_replaces_its_original(run, folder, tmp_path, monkeypatch):
    before = (folder / "0.png").read_bytes()
    table = tmp_path / "out.csv"
    refused = run(folder, "--crops", "--annotate", folder, "--csv", table).exception
    assert isinstance(refused, ValueError)
    assert not table.exists()  # said before any work
    monkeypatch.chdir(folder / "sub")
    assert run("../0.png", "1.png", "--crops", "--annotate", "../../drawn").exit_code == 0
    assert (folder / "0.png").read_bytes() == before


def test_explain_asks_for_what_it_needs(run, folder, tmp_path):
    assert "--annotate" in str(run(folder, "--explain").exception)
    blind = make_bundle(tmp_path / "blind", cam=False)
    arguments = (folder, "--explain", "--annotate", tmp_path / "out", "--model", blind)
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(predict)
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    assert "activation maps" in str(result.exception)


def test_ray_wants_parquet(run, folder):
    assert "--parquet" in str(run(folder, "--engine", "ray").exception)
    assert "local, ray" in str(run(folder, "--engine", "spark").exception)
