"""The detector that mien carries, as prediction, caches and the page ask for it."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

import mien
from mien.infer.detect import ASSET, default_detector

SCRIPT = Path(mien.__file__).parent / "web" / "static" / "page" / "js" / "detect.js"


def test_its_key_names_it_and_its_graph() -> None:
    name, version = default_detector().key.split()
    assert name == ASSET.stem
    assert re.fullmatch("[0-9a-f]{8}", version)


def test_the_page_s_script_reads_its_numbers_and_no_others() -> None:
    numbers = json.loads(json.dumps(default_detector().numbers))
    assert set(re.findall(r"\bn\.(\w+)", SCRIPT.read_text("utf-8"))) == numbers.keys()


@pytest.mark.parametrize("threshold", [None, 0.4])
def test_it_finds_nothing_in_grey_at_any_threshold(threshold: float | None) -> None:
    found = default_detector(threads=1, threshold=threshold).detect(
        np.full((64, 64, 3), 99, np.uint8)
    )
    assert found == []
