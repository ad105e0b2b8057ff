"""The actor of Ray's engine, without Ray."""

import pyarrow as pa
from skimage import data as pictures
from skimage.io import imsave

from mien.infer.ray_engine import Analyst
from tests.tiny import make_bundle


def test_a_picture_that_cannot_be_fetched_is_a_row_with_its_error(tmp_path):
    imsave(tmp_path / "a.png", pictures.astronaut())
    analyst = Analyst(
        str(make_bundle(tmp_path / "bundles" / "tiny")), head="votes", crops=False, min_face=80
    )
    there, gone = (tmp_path / "a.png").as_uri(), (tmp_path / "b.png").as_uri()
    table = analyst(pa.table({"path": [gone, there, None]}))
    errors = dict(zip(table["source"].to_pylist(), table["error"].to_pylist(), strict=True))
    assert errors[there] is None
    assert "cannot be fetched" in errors[gone]
    assert len(errors) == 3 and list(errors)[2].startswith("sha256:")
