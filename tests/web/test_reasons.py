"""The page's reasons for a hard face against Python's, in Node: this needs no browser."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from benchmarks import degraded
from benchmarks.montage import PORTRAITS

import mien.web
from mien import bundle as bundles
from mien import images
from mien.infer.crop import SIDE, crop_face, placement
from mien.infer.detect import LANDMARKS, Detection
from mien.infer.reasons import REASONS, reasons
from mien.infer.retinaface import RetinaFace
from mien.web.numbers import config

SCRIPT = Path(mien.web.__file__).parent / "static" / "page" / "js" / "reasons.js"
PROGRAM = """
const { readFileSync } = await import("node:fs");
const { cases, side, numbers, script } = JSON.parse(readFileSync(0, "utf8"));
const module = "data:text/javascript;base64," + Buffer.from(script).toString("base64");
const { reasons } = await import(module);
const told = cases.map(({ landmarks, crop, matrix }) =>
  reasons({ landmarks }, Uint8Array.from(crop), matrix, side, numbers));
console.log(JSON.stringify(told));
"""


def made() -> list[tuple[Detection, np.ndarray]]:
    """Faces of every kind of trouble, and of none."""
    rng, cases = np.random.default_rng(0), []
    frame = np.array(list(LANDMARKS.values()))
    for path, _ in PORTRAITS:
        picture = images.read(path)
        face = RetinaFace(threads=1).detect(picture)[0]
        crop = crop_face(picture, face)
        changed = [crop, degraded.blurred(crop, 1), degraded.moved(crop, 7, 90)]
        changed += [degraded.covered(crop, kind, rng) for kind in degraded.COVERS]
        changed.append(np.full((SIDE, SIDE), 90, np.uint8))
        for each in changed:
            for scale in (0.3, 0.6, 3):
                points = (frame + rng.normal(0, 2, frame.shape)) * scale
                corners = (*points.min(axis=0), *points.max(axis=0))
                box = tuple(float(v) for v in corners)
                cases.append((Detection(box, points.astype(np.float32), 0.9), each))
        cases.append((face, crop))
    return cases


@pytest.mark.skipif(shutil.which("node") is None, reason="no node to run the page's script with")
def test_the_page_tells_the_same_reasons_as_python(tiny) -> None:
    cases = made()
    told = {
        "script": SCRIPT.read_text(encoding="utf-8"),
        "side": SIDE,
        "numbers": config(bundles.load(tiny), mode="local")["reasons"],
        "cases": [
            {
                "landmarks": face.landmarks.tolist(),
                "crop": crop.ravel().tolist(),
                "matrix": placement(face).ravel().tolist(),
            }
            for face, crop in cases
        ],
    }
    run = subprocess.run(
        ["node", "--input-type=module", "-e", PROGRAM],
        input=json.dumps(told), capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    expected = [reasons(face, crop, (500, 500)) for face, crop in cases]
    assert json.loads(run.stdout) == expected
    seen = [reason for each in expected for reason in each]
    assert all(seen.count(reason) >= 5 for reason in REASONS) and [] in expected
