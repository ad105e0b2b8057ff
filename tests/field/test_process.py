"""The process around mien: what it writes and whom it asks, its home, its children, its limits."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import mien
from mien import bundle as bundles
from mien.infer.session import SessionProperty
from tests.tiny import make_bundle

CROPS = np.random.default_rng(0).integers(0, 256, (2, 48, 48), np.uint8)
BLANK = np.full((64, 64, 3), 90, np.uint8)
ROOT = Path(__file__).parents[2]
PHOTO = ROOT / "examples" / "astronaut.jpg"

LIBRARY = [sys.executable, "-c", f"import mien; mien.load(threads=1).analyze({str(PHOTO)!r})"]
VERB = [sys.executable, "-m", "mien", "predict", str(PHOTO)]
BARE = [
    sys.executable,
    "-c",
    "import os; os.environ.pop('ORT_DISABLE_TELEMETRY', None); import onnxruntime, sys;"
    "from pathlib import Path; "
    f"onnxruntime.InferenceSession({str(ROOT / 'src/mien/assets/retinaface.onnx')!r})",
]


def traced(command, home):
    """Files that a command leaves in its home, and the sockets of the network that it opens."""
    names = ("ORT_DISABLE_TELEMETRY", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME")
    environment = {k: v for k, v in os.environ.items() if k not in names} | {"HOME": str(home)}
    trace = home.with_suffix(".trace")
    strace = shutil.which("strace")
    probe = [strace, "-f", "-e", "trace=socket", "-o", str(trace)] if strace else []
    subprocess.run([*probe, *command], env=environment, check=True, capture_output=True)
    text = trace.read_text(errors="replace") if trace.exists() else ""
    left = [path for path in home.rglob("*") if path.is_file()]
    return left, re.findall(r"socket\(AF_INET6?\b.*", text)


@pytest.mark.skipif(sys.platform != "linux", reason="looked at on Linux")
def test_nothing_is_written_at_home_and_nobody_is_asked(tmp_path):
    for name, command in (("library", LIBRARY), ("verb", VERB)):
        (tmp_path / name).mkdir()
        assert traced(command, tmp_path / name) == ([], []), name


@pytest.mark.skipif(sys.platform != "linux", reason="looked at on Linux")
def test_the_look_at_home_sees_what_onnx_runtime_does_alone(tmp_path):
    """Else the test above could not fail."""
    (tmp_path / "bare").mkdir()
    left, _ = traced(BARE, tmp_path / "bare")
    if not left:
        pytest.skip("this ONNX Runtime keeps quiet by itself")
    assert any("onnxruntime" in str(path) for path in left)


def test_a_user_s_own_choice_about_reports_stands(monkeypatch):
    command = [sys.executable, "-c", "import mien, os; print(os.environ['ORT_DISABLE_TELEMETRY'])"]
    for given in (None, "0"):
        monkeypatch.delenv("ORT_DISABLE_TELEMETRY", raising=False)
        if given:
            monkeypatch.setenv("ORT_DISABLE_TELEMETRY", given)
        said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        assert said.strip() == (given or "1")


@pytest.mark.parametrize("data", ["", "relative/folder"])
def test_a_user_without_a_home_has_no_folder_of_models(tmp_path, monkeypatch, data):
    def no_home():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", no_home)
    monkeypatch.setenv("XDG_DATA_HOME", data)
    monkeypatch.setattr(sys, "platform", "linux")
    assert bundles.user_folder() is None
    assert bundles.find("default").name == "default"
    assert "default" in [found.path.name for found in bundles.list_bundles()]
    with pytest.raises(bundles.BundleError, match=r"no home folder.*XDG_DATA_HOME"):
        bundles.add(str(make_bundle(tmp_path / "tiny")))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert bundles.user_folder() == tmp_path / "mien" / "models"


@pytest.fixture(scope="module")
def used(tmp_path_factory):
    """A model whose sessions are open."""
    model = mien.load(make_bundle(tmp_path_factory.mktemp("bundles") / "tiny"), threads=2)
    model.classify(CROPS)
    model.analyze(BLANK)
    return model


def test_a_model_is_pickled_after_use(used):
    other = pickle.loads(pickle.dumps(used))
    np.testing.assert_array_equal(other.classify(CROPS).ballot, used.classify(CROPS).ballot)
    assert other.analyze(BLANK) == []


CHILD = """
import gc, os, sys, numpy as np, mien
model = mien.load(sys.argv[1], threads=int(sys.argv[3]))
crops = np.zeros((2, 48, 48), np.uint8)
first = model.classify(crops).ballot
model.analyze(np.zeros((64, 64, 3), np.uint8))
child = os.fork()
if not child:
    if sys.argv[2] == "run": assert (model.classify(crops).ballot == first).all()
    if sys.argv[2] == "drop": del model; gc.collect()
    sys.exit(0)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.parametrize("what", ["run", "drop", "exit"])
def test_a_forked_child_can_use_and_drop_the_model_and_end(used, what):
    command = [sys.executable, "-c", CHILD, str(used.bundle.path), what, "4"]
    done = subprocess.run(command, timeout=60, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def _score(model):
    return model.classify(CROPS).ballot


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no fork here")
def test_a_pool_of_forked_workers_takes_the_model(used):
    with multiprocessing.get_context("fork").Pool(1) as pool:
        found = pool.apply_async(_score, (used,)).get(60)
    np.testing.assert_array_equal(found, used.classify(CROPS).ballot)


def test_sessions_go_with_their_owner():
    opened = []

    class Owner:
        @SessionProperty
        def session(self):
            """One."""
            opened.append(self)
            return object()

    owner = Owner()
    assert owner.session is owner.session and len(opened) == 1
    assert Owner().session is not owner.session
    assert vars(owner) == {}


LIMITED = (
    "import resource, sys; resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv.pop(1)),) * 2); "
)
LIMITED += "from mien.cli import main; main()"


@pytest.mark.skipif(sys.platform != "linux", reason="limits of Linux")
@pytest.mark.parametrize("megabytes", [180, 2000])
def test_too_little_memory_is_a_sentence_or_enough(megabytes):
    arguments = [str(megabytes << 20), "predict", str(PHOTO), "--threads", "1"]
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, *arguments],
        env=environment, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert "Traceback" not in done.stderr
    assert done.returncode == 0 or "not enough memory" in done.stderr, done.stderr
    assert (done.returncode == 0) == (megabytes > 512)
