import pytest

from mien import atomic
from tests.full_disk import no_file_above


def test_a_full_disk_leaves_the_older_file(tmp_path):
    """An unbuffered write returns how much it wrote, and half a file took the whole one's name."""
    path = tmp_path / "decisions.csv"
    atomic.write_bytes(path, b"a" * 5000)
    with no_file_above(2000), pytest.raises(OSError):
        atomic.write_bytes(path, b"b" * 6000)
    assert path.read_bytes() == b"a" * 5000
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_equal_bytes_are_not_written_again(tmp_path):
    path = tmp_path / "x"
    assert atomic.write_bytes(path, b"1")
    assert not atomic.write_bytes(path, b"1")


def test_a_table_in_another_encoding_is_named(tmp_path):
    path = tmp_path / "votes.csv"
    path.write_bytes("file,이름\n1,분노\n".encode("cp949"))
    with pytest.raises(ValueError, match=r"votes\.csv: not UTF-8"):
        atomic.read_csv(path)
