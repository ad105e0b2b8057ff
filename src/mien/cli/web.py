"""``mien serve`` and ``mien page``: the service, and the page without a service."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from mien.cli.plain import say

Model = Annotated[str | None, typer.Option("--model", "-m", help="A model's name or folder.")]


def serve(
    model: Model = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.", min=1, max=65535)] = 8000,
    token: Annotated[
        str | None,
        typer.Option(help="Bearer token that clients must send.", envvar="MIEN_TOKEN"),
    ] = None,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Open to other machines without a token.")
    ] = False,
    cors: Annotated[
        list[str] | None, typer.Option(help="Web origin that may use the service; repeat for more.")
    ] = None,
    threads: Annotated[int, typer.Option(help="Pictures at a time; 0: one a core.", min=0)] = 0,
    max_megabytes: Annotated[int, typer.Option(help="Of one request.", min=1)] = 32,
    max_megapixels: Annotated[float, typer.Option(help="Of one picture.", min=0.01)] = 50,
    max_pictures: Annotated[int, typer.Option(help="Of one request.", min=1)] = 32,
    max_faces: Annotated[int, typer.Option(help="Scored in one picture.", min=1)] = 100,
    max_requests: Annotated[int, typer.Option(help="Accepted at a time.", min=1)] = 64,
    timeout: Annotated[float, typer.Option(help="Seconds for one request.", min=1)] = 30,
    batching: Annotated[
        bool, typer.Option(help="Let concurrent requests share runs of the model.")
    ] = True,
    show: Annotated[bool, typer.Option("--open", help="Open the page in a browser.")] = False,
) -> None:
    """Serve the page and the HTTP service, on this machine only unless told otherwise.

    Example: mien serve --open

    Example: MIEN_TOKEN=secret mien serve --host 0.0.0.0 --port 80
    """
    try:
        from mien.web.listening import open_page
        from mien.web.server import address
        from mien.web.server import serve as run
    except ImportError as error:
        raise ValueError(
            f"mien serve needs {error.name}; install it with: pip install 'mien[web]'"
        ) from None
    from mien.web.limits import Limits

    body = max_megabytes * 2**20
    limits = Limits(
        body=body,
        held=max(8 * body, 256 * 2**20),
        pixels=int(max_megapixels * 1e6),
        pictures=max_pictures,
        faces=max_faces,
        requests=max_requests,
        seconds=timeout,
    )
    url = address({"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host), port)

    def tell() -> None:
        console = Console(stderr=True)
        console.print(f"mien listens on [bold]{url}[/] (Ctrl-C ends it)", highlight=False)
        if show:
            open_page(url)

    run(
        model,
        host=host,
        port=port,
        token=token,
        insecure=insecure,
        origins=cors or [],
        limits=limits,
        threads=threads,
        batching=batching,
        started=tell,
    )


def page(
    out: Annotated[Path, typer.Argument(help="Folder to write; made where missing.")],
    model: Model = None,
    ort: Annotated[
        Path | None,
        typer.Option(help="onnxruntime-web: its .tgz, or its folder under node_modules."),
    ] = None,
) -> None:
    """Write the page as a static folder that runs the model in the browser.

    It works from any static host, and pictures never leave the browser. The files of
    onnxruntime-web come from --ort, or from the npm registry through npm.

    Example: mien page site && python -m http.server --directory site
    """
    from mien.web.page import write_page

    files = write_page(out, model, ort=ort)
    size = sum(file.stat().st_size for file in files) / 1e6
    say(
        f"{out}: {len(files)} files, {size:.1f} MB; look at it with "
        f"python -m http.server --directory {out}"
    )
