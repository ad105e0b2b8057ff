"""MkDocs hooks: add the reference pages, which are made from the code, and the in-browser demo."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Any

from mkdocs.plugins import get_plugin_logger
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tools.docs import columns, reference  # noqa: E402

log = get_plugin_logger("mien")

PAGES = {
    "reference/python.md": reference.python_page,
    "reference/cli.md": reference.cli_page,
    "reference/http.md": reference.http_page,
    "reference/recipe.md": reference.recipe_page,
    "reference/data.md": columns.page,
    "reference/openapi.json": reference.openapi_text,
}
COPIES = {"model-card.md": "MODEL_CARD.md", "data-card.md": "DATA_CARD.md",
          "changelog.md": "CHANGELOG.md", "security.md": "SECURITY.md"}  # fmt: skip


def on_files(files: Files, config: Any) -> Files:
    """Generate the reference, and take the cards in from the root of the repository."""
    for path, make in PAGES.items():
        files.append(File.generated(config, path, content=make()))
    for path, source in COPIES.items():
        text = (ROOT / source).read_text(encoding="utf-8").replace("](docs/", "](")
        for page, other in COPIES.items():
            text = text.replace(f"]({other}", f"]({page}")
        files.append(File.generated(config, path, content=text))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Links that lead from docs/ to a file of the repository lead to the site's own page."""
    for page, source in COPIES.items():
        markdown = markdown.replace(f"](../{source}", f"]({page}")
        markdown = markdown.replace(f"](../../{source}", f"](../{page}")
    return markdown


def on_post_build(config: Any) -> None:
    """Write the static page of ``mien page`` to ``demo/``.

    It needs onnxruntime-web, which npm fetches once; ``MIEN_ORT`` names a copy. Without either,
    the site is built without the demo, and ``demo/`` says how to get it.
    """
    from mien.web.page import write_page

    kept = ROOT / ".cache" / "onnxruntime-web"
    demo = Path(config.site_dir) / "demo"
    given = os.environ.get("MIEN_ORT") or (kept if kept.is_dir() else None)
    try:
        write_page(demo, ort=Path(given) if given else None)
    except ValueError as error:
        log.info(f"the in-browser demo is left out: {error}")
        shutil.copytree(ROOT / "tools" / "docs" / "no_demo", demo, dirs_exist_ok=True)
        return
    kept.mkdir(parents=True, exist_ok=True)
    for file in (demo / "ort").iterdir():
        shutil.copyfile(file, kept / file.name)
