"""The command line: every verb of mien, each in a file of its own group."""

import sys

import typer

app = typer.Typer(no_args_is_help=True, add_completion=True, pretty_exceptions_enable=False)


def main() -> None:
    """Run ``mien``; what a user can mend is one line, not a traceback."""
    from mien.cli.train import train

    app.command()(train)
    app.command("hi")(lambda: None)
    try:
        app()
    except (ValueError, OSError, FloatingPointError) as error:
        print(f"mien: {error}", file=sys.stderr)
        sys.exit(1)
