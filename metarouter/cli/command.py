"""Commands whose options are declared once: as the fields of the dataclass that holds them.

Every command of both command lines takes `--config` and `--verbose`, which are declared here.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import sys
import time
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

from metarouter.cli.options import RUNNING
from metarouter.exceptions import MetaRouterError
from metarouter.utils.names import listed, nearest

__all__ = ["add_command", "command_of"]


def command_of(name: str, settings: Any, run: Callable[[Any], None]) -> Callable[..., None]:
    """Return a command with an option per field, the docstring of the class as its help.

    Parameters
    ----------
    name : str
    settings : dataclass
        Its fields are annotated as typer's options and arguments are.
    run : callable
        Called with the settings.
    """
    hints = get_type_hints(settings, include_extras=True)

    def command(**given: Any) -> None:
        run(settings(**given))

    command.__name__, command.__doc__ = name, settings.__doc__
    command.__annotations__ = hints
    command.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [
            inspect.Parameter(
                field.name,
                inspect.Parameter.KEYWORD_ONLY,
                default=_default(field),
                annotation=hints[field.name],
            )
            for field in dataclasses.fields(settings)
        ]
    )
    return command


def _default(field: dataclasses.Field[Any]) -> Any:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return inspect.Parameter.empty if field.default is dataclasses.MISSING else field.default


def add_command(app: typer.Typer, command: Callable[..., None], panel: str | None = None) -> None:
    """Add a command to a program, with the options that all commands have.

    Parameters
    ----------
    app : typer.Typer
    command : callable
        Its parameters are annotated as typer's options and arguments are.
    panel : str, optional
        Where the help lists it.
    """
    own = inspect.signature(command).parameters.values()
    hints = get_type_hints(command, include_extras=True)

    @functools.wraps(command)
    def with_common_options(
        *, config: Path | None = None, verbose: bool = False, **given: Any
    ) -> None:
        began = time.monotonic()
        if verbose:
            settings = ", ".join(f"{name}={value!s}" for name, value in given.items())
            print(f"{command.__name__}: {settings}", file=sys.stderr)
        command(**given)
        if verbose:
            seconds = time.monotonic() - began
            print(f"{command.__name__}: done in {seconds:.1f} s", file=sys.stderr)

    common = {"config": Config, "verbose": Verbose}
    defaults = {"config": None, "verbose": False}
    with_common_options.__annotations__ = {**hints, **common}
    with_common_options.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [
            *(
                one.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=hints[one.name])
                for one in own
            ),
            *(
                inspect.Parameter(
                    name, inspect.Parameter.KEYWORD_ONLY, default=defaults[name], annotation=hint
                )
                for name, hint in common.items()
            ),
        ]
    )
    app.command(rich_help_panel=panel)(with_common_options)


def _take_defaults(context: typer.Context, path: Path | None) -> Path | None:
    """Let the options of a file stand where the command line has none."""
    if path is None or context.resilient_parsing:
        return path
    known = {
        name.lstrip("-").replace("-", "_"): option.name
        for option in context.command.params
        for name in (*option.opts, option.name)
        if option.name not in ("config", "verbose", "help")
    }
    given = _options_in(path, str(context.info_name))
    unknown = [name for name in given if name.replace("-", "_") not in known]
    if unknown:
        raise MetaRouterError(
            f"{path} sets {unknown[0]!r}, which is no option of {context.info_name}"
            f"{nearest(unknown[0], known)}: take it out, or name it as the command line does."
        )
    context.default_map = {
        **(context.default_map or {}),
        **{known[name.replace("-", "_")]: value for name, value in given.items()},
    }
    return path


def _options_in(path: Path, command: str) -> dict[str, Any]:
    """Return the options that a file of TOML has for a command."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise MetaRouterError(
            f"--config {path} cannot be read ({error.strerror}): check the path."
        ) from None
    except ValueError as error:
        raise MetaRouterError(f"--config {path} is no TOML ({error}): mend it.") from None
    tables = [name for name, value in content.items() if isinstance(value, dict)]
    if not tables:
        return content
    if len(tables) < len(content):
        raise MetaRouterError(
            f"--config {path} has options outside of its tables ({listed(tables)}): put each into "
            "the table of its command."
        )
    found: dict[str, Any] = content.get(command, {})
    if not found:
        raise MetaRouterError(
            f"--config {path} has no table [{command}], but {listed(tables)}: add it."
        )
    return found


Config = Annotated[
    Path | None,
    typer.Option(
        "--config",
        help="A file of options (TOML), in a table named as the command, such as [fit], or "
        "without tables; what stands on the command line goes first.",
        rich_help_panel=RUNNING,
        show_default=False,
        is_eager=True,
        callback=_take_defaults,
    ),
]
Verbose = Annotated[
    bool,
    typer.Option(
        "--verbose",
        help="Say with which settings a command runs and how long it takes; errors come with a "
        "traceback.",
        rich_help_panel=RUNNING,
        show_default=False,
    ),
]
