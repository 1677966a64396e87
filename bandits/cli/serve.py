"""``bandits serve``: a router behind an HTTP endpoint."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from metarouter.cli.command import command_of
from metarouter.exceptions import MetaRouterError

__all__ = ["serve"]

_LIMITS = "Limits"


@dataclass(frozen=True, kw_only=True)
class ServeSettings:
    """Serve a router over HTTP: POST /route, POST /outcome, GET /health, GET /metrics.

    A bandit explores and learns from outcomes; a router of `metarouter fit` is served as it is.
    Ctrl-C or SIGTERM answers what is under way, and closes the journal.

        bandits serve router.npz --encoder minilm --journal live --port 8080
    """

    router: Annotated[
        Path,
        typer.Argument(
            help="A bandit's file (.npz), a file of `metarouter fit`, or the folder of a journal.",
            show_default=False,
        ),
    ]
    encoder: Annotated[
        str | None,
        typer.Option(
            help="What turns prompts into features: minilm, or a router file that was fitted on "
            "text.",
            show_default="none",
        ),
    ] = None
    journal: Annotated[
        Path | None,
        typer.Option(
            help="Folder for decisions and outcomes; one that is there is resumed.",
            show_default="none: forgotten at the end",
        ),
    ] = None
    preference: Annotated[
        tuple[float, float] | None,
        typer.Option(
            help="Weights of quality and cost of requests that name none.",
            show_default="all alike",
        ),
    ] = None
    host: Annotated[str, typer.Option(help="Address to listen at.")] = "127.0.0.1"
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8080
    max_body: Annotated[
        int, typer.Option(min=1, help="Bytes of a request.", rich_help_panel=_LIMITS)
    ] = 1_000_000
    timeout: Annotated[
        float, typer.Option(min=0.001, help="Seconds of a request.", rich_help_panel=_LIMITS)
    ] = 10.0
    threads: Annotated[
        int, typer.Option(min=1, help="Requests worked on at a time.", rich_help_panel=_LIMITS)
    ] = 16


def _run(settings: ServeSettings) -> None:
    try:
        import uvicorn

        from bandits.serving.app import create_app
    except ImportError as error:
        raise MetaRouterError(
            f"Serving needs {error.name}, which is not installed: install metarouter[serve]."
        ) from None
    from bandits.serving.service import open_service

    service = open_service(
        settings.router,
        encoder=settings.encoder,
        journal=settings.journal,
        preference=settings.preference,
    )
    app = create_app(
        service, max_body=settings.max_body, timeout=settings.timeout, threads=settings.threads
    )
    configured = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=max(1, round(settings.timeout)),
        h11_max_incomplete_event_size=65536,
    )
    server = uvicorn.Server(configured)
    typer.echo(f"Serving {service.version} at http://{settings.host}:{settings.port}", err=True)
    try:
        server.run()
    except (SystemExit, KeyboardInterrupt):
        if not server.started:
            raise
    finally:
        service.close()
    if not server.started:
        raise typer.Exit(1)


serve = command_of("serve", ServeSettings, _run)
