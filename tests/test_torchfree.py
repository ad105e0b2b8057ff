import subprocess
import sys

import pytest

from tests.tiny import make_bundle

HEAVY = (
    "torch torchvision timm accelerate sklearn scipy matplotlib pandas cleanlab fastapi av ray onnx"
)

BLOCK = f"""
import sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {HEAVY.split()!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Block())
"""


def run(code: str, *argv: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", BLOCK + code, *argv], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return str(make_bundle(tmp_path_factory.mktemp("b") / "tiny"))


def test_analyze_works_with_the_core_packages_alone(bundle):
    code = """
import mien
from PIL import Image
model = mien.load(sys.argv[1])
faces = model.analyze("examples/astronaut.jpg")
print(len(faces), faces[0].expression.top)
"""
    assert run(code, bundle).startswith("1 ")


def test_the_command_works_with_the_core_packages_alone(bundle):
    code = "sys.argv = ['mien', 'predict', 'examples/astronaut.jpg', '--model', sys.argv[1]]\n"
    code += "from mien.cli import main\n"
    code += "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code"
    assert "astronaut.jpg" in run(code, bundle)


def test_import_is_light():
    code = "import mien; print([m for m in ('onnxruntime', 'PIL', 'typer') if m in sys.modules])"
    assert run(code).strip() == "[]"
