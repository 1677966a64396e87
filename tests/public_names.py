"""Every estimator and every function that users may import, found through `__all__`."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from importlib import import_module
from pkgutil import walk_packages
from typing import Any

from sklearn.base import BaseEstimator

import bandits
import metarouter
from metarouter.torch_regressor import TorchRegressor

__all__ = ["BASES", "public_estimators", "public_functions"]

# What subclasses are written of, and nobody makes one of.
BASES = {
    "BanditRouter",
    "BaseRouter",
    "BySize",
    "DuelingRouter",
    "FullInformationRouter",
    "LinearBandit",
    "OutcomeRouter",
    "PolicyRouter",
    "RegressionDuelist",
    "ShiftLearner",
}
# Commands and servers have tests of their own; `utils` is for the two packages themselves.
_NOT_CALLED_WITH_DATA = ("cli", "serving", "utils", "__main__", "trl_reward")
# Rooms of which users import the first floor: what lies below is trusted with checked arrays.
_ROOMS_OF_PARTS = ("inference", "judging", "reporting")


def _modules(*, rooms_alone: bool = False) -> list[Any]:
    found = []
    for package in (metarouter, bandits):
        below = walk_packages(package.__path__, f"{package.__name__}.")
        kept = [module.name for module in below if module.ispkg or not rooms_alone]
        for name in (package.__name__, *kept):
            parts = name.split(".")[1:]
            hidden = any(part.startswith("_") or part in _NOT_CALLED_WITH_DATA for part in parts)
            if not hidden and not (len(parts) > 1 and parts[0] in _ROOMS_OF_PARTS):
                found.append(import_module(name))
    return found


def _exported(modules: list[Any]) -> dict[str, Any]:
    return {
        name: getattr(module, name) for module in modules for name in getattr(module, "__all__", ())
    }


def public_estimators() -> dict[str, type[BaseEstimator]]:
    """Return every estimator that can be made, by name."""
    found = {
        name: thing
        for name, thing in _exported(_modules()).items()
        if inspect.isclass(thing) and issubclass(thing, BaseEstimator)
    }
    found["TorchRegressor"] = TorchRegressor
    return {name: kind for name, kind in found.items() if name not in BASES}


def public_functions() -> dict[str, Callable[..., Any]]:
    """Return every function of the rooms that users import from, by name.

    What single files offer beyond that is for the rooms above them, which check what they hand on.
    """
    exported = _exported([*_modules(rooms_alone=True), import_module("bandits.play")])
    return {name: thing for name, thing in exported.items() if inspect.isfunction(thing)}
