"""``mien page``: the same page as a static folder that runs the model in the browser."""

import hashlib
import json
import shutil
from pathlib import Path

import onnxruntime

from mien import bundle as bundles
from mien.atomic import write_bytes
from mien.infer.detect import ASSET
from mien.strings import FOLDER, LANGUAGES
from mien.web import numbers
from mien.web.ort_files import read_ort

STATIC = Path(__file__).parent / "static"
GRAPH, DETECTOR, OFFLINE = "model/model.onnx", "model/detector.onnx", "sw.js"


def write_page(
    out: str | Path, bundle: str | Path | None = None, *, ort: Path | None = None
) -> list[Path]:
    """Write page, model, detector and onnxruntime-web to a folder; returns the files.

    Args:
        out: folder, made where missing; files of an earlier page are replaced.
        bundle: name or folder of a model.
        ort: see ``read_ort``.

    Raises:
        BundleError: no such model.
        ValueError: onnxruntime-web cannot be had; the message names the ways.
        OSError: the folder cannot be written.
    """
    out = Path(out)
    model = bundles.load(bundle)
    runtime = read_ort(ort)
    session = onnxruntime.InferenceSession(model.graph, providers=["CPUExecutionProvider"])
    cam = any(output.name == "cam" for output in session.get_outputs())
    files = {"model": GRAPH, "detector": DETECTOR}
    config = numbers.config(model, mode="local", cam=cam, token=False, files=files)

    shutil.copytree(STATIC / "page", out, dirs_exist_ok=True)
    written = [out / file.relative_to(STATIC / "page") for file in _files(STATIC / "page")]
    copies = {
        model.graph: GRAPH,
        model.path / bundles.CARD: "model/card.json",
        ASSET: DETECTOR,
        STATIC / "onnxruntime-web.LICENSE": "ort/LICENSE",
    }
    copies |= {FOLDER / f"{code}.json": f"strings/{code}.json" for code in LANGUAGES}
    texts = {"config.json": json.dumps(config, ensure_ascii=False).encode()}
    texts |= {f"ort/{name}": data for name, data in runtime.items()}
    for name in (*copies.values(), *texts):
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        written.append(out / name)
    for source, name in copies.items():
        shutil.copyfile(source, out / name)
    for name, data in texts.items():
        write_bytes(out / name, data)
    write_bytes(out / OFFLINE, _offline(out, written).encode())
    return [*written, out / OFFLINE]


def _offline(out: Path, files: list[Path]) -> str:
    """The service worker, with the names of all files and a hash of what they hold."""
    digest = hashlib.sha256()
    for file in sorted(files):
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    names = ["./", *(file.relative_to(out).as_posix() for file in sorted(files))]
    text = (STATIC / OFFLINE).read_text(encoding="utf-8")
    text = text.replace('VERSION = ""', f'VERSION = "{digest.hexdigest()[:16]}"')
    return text.replace("FILES = []", f"FILES = {json.dumps(names)}")


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())
