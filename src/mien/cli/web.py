"""``mien serve`` and ``mien page``: the service, and the page without a service."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from mien.cli.plain import say
from mien.web.limits import Limits

LIMITS = Limits()

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
    allow_host: Annotated[
        list[str] | None,
        typer.Option(help="Host name that clients may use, such as a proxy's; repeat for more."),
    ] = None,
    root_path: Annotated[
        str, typer.Option(help="Path under which a proxy shows the service, such as /mien.")
    ] = "",
    threads: Annotated[int, typer.Option(help="Pictures at a time; 0: one per core.", min=0)] = 0,
    max_megabytes: Annotated[int, typer.Option(help="Largest request body.", min=1)] = LIMITS.body
    >> 20,
    max_megapixels: Annotated[
        float, typer.Option(help="Largest picture.", min=0.01)
    ] = LIMITS.pixels / 1e6,
    max_pictures: Annotated[
        int, typer.Option(help="Pictures in one request.", min=1)
    ] = LIMITS.pictures,
    max_faces: Annotated[
        int, typer.Option(help="Faces scored in one picture.", min=1)
    ] = LIMITS.faces,
    max_requests: Annotated[
        int, typer.Option(help="Requests worked on at a time.", min=1)
    ] = LIMITS.requests,
    max_streams: Annotated[
        int, typer.Option(help="Open streams at a time.", min=1)
    ] = LIMITS.streams,
    timeout: Annotated[
        float, typer.Option(help="Seconds for one request.", min=1)
    ] = LIMITS.seconds,
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
        hosts=allow_host or [],
        root_path=root_path,
        limits=Limits.of(
            megabytes=max_megabytes,
            megapixels=max_megapixels,
            pictures=max_pictures,
            faces=max_faces,
            requests=max_requests,
            streams=max_streams,
            seconds=timeout,
        ),
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
