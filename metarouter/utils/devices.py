"""Torch, where it is installed, and the device that a name stands for."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from metarouter.exceptions import DataError, MetaRouterError


def require_torch(user: str) -> None:
    """Say what to install where torch is missing, without importing it.

    Raises
    ------
    MetaRouterError
    """
    if find_spec("torch") is None:
        raise MetaRouterError(
            f"{user} needs torch, which is not installed: run pip install torch, or install "
            "metarouter[bandits]."
        )


def import_torch(user: str) -> Any:
    """Return torch.

    Raises
    ------
    MetaRouterError
        If torch is not installed, or cannot be imported.
    """
    require_torch(user)
    try:
        import torch
    except ImportError as error:
        raise MetaRouterError(
            f"{user} needs torch, which cannot be imported ({error}); install metarouter[bandits]."
        ) from None
    return torch


def device_of(device: str | None, user: str) -> Any:
    """Return the torch device that a name stands for; "auto" and None are a GPU if there is one.

    Raises
    ------
    DataError
        If there is no such device here.
    MetaRouterError
        If torch is not installed.
    """
    torch = import_torch(user)
    if device in (None, "auto"):
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        return torch.empty(0, device=device).device
    except (RuntimeError, TypeError, AssertionError, NotImplementedError):
        raise DataError(
            f"device is {device!r}, and torch finds none of that name here; give 'auto' or 'cpu'."
        ) from None
