"""What routers that are trained with torch need to be there."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from metarouter.exceptions import MetaRouterError
from metarouter.torch_regressor import device_of as named_device

__all__ = ["device_of", "require_torch"]


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


def device_of(device: str, who: str) -> Any:
    """Return the torch device that a name stands for; "auto" is a GPU where there is one.

    Raises
    ------
    DataError
        If there is no such device here.
    MetaRouterError
        If torch is not installed.
    """
    require_torch(who)
    import torch

    return named_device(torch, device, automatic="auto")
