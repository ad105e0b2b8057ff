"""Where `mien predict` writes to: looked at before anything is touched."""

import typer
from PIL import Image
from pytest import fixture, mark, raises
from typer.testing import CliRunner

from mien.cli.predict import predict
from mien.infer import ray_engine
from mien.infer.job import Summary
from tests.tiny import make_bundle


@fixture
def run(tmp_path):
    """Runs the verb on one crop; its exception, if any, is raised."""
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(predict)
    bundle = make_bundle(tmp_path / "tiny")
    Image.new("L", (48, 48), 90).save(tmp_path / "a.png")

    def run(*arguments):
        given = [str(tmp_path / "a.png"), "--crops", *map(str, arguments), "--model", str(bundle)]
        return CliRunner().invoke(app, given, catch_exceptions=False)

    return run


def test_two_outputs_in_one_place_are_refused(run, tmp_path):
    with raises(ValueError, match="two of them name the same place"):
        run("--csv", tmp_path / "x", "--jsonl", tmp_path / "sub" / ".." / "x")
    assert not (tmp_path / "x").exists()


def test_no_output_is_emptied_before_all_are_looked_at(run, tmp_path):
    assert run("--csv", tmp_path / "x.csv").exit_code == 0
    before = (tmp_path / "x.csv").read_bytes()
    (tmp_path / "file").touch()
    with raises(ValueError, match="a file; Parquet"):
        run("--csv", tmp_path / "x.csv", "--parquet", tmp_path / "file", "--overwrite")
    assert (tmp_path / "x.csv").read_bytes() == before


@mark.parametrize("option", ["--csv", "--jsonl"])
def test_a_folder_is_no_file(run, tmp_path, option):
    with raises(ValueError, match="not a file"):
        run(option, tmp_path)


def test_addresses_arrive_as_they_are_and_only_at_ray(run, monkeypatch):
    told = []
    monkeypatch.setattr(
        ray_engine, "run", lambda paths, out, **options: told.append(out) or Summary()
    )
    assert run("--engine", "ray", "--parquet", "s3://shelf/faces").exit_code == 0
    assert told == ["s3://shelf/faces"]
    with raises(ValueError, match=r"s3://shelf/faces: an address; add --engine ray"):
        run("--parquet", "s3://shelf/faces")
