"""mien recognises facial expressions: seven classes, and how ten people would vote.

>>> import mien
>>> model = mien.load()
>>> for face in model.analyze("portrait.jpg"):
...     print(face.expression.top, face.expression.votes)
"""

from typing import TYPE_CHECKING, Any

from mien.emotions import BALLOT, EMOTIONS, Emotion
from mien.infer.results import Expression, Face, Picture, Scores

if TYPE_CHECKING:
    from mien.infer.model import Model, load

__version__ = "0.1.0"
__all__ = [
    "BALLOT", "EMOTIONS", "Emotion", "Expression", "Face", "Model", "Picture", "Scores", "load",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    """Import the model, and with it ONNX Runtime, on first use: the rest needs only numpy."""
    if name in ("load", "Model"):
        from mien.infer import model

        return getattr(model, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
