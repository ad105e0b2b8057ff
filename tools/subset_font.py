"""Cut the font of annotated pictures down to the letters that mien draws.

The font is Noto Sans KR (Adobe and Google, SIL Open Font License 1.1), taken from the PyPI
package ``pylopdf-fonts-ko``. fonttools is needed only here:

    python -m venv scratch && . scratch/bin/activate
    pip install fonttools . && pip download --no-deps pylopdf-fonts-ko==0.1.1
    python tools/subset_font.py pylopdf_fonts_ko-0.1.1-py3-none-any.whl

Run it again when a language or a phrase is added; ``tests/infer/test_panels.py`` fails until then.
"""

import argparse
import io
import zipfile
from pathlib import Path

from fontTools import subset, ttLib

from mien.infer.panels import letters

ASSETS = Path(__file__).parents[1] / "src" / "mien" / "assets"


def main() -> None:
    """Read the wheel, subset, write the font and its licence."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("wheel", type=Path, help="pylopdf_fonts_ko-0.1.1-py3-none-any.whl")
    wheel = zipfile.ZipFile(parser.parse_args().wheel)
    font = ttLib.TTFont(io.BytesIO(wheel.read("pylopdf_fonts_ko/NotoSansKR-Regular.otf")))
    copyright_line = font["name"].getDebugName(0)
    options = subset.Options(layout_features=["kern"], hinting=False, desubroutinize=True)
    subsetter = subset.Subsetter(options)
    subsetter.populate(text=letters())
    subsetter.subset(font)
    out = ASSETS / "NotoSansKR-subset.otf"
    font.save(out)
    licence = next(name for name in wheel.namelist() if name.endswith("licenses/LICENSE"))
    text = "\n".join(line.rstrip() for line in wheel.read(licence).decode().splitlines())
    title = "NotoSansKR-subset.otf: a subset of Noto Sans KR, made by tools/subset_font.py."
    (ASSETS / "NOTICE-fonts").write_text(f"{title}\n{copyright_line}\n\n{text}\n")
    print(f"{out.name}: {out.stat().st_size:,} bytes, {len(letters())} letters")


if __name__ == "__main__":
    main()
