"""Routers in service: an HTTP endpoint and a LiteLLM plugin (extra ``serve``).

Names are loaded on first use: Starlette and LiteLLM are imported with what needs them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bandits.serving.app import create_app
    from bandits.serving.litellm_plugin import LiteLLMPlugin
    from bandits.serving.service import Routed, RoutingService, UnknownRequestError, open_service

_HOME = {
    "LiteLLMPlugin": "litellm_plugin",
    "Routed": "service",
    "RoutingService": "service",
    "UnknownRequestError": "service",
    "create_app": "app",
    "open_service": "service",
}

__all__ = [
    "LiteLLMPlugin",
    "Routed",
    "RoutingService",
    "UnknownRequestError",
    "create_app",
    "open_service",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"bandits.serving.{_HOME[name]}"), name)
    raise AttributeError(f"module 'bandits.serving' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
