"""The service's answers as types; the source of its OpenAPI."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from mien.emotions import BALLOT, EMOTIONS, Emotion

Share = Annotated[float, Field(ge=0, le=1)]

_VOTES = dict(zip((e.value for e in EMOTIONS), (0, 0, 0, 0.93, 0.06, 0, 0.01), strict=True))
_MIXED = dict(zip((e.value for e in EMOTIONS), (0, 0, 0, 0.95, 0.04, 0, 0.01), strict=True))
_LABEL = dict(
    zip((e.value for e in EMOTIONS), (0.01, 0, 0.01, 0.94, 0.02, 0.01, 0.01), strict=True)
)
_BALLOT = dict(zip(BALLOT, (0.06, 0.91, 0.01, 0, 0, 0, 0, 0.01, 0.01, 0), strict=True))
_EXPRESSION: dict[str, Any] = {
    "top": "happy",
    "expression": _MIXED,
    "votes": _VOTES,
    "label": _LABEL,
    "ballot": _BALLOT,
    "unclear": 0.01,
    "is_unclear": False,
}
_FACE = {
    "box": [171.4, 61.6, 280.7, 170.9],
    "landmarks": [[205, 102], [246, 101], [227, 127], [209, 145], [243, 145]],
    "detector_score": 0.95,
    "score": 0.95,
    "detected": True,
    "reasons": [],
    **_EXPRESSION,
}


def _example(value: Any) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [value]})


class ClassifyOptions(BaseModel):
    """Query of ``/v1/classify``; unknown names are refused, so that no typing error goes unseen."""

    model_config = ConfigDict(extra="forbid")

    cam: bool = Field(False, description="Also give activation maps, where the model has them.")
    head: Literal["expression", "votes", "label"] = Field(
        "expression",
        description="Which scores `top` looks at: the mix of both heads, people's votes, or "
        "FER-2013's labels.",
    )


class AnalyzeOptions(ClassifyOptions):
    """Query of ``/v1/analyze``."""

    min_face: int = Field(40, ge=8, le=2000, description="Side of the smallest face, pixels.")


class Expression(BaseModel):
    """What one face shows."""

    model_config = _example(_EXPRESSION)

    top: Emotion = Field(
        description="The highest of the seven scores of the chosen head, `expression` by default."
    )
    expression: dict[Emotion, Share] = Field(
        description="The reading shown first, mixed from votes and label; sums to 1."
    )
    votes: dict[Emotion, Share] = Field(
        description="Estimated shares of ten people's votes over the seven emotions; sum to 1."
    )
    label: dict[Emotion, Share] = Field(description="Probability of each FER-2013 label; sum to 1.")
    ballot: dict[str, Share] = Field(description="All ten options that FER+ annotators had.")
    unclear: Share = Field(
        description="Estimated share of people who could not say, or would see no face."
    )
    is_unclear: bool = Field(description="`unclear` is above the threshold in the model's card.")
    cam: list[list[list[float]]] | None = Field(
        None, description="Class-activation maps (7, h, w) over the crop, where asked for."
    )


class Face(Expression):
    """A face in a picture."""

    model_config = _example(_FACE)

    box: tuple[float, float, float, float] = Field(
        description="Left, top, right, bottom in pixels of the upright picture; may leave it."
    )
    landmarks: list[tuple[float, float]] | None = Field(
        description="Right eye, left eye, nose tip, right and left mouth corner as (x, y)."
    )
    detector_score: Share = Field(description="The detector's score.")
    score: Share = Field(
        description="The same under its old name; removed in the next release.",
        json_schema_extra={"deprecated": True},
    )
    detected: bool = Field(description="False where the whole picture was taken as a crop.")
    reasons: list[Literal["small", "blurred", "turned", "covered"]] = Field(
        description="Why the face is hard to read; empty where nothing is the matter. "
        "Independent of `is_unclear`."
    )


class Picture(BaseModel):
    """The faces of one picture, or why the picture could not be read."""

    model_config = _example(
        {
            "source": "astronaut.png",
            "width": 512,
            "height": 512,
            "faces": [_FACE],
            "dropped": 0,
            "error": None,
        }
    )

    source: str = Field(description="The file's name as it was sent, without folders.")
    width: int = 0
    height: int = 0
    faces: list[Face] = Field(description="Best detection first.")
    dropped: int = Field(0, description="Faces beyond the service's limit; not scored.")
    error: str | None = Field(None, description="One sentence, where it cannot be read.")


class Crop(BaseModel):
    """The expression of one ready crop, or why there is none."""

    model_config = _example({"source": "crop.png", "expression": _EXPRESSION, "error": None})

    source: str
    expression: Expression | None = None
    error: str | None = None


class ModelInfo(BaseModel):
    """A bundle that the service knows."""

    model_config = _example({"name": "default", "loaded": True, "card": {"name": "default"}})

    name: str
    loaded: bool = Field(description="Whether this service answers with it.")
    card: dict[str, Any] = Field(description="Its card: labels, data, metrics, thresholds, start.")


class Health(BaseModel):
    """State of the service."""

    model_config = _example({"status": "ok", "version": "0.1.0", "requests": 0})

    status: str
    version: str
    requests: int = Field(description="Requests that are being worked on.")
