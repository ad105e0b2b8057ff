"""What is printed is what was meant, brackets and long paths too."""

import io

import pytest
from rich.console import Console
from typer.testing import CliRunner

from mien import __version__
from mien.cli import build
from mien.cli.plain import grid, say


def narrow() -> Console:
    return Console(file=io.StringIO(), width=30)


def test_a_line_keeps_brackets_and_is_not_cut():
    console = narrow()
    path = "/pictures of [bold] people [/2024]/" + "long/" * 10
    say(f"wrote {path}", console)
    assert console.file.getvalue() == f"wrote {path}\n"


def test_a_table_keeps_brackets_and_long_words():
    console = narrow()
    console.print(grid(["name", "score"], [["faces [red].npz " + "x" * 40, "71.5 %"]]))
    shown = console.file.getvalue()
    assert "[red].npz" in shown and "71.5 %" in shown
    assert shown.count("x") == 40


def test_headings_keep_brackets_too():
    console = narrow()
    console.print(grid(["", "b[/x].csv"], [["a", "1"]], title="a[red] on b[/x]"))
    shown = console.file.getvalue()
    assert "a[red] on b[/x]" in shown and "b[/x].csv" in shown


def test_the_version_needs_no_verb():
    result = CliRunner().invoke(build(), ["--version"])
    assert (result.exit_code, result.stdout.strip()) == (0, __version__)


@pytest.mark.parametrize("verb", [["calibrate"], ["data", "prepare"], ["models", "add"]])
def test_help_names_arguments_in_capitals(verb):
    shown = CliRunner().invoke(build(), [*verb, "--help"], env={"COLUMNS": "80"}).output
    usage = next(line for line in shown.splitlines() if "Usage:" in line)
    names = usage.partition("[OPTIONS]")[2]
    assert names.strip() and names == names.upper()


def test_help_keeps_brackets_and_fills_its_lines():
    result = CliRunner().invoke(build(), ["tune", "--help"], env={"COLUMNS": "80"})
    words = " ".join(result.stdout.split())
    assert "recipe's [tune] section" in words
    assert "Run it again to resume; run it in another terminal, or on another machine with\n" in (
        "\n".join(line.strip() for line in result.stdout.splitlines())
    )
