import csv
import json
import os
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest
import typer
from jsonschema import Draft202012Validator
from PIL import Image
from typer.testing import CliRunner

import mien
from mien.cli.predict import predict
from mien.images import read
from mien.infer.rows import COLUMNS
from tests.tiny import make_bundle

ROOT = Path(__file__).parents[2]
PORTRAIT = ROOT / "examples" / "astronaut.jpg"
SCHEMA = Draft202012Validator(json.loads((ROOT / "docs" / "schema.json").read_text()))


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return make_bundle(tmp_path_factory.mktemp("bundles") / "tiny")


@pytest.fixture(scope="module")
def run(bundle):
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(predict)

    def run(*arguments):
        return CliRunner().invoke(app, [*map(str, arguments), "--model", str(bundle)])

    return run


@pytest.fixture
def folder(tmp_path):
    """Six crops, a text file called .png, and what a folder is not searched for."""
    rng = np.random.default_rng(1)
    place = tmp_path / "in"
    (place / "sub").mkdir(parents=True)
    for i in range(6):
        pixels = rng.integers(0, 256, (48, 48), dtype=np.uint8)
        Image.fromarray(pixels).save(place / ("sub" if i % 2 else "") / f"{i}.png")
    (place / "bad.png").write_text("not a picture")
    (place / "notes.txt").write_text("not looked at")
    (place / ".hidden.png").write_bytes(b"")
    return place


@pytest.mark.parametrize("ending", ["npz", "parquet"])
def test_embeddings_are_rows_of_faces_in_order(run, bundle, folder, tmp_path, ending):
    table, file = tmp_path / "faces.csv", tmp_path / "new" / f"faces.{ending}"
    assert run(folder, PORTRAIT, "--csv", table).exit_code == 0
    # the table holds all pictures already; the features still take them
    assert run(folder, PORTRAIT, "--csv", table, "--crops", "--embeddings", file).exit_code == 1
    assert not file.exists()
    result = run(folder, PORTRAIT, "--csv", table, "--embeddings", file, "--json")
    assert result.exit_code == 0, result.output
    wanted = [row["source"] for row in csv.DictReader(table.open()) if row["face"]]
    if ending == "npz":
        held = np.load(file)
        rows, model = held["embedding"], str(held["model"])
    else:
        held = pyarrow.parquet.read_table(file).to_pydict()
        rows, model = np.array(held["embedding"], np.float32), held["model"][0]
    assert list(held["source"]) == wanted and list(held["face"]) == [0] * len(wanted) == [0]
    loaded = mien.load(bundle)
    _, crops = loaded.find(read(PORTRAIT))
    assert np.array_equal(rows, loaded.embed(crops)) and model == "tiny"
    assert "not resumed" in str(run(PORTRAIT, "--embeddings", file).exception)
    assert run(PORTRAIT, "--embeddings", file, "--overwrite").exit_code == 0
    assert "ends in .npz or .parquet" in str(run(PORTRAIT, "--embeddings", "x.npy").exception)


def test_embeddings_of_crops_without_a_table(run, bundle, folder, tmp_path):
    file = tmp_path / "faces.npz"
    assert run(folder, "--crops", "--embeddings", file).exit_code == 0
    held, loaded = np.load(file), mien.load(bundle)
    assert len(held["source"]) == 6
    for source, row in zip(held["source"], held["embedding"], strict=True):
        assert np.allclose(row, loaded.embed(read(source)[None])[0], atol=1e-4)
    empty = tmp_path / "none.npz"
    assert run(folder, "--embeddings", empty).exit_code == 0
    assert len(np.load(empty)["embedding"]) == 0


def test_a_portrait_prints_its_scores(run):
    result = run(PORTRAIT)
    assert result.exit_code == 0
    for name in ("angry", "happy", "surprised", "unclear"):
        assert name in result.stdout
    assert "of 10 people would say so" in result.stdout
    assert "of 10 people" not in run(PORTRAIT, "--head", "label").stdout


def test_korean_names(run):
    assert "기쁨" in run(PORTRAIT, "--lang", "ko").stdout
    assert isinstance(run(PORTRAIT, "--lang", "fr").exception, ValueError)


def test_a_folder_is_one_table_and_bad_files_go_to_stderr(run, folder):
    result = run(folder, "--crops")
    assert result.exit_code == 0
    assert result.stdout.count(".png") == 6
    assert "bad.png: not a picture" in result.stderr
    assert "hidden" not in result.output


def test_patterns_folders_and_repeats_give_each_picture_once(run, folder):
    entries = json.loads(run(folder, folder / "*.png", folder / "0.png", "--json").stdout)
    assert len(entries) == len({entry["source"] for entry in entries}) == 7
    assert isinstance(run(folder / "*.gif").exception, ValueError)


def test_json_follows_the_schema(run, folder):
    entries = json.loads(run(PORTRAIT, folder, "missing.jpg", "--json").stdout)
    for entry in entries:
        SCHEMA.validate(entry)
    errors = [entry["source"] for entry in entries if "error" in entry]
    assert len(entries) == 9
    assert errors == [str(folder / "bad.png"), "missing.jpg"]
    assert entries[0]["faces"][0]["detected"]
    wrong = dict(entries[0], faces=[dict(entries[0]["faces"][0], top="bored")])
    assert not SCHEMA.is_valid(wrong)


def test_exit_code_is_1_only_if_nothing_could_be_read(run, folder):
    assert run(folder / "bad.png", "missing.jpg").exit_code == 1
    assert run(folder / "bad.png", folder / "0.png").exit_code == 0


def test_head_decides_the_top(run, folder):
    for head in ("expression", "votes", "label"):
        faces = json.loads(run(folder / "0.png", "--crops", "--json", "--head", head).stdout)[0][
            "faces"
        ]
        assert faces[0]["top"] == max(faces[0][head], key=faces[0][head].get)


@pytest.mark.parametrize("option", ["--csv", "--jsonl", "--parquet"])
def test_a_file_goes_on_where_it_stopped(run, folder, tmp_path, option):
    whole, part = tmp_path / "whole", tmp_path / "part"
    run(folder, "--crops", option, whole)
    run(folder / "0.png", folder / "sub", "--crops", option, part)
    result = run(folder, "--crops", option, part)
    assert "4 more were there" in result.stderr
    assert _rows(part, option) == _rows(whole, option)
    assert "7 more were there" in run(folder, "--crops", option, part).stderr
    assert _rows(part, option) == _rows(whole, option)


@pytest.mark.parametrize("option", ["--csv", "--jsonl", "--parquet"])
def test_retry_reads_what_could_not_be_read_before(run, folder, tmp_path, option):
    out = tmp_path / "out"
    run(folder, "--crops", option, out)
    Image.open(folder / "0.png").save(folder / "bad.png")
    said = " ".join(run(folder, "--crops", option, out).stderr.split())
    assert "1 of those could not be read then; --retry" in said
    result = run(folder, "--crops", option, out, "--retry")
    assert "6 more were there" in result.stderr and "read then" not in result.stderr
    run(folder, "--crops", option, tmp_path / "whole")
    assert _rows(out, option) == _rows(tmp_path / "whole", option)


def _rows(path, option):
    if option == "--parquet":
        import pyarrow.parquet as pq

        return sorted(map(str, pq.read_table(path).to_pylist()))
    return sorted(path.read_text().splitlines())


@pytest.mark.parametrize("option", ["--csv", "--jsonl"])
def test_a_kill_at_any_byte_loses_and_doubles_nothing(run, folder, tmp_path, option):
    two_faces = tmp_path / "two.png"
    portrait = Image.open(PORTRAIT)
    side_by_side = Image.new("RGB", (portrait.width * 2, portrait.height))
    side_by_side.paste(portrait)
    side_by_side.paste(portrait, (portrait.width, 0))
    side_by_side.resize((480, 240)).save(two_faces)
    sources = [folder / "0.png", two_faces, folder / "bad.png", folder / "2.png"]
    whole = tmp_path / "whole"
    run(*sources, option, whole)
    content = whole.read_bytes()
    assert b'"error"' in content or b"not a picture" in content
    killed = tmp_path / "killed"
    rng = np.random.default_rng(0)
    cuts = {0, 5, len(content) - 1, *rng.integers(0, len(content), 4).tolist()}
    for cut in cuts:
        killed.write_bytes(content[:cut])
        assert run(*sources, option, killed).exit_code == 0
        assert killed.read_bytes() == content, cut


def test_results_of_another_model_or_another_file_are_not_mixed(run, folder, tmp_path):
    out = tmp_path / "out.csv"
    run(folder, "--crops", "--csv", out)
    assert "head" in str(run(folder, "--crops", "--csv", out, "--head", "label").exception)
    again = run(folder, "--crops", "--csv", out, "--head", "label", "--overwrite")
    assert again.exit_code == 0
    for option in ("--csv", "--jsonl"):
        diary = tmp_path / "diary.txt"
        diary.write_text("dear diary,\n1,2\n")
        assert "not written by" in str(run(folder, option, diary).exception)
        assert diary.read_text() == "dear diary,\n1,2\n"


KINDS = ("--csv", "--jsonl", "--parquet")


@pytest.mark.parametrize("option", KINDS)
def test_a_run_goes_on_only_with_its_own_kind(run, folder, tmp_path, option, bundle):
    out = tmp_path / "out"
    run(folder / "0.png", "--crops", option, out)
    before = _rows(out, option)
    for changed in ([], ["--min-face", 20]):
        result = run(folder, *changed, option, out)
        assert isinstance(result.exception, ValueError)
        for part in (str(out), "crops True", "--overwrite"):
            assert part in str(result.exception)
    assert _rows(out, option) == before
    trained_again = make_bundle(tmp_path / bundle.name, seed=1)
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(predict)
    arguments = [str(folder), "--crops", option, str(out), "--model", str(trained_again)]
    assert "sha256" in str(CliRunner().invoke(app, arguments).exception)
    assert CliRunner().invoke(app, [*arguments, "--overwrite"]).exit_code == 0
    assert "7 more were there" in CliRunner().invoke(app, arguments).stderr
    assert run(folder, "--crops", "--min-face", 20, option, tmp_path / "new").exit_code == 0
    again = run(folder, "--crops", "--min-face", 30, option, tmp_path / "new")
    assert "7 more were there" in again.stderr  # where nothing is searched for, the same


@pytest.mark.parametrize("option", KINDS)
def test_outputs_without_a_record_go_on(run, folder, tmp_path, option):
    out = tmp_path / "out"
    run(folder / "0.png", "--crops", option, out)
    record = out / "_mien.json" if option == "--parquet" else tmp_path / "out.mien.json"
    record.write_text("{")
    damaged = str(run(folder, option, out).exception)
    assert "damaged" in damaged
    assert "--overwrite" in damaged
    record.unlink()
    assert "1 more were there" in run(folder, option, out).stderr
    assert not record.exists()
    assert isinstance(run(folder, option, out, "--head", "label").exception, ValueError)


def test_copies_that_are_missing_are_drawn_without_new_rows(run, folder, tmp_path):
    table, lines, drawn = tmp_path / "a.csv", tmp_path / "a.jsonl", tmp_path / "drawn"
    run(folder, "--crops", "--csv", table)
    before = table.read_bytes()
    arguments = (folder, "--crops", "--csv", table, "--jsonl", lines, "--annotate", drawn)
    assert run(*arguments).exit_code == 0
    assert table.read_bytes() == before
    assert len(lines.read_text().splitlines()) == 7
    assert len(list(drawn.rglob("*.png"))) == 6
    (drawn / "0.png").unlink()
    kept = (drawn / "2.png").stat()
    assert "5 more were there" in run(*arguments).stderr  # bad.png is tried again
    assert table.read_bytes() == before
    assert len(lines.read_text().splitlines()) == 7
    assert (drawn / "0.png").exists()
    assert (drawn / "2.png").stat().st_mtime_ns == kept.st_mtime_ns
    assert not list(drawn.rglob(".*"))


@pytest.mark.skipif(sys.platform != "linux", reason="other systems take no such names")
@pytest.mark.parametrize("option", [*KINDS, "--json"])
def test_names_that_are_not_utf8_end_no_job(run, folder, tmp_path, option):
    odd = os.fsencode(folder) + b"/\xff.png"
    Path(os.fsdecode(odd)).write_bytes((folder / "0.png").read_bytes())
    Path(os.fsdecode(os.fsencode(folder) + b"/\xfe.png")).write_bytes(b"")
    name = str(folder / "\\udcff.png")
    drawn = tmp_path / "drawn"
    out = [] if option == "--json" else [tmp_path / "out"]
    result = run(folder, "--crops", option, *out, "--annotate", drawn)
    assert result.exit_code == 0
    assert os.fsencode(drawn) + b"/\xff.png" in map(os.fsencode, drawn.iterdir())
    if option == "--json":
        entries = {entry["source"]: entry for entry in json.loads(result.stdout)}
        assert len(entries[name]["faces"]) == 1
        assert "\\udcff.png" in run(folder, "--crops").stdout
        assert "empty file" in entries[str(folder / "\\udcfe.png")]["error"]
        return
    before = _rows(*out, option)
    assert len(before) == 9 + (option == "--csv")
    quoted = name if option == "--csv" else name.replace("\\", "\\\\")
    assert any(quoted in row for row in before)
    assert "9 more were there" in run(folder, "--crops", option, *out).stderr
    assert _rows(*out, option) == before


def test_csv_has_a_row_a_face(run, folder, tmp_path):
    run(folder, PORTRAIT, "--csv", tmp_path / "out.csv")
    with (tmp_path / "out.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    assert list(table[0]) == list(COLUMNS)
    row = table[-1]
    assert row["source"] == str(PORTRAIT)
    assert (row["faces"], row["face"], row["model"]) == ("1", "0", "tiny")
    assert sum(float(row[f"votes_{e}"]) for e in ("angry", "disgust", "fear", "happy", "neutral",
               "sad", "surprise")) == pytest.approx(1, abs=1e-3)  # fmt: skip
    assert [row["error"] != "" for row in table].count(True) == 1


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
