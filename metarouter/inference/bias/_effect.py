"""Which effect is tested: the shift of the preference labels, or the gold gain."""

from __future__ import annotations

from typing import Literal

from metarouter.exceptions import MetaRouterError

Effect = Literal["shift", "gain"]


def check_effect(effect: str, name: str = "effect") -> None:
    """Refuse what is neither."""
    if effect not in ("shift", "gain"):
        raise MetaRouterError(f"{name}={effect!r} is unknown; choose 'shift' or 'gain'.")
