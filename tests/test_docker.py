"""The image's build gets every file that the package is made of."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_what_the_package_needs_is_copied_and_not_ignored():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    needed = {"pyproject.toml", project["project"]["readme"], *project["project"]["license-files"]}
    needed |= {path.split("/")[0] for path in (*wheel["packages"], *wheel["force-include"])}
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    build = dockerfile.split("\nRUN ")[0]
    copied = {name for line in re.findall(r"^COPY (.+) \S+$", build, re.M) for name in line.split()}
    assert needed <= copied
    assert all((ROOT / name).exists() for name in copied)
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert {f"!{name}" for name in copied} <= set(ignored)
