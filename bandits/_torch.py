"""What routers that are trained with torch need to be there."""

from __future__ import annotations

from importlib.util import find_spec

from metarouter.exceptions import MetaRouterError

__all__ = ["require_torch"]


def require_torch(who: str) -> None:
    """Say what to install where torch is missing.

    Raises
    ------
    MetaRouterError
    """
    if find_spec("torch") is None:
        raise MetaRouterError(
            f"{who} is trained with torch, which is not installed: run pip install torch, or "
            "install metarouter with its extra 'bandits'."
        )
