"""Commands whose options are declared once: as the fields of the dataclass that holds them."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable
from typing import Any, get_type_hints

__all__ = ["command_of"]


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
