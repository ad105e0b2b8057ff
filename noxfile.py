"""Tests at both ends of the dependency ranges: nox, or nox -s lowest-3.12."""

import nox

PYTHONS = ["3.11", "3.12", "3.13", "3.14"]
nox.options.sessions = ["newest", "lowest"]
nox.options.error_on_missing_interpreters = False
nox.options.default_venv_backend = "uv"

QUICK = ["tests", *(f"--ignore=tests/{each}" for each in
                    ("train", "web", "docs", "workflows", "cli/test_export.py",
                     "cli/test_terminal.py", "cli/test_train.py"))]  # fmt: skip
"""What needs no torch and no browser: installing torch for each Python would take hours."""
NEEDED = [".[data,video,web,heic,parquet,hub]", "pytest>=8.3", "hypothesis>=6.100",
          "jsonschema>=4.23", "scikit-image>=0.24", "scikit-learn>=1.5", "httpx>=0.27"]  # fmt: skip


@nox.session(python=PYTHONS)
def newest(session: nox.Session) -> None:
    """The newest versions that pyproject.toml allows."""
    session.install(*NEEDED)
    session.run("pytest", *QUICK, *session.posargs)


@nox.session(python=["3.11", "3.12"])
def lowest(session: nox.Session) -> None:
    """The lowest versions of our own dependencies that pyproject.toml allows."""
    session.install("--resolution", "lowest-direct", *NEEDED)
    session.run("pytest", *QUICK, *session.posargs)


@nox.session(python=PYTHONS)
def video(session: nox.Session) -> None:
    """The newest PyAV reads and writes a film."""
    session.install(".[video]", "pytest", "scikit-image")
    session.run("pytest", "tests/infer/test_film.py", "tests/infer/test_video.py")


@nox.session(python="3.12")
def whole(session: nox.Session) -> None:
    """Everything, torch included."""
    session.install(".[dev]")
    session.run("pytest", *session.posargs)
