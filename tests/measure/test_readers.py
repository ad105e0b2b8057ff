from dataclasses import replace

import numpy as np
import pytest

from mien.emotions import BALLOT, EMOTIONS
from mien.measure.readers import common_rows, from_csv, join, read

from .made import make_table


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def test_synonyms_percent_and_any_order(tmp_path):
    file = write(
        tmp_path / "other.csv",
        "Filename,joy,Sadness,calm,prob_anger,disgusted,scared,p_surprised,contempt\n"
        "a.png,50,10,10,10,10,5,5,9\nb.png,0,0,0,0,0,0,100,1\n",
    )
    table = from_csv(file)
    assert table.system == "other"
    np.testing.assert_allclose(table.label[0], [0.1, 0.1, 0.05, 0.5, 0.1, 0.1, 0.05])
    assert table.label[1].argmax() == 6
    assert table.y.tolist() == [-1, -1]
    assert table.ballot is None and table.counts is None


def test_korean_names_and_a_byte_order_mark(tmp_path):
    file = tmp_path / "k.csv"
    header = "id,분노,혐오,공포,행복,중립,슬픔,놀람"
    file.write_text(f"{header}\nx,1,0,0,0,0,0,0\n", encoding="utf-8-sig")
    assert from_csv(file).label.argmax() == 0


def test_ballot_votes_and_truth_of_its_own(tmp_path):
    seven = "angry,disgust,fear,happy,neutral,sad,surprise"
    ballot = ",".join(f"ballot_{o}" for o in BALLOT)
    votes = ",".join(f"votes_{o}" for o in BALLOT)
    rows = ",".join(["0.1"] * 7) + "," + ",".join(["0.1"] * 10)
    file = write(
        tmp_path / "b.csv",
        f"id,y,{seven},{ballot},{votes}\na,Happiness,{rows},{','.join('1' * 10)}\n"
        f"b,,{rows},{',' * 9}\n",
    )
    table = from_csv(file)
    assert table.y.tolist() == [3, -1]
    assert table.ballot.shape == (2, 10)
    assert table.has_votes.tolist() == [True, False]


def test_a_column_of_names_stands_for_scores(tmp_path):
    file = write(tmp_path / "c.csv", "file,dominant_emotion\na.jpg,happy\nb.jpg,Fear\n")
    assert from_csv(file).label.argmax(axis=1).tolist() == [3, 2]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("angry\n1\n", "no column for the picture"),
        ("id,happy,sad\na,1,0\n", "no score column for angry, disgust, fear, neutral, surprise"),
        ("id,top\na,pensive\n", "'pensive' in top is not one of"),
        ("id,angry,disgust,fear,happy,neutral,sad,surprise\n", "no rows"),
        ("id,angry,disgust,fear,happy,neutral,sad,surprise\na,1,1,1,1,1,1,-2\n", "row 2 has an"),
        ("id,angry,disgust,fear,happy,neutral,sad,surprise\na,1,1,1,1,1,1,\n", "row 2 has an"),
        ("id,angry,disgust,fear,happy,neutral,sad,surprise\na,1,1,1,x,1,1,1\n", "'x' is not a"),
        (
            "id,angry,disgust,fear,happy,neutral,sad,surprise\na,1,1,1,1,1,1,1\na,1,1,1,1,1,1,1\n",
            "an id appears twice",
        ),
        ("top,id\nsad,a\nsad\n", r"bad\.csv: row 3 has no id; name the picture in each row"),
        ("id,top\na,sad\n,sad\n", r"bad\.csv: row 3 has no id"),
        (f'id,top\na,sad\nb,"{"x" * 140_000}\n', r"bad\.csv: row 3: field larger than .* quotes"),
        (f'id,"{"x" * 140_000}\n', r"bad\.csv: row 1: field larger than"),
    ],
)
def test_what_is_wrong_is_said(tmp_path, text, message):
    with pytest.raises(ValueError, match=message):
        from_csv(write(tmp_path / "bad.csv", text))


def test_join_takes_truth_by_file_name():
    truth = make_table(30)
    names = np.array([i.split("/")[-1].replace(".png", ".jpg") for i in truth.id])
    rows = np.arange(29, 4, -1)
    other = replace(make_table(30, seed=1), id=names, y=np.full(30, -1), counts=None).take(rows)
    joined = join(replace(other, system="other"), truth)
    assert joined.id.tolist() == truth.id[5:].tolist()
    assert joined.y.tolist() == truth.y[5:].tolist()
    np.testing.assert_array_equal(joined.label, make_table(30, seed=1).label[5:])
    assert joined.system == "other"


def test_ambiguous_file_names_do_not_match():
    a = np.array(["x/1.png", "y/1.png"])
    assert len(common_rows(a, np.array(["1.png", "2.png"]))[0]) == 0


def test_join_of_strangers_shows_both_ids():
    truth = make_table(3)
    with pytest.raises(ValueError, match=r"ids such as 'a'.*'test/x/00000.png'"):
        join(replace(truth, id=np.array(["a", "b", "c"])), truth)


def test_read_finds_the_table_of_a_folder(tmp_path, table):
    table.save(tmp_path / "predictions.npz")
    assert read(tmp_path).id.tolist() == table.id.tolist()
    with pytest.raises(FileNotFoundError, match="mien evaluate"):
        read(tmp_path / "nothing.npz")
    with pytest.raises(ValueError, match=r"not \.npz or \.csv"):
        read(write(tmp_path / "x.txt", "a"))


def test_numbers_are_no_names(tmp_path):
    """FER-2013's CSVs count the emotions in another order."""
    rows = "file,emotion," + ",".join(EMOTIONS) + "\na.jpg,4," + ",".join(["0.1"] * 7) + "\n"
    with pytest.raises(ValueError, match=r"column emotion holds numbers.*a column y"):
        from_csv(write(tmp_path / "n.csv", rows))
    table = from_csv(write(tmp_path / "y.csv", rows.replace("emotion", "y")))
    assert table.y.tolist() == [EMOTIONS.index("neutral")]


def test_truth_is_understood_or_refused(tmp_path):
    head, row = "file,y," + ",".join(EMOTIONS), "," + ",".join(["0.1"] * 7)
    text = "\n".join([head, *(f"{i}.jpg,{y}{row}" for i, y in enumerate(("3.0", "", "-1", "sad")))])
    assert from_csv(write(tmp_path / "floats.csv", text)).y.tolist() == [3, -1, -1, 5]
    for wrong in ("fearfull", "7", "2.5"):
        with pytest.raises(ValueError, match=rf"row 3, y: '{wrong}' is not an emotion"):
            from_csv(write(tmp_path / "bad.csv", text.replace("1.jpg,", f"1.jpg,{wrong}")))


def test_two_columns_of_one_emotion_are_refused(tmp_path):
    seven = [",".join(f"{kind}_{e}" for e in EMOTIONS) for kind in ("label", "prob")]
    text = f"file,{seven[0]},{seven[1]}\na.jpg{',0.5' * 14}\n"
    with pytest.raises(ValueError, match="label_angry and prob_angry are both scores of angry"):
        from_csv(write(tmp_path / "twice.csv", text))


def test_what_predict_writes_is_read(tmp_path):
    columns = ["source", "face", *(f"label_{e}" for e in EMOTIONS)]
    lines = [",".join(columns), "a.png,0," + ",".join(["0.1"] * 7), "none.png,," + "," * 6]
    table = from_csv(write(tmp_path / "predicted.csv", "\n".join(lines) + "\n"))
    assert table.id.tolist() == ["a.png"]


@pytest.mark.parametrize("cell", ["40", "0.4", "-2"])
def test_votes_that_are_shares_are_refused_with_their_row(tmp_path, cell):
    """Read as 99 annotators, percentages that were cut off made every interval too narrow."""
    votes = ",".join(f"votes_{o}" for o in BALLOT)
    shares = [cell, "33.3", *["0"] * 8] if cell == "40" else [cell, *["0"] * 9]
    lines = [f"id,{','.join(EMOTIONS)},{votes}", f"a,1,1,1,1,1,1,1,{','.join(['-1'] * 10)}",
             f"b,1,1,1,1,1,1,1,{','.join(shares)}"]  # fmt: skip
    (tmp_path / "votes.csv").write_text("\n".join(lines))
    with pytest.raises(ValueError, match="row 3 has votes that are not counts"):
        from_csv(tmp_path / "votes.csv")
    (tmp_path / "votes.csv").write_text("\n".join(lines[:2]))
    assert (from_csv(tmp_path / "votes.csv").counts == -1).all()
