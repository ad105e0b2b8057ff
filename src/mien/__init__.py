"""Facial expression recognition: seven classes, and how ten people would vote.

>>> import mien
>>> model = mien.load()
>>> for face in model.analyze("portrait.jpg"):
...     print(face.expression.top, face.expression.expression)
"""

__version__ = "0.1.0"

import os
from typing import TYPE_CHECKING, Any

from mien.emotions import BALLOT, EMOTIONS, Emotion
from mien.infer.results import Expression, Face, Picture, Scores

# ONNX Runtime reports its use to its maker unless this is set before it loads, which whatever
# uses mien does after this line.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

if TYPE_CHECKING:
    from mien.infer.model import Model, load
    from mien.infer.notebook import to_pandas

__all__ = [
    "BALLOT", "EMOTIONS", "Emotion", "Expression", "Face", "Model", "Picture", "Scores", "load",
    "to_pandas",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    """Import the model, and with it ONNX Runtime, on first use: the rest needs only numpy."""
    if name in ("load", "Model"):
        from mien.infer import model

        return getattr(model, name)
    if name == "to_pandas":
        from mien.infer import notebook

        return notebook.to_pandas
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
