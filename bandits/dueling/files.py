"""A dueling router in one file: arrays and a header in JSON, never pickle."""

from __future__ import annotations

import json
import os
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bandits._arms import check_arms
from bandits._persistence import DUELING
from bandits.dueling.base import DuelingRouter
from metarouter import __version__
from metarouter.exceptions import RouterFileError
from metarouter.utils.archives import write_arrays
from metarouter.utils.parameters import check_parameter, check_whole

__all__ = ["router_from_file", "save_dueling_router"]

# Learned attributes that are plain enough for JSON, and arrays of all routers.
_PLAIN = ("arms_", "n_features_in_", "n_updates_", "_seed", "_cap", "_spread")
_ARRAYS = ("embeddings_", "_center", "_known", "_identity")
_GIVEN_ELSEWHERE = ("embeddings", "arms", "cost")


def save_dueling_router(router: DuelingRouter, path: str | os.PathLike[str]) -> None:
    """Write a router to one .npz file, whole or not at all.

    Raises
    ------
    RouterFileError
        If the name of an arm, or a parameter, is neither a number, text nor None.
    """
    parameters = {
        name: value
        for name, value in router.get_params(deep=False).items()
        if name not in _GIVEN_ELSEWHERE
    }
    if not isinstance(parameters["random_state"], int | None):
        parameters["random_state"] = router._seed
    header = {
        "format": DUELING,
        "version": __version__,
        "class": type(router).__name__,
        "parameters": parameters,
        "learned": {name: getattr(router, name) for name in _PLAIN},
        "feature_names": list(getattr(router, "feature_names_in_", [])),
        "generator": router._exploration.bit_generator.state,
    }
    odd = [name for name in router.arms_ if not isinstance(name, str | int | float)]
    if odd:
        raise RouterFileError(
            f"The router cannot be saved: the arm {odd[0]!r} is neither a number nor text; name "
            "arms by numbers or text."
        )
    try:
        text = json.dumps(header, default=_plain)
    except TypeError as error:
        raise RouterFileError(
            f"The router cannot be saved: {error}; give parameters that are numbers, text or None."
        ) from None
    arrays = {name: getattr(router, name) for name in _ARRAYS}
    if router.cost_ is not None:
        arrays["cost_"] = router.cost_
    for name, values in router._arrays().items():
        arrays[f"learned_{name}"] = values
    write_arrays(path, {"header": np.array(text), **arrays})


def router_from_file(header: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> DuelingRouter:
    """Build the router that was saved.

    Raises
    ------
    RouterFileError, LookupError, TypeError or ValueError
        If header and arrays are not those of a router.
    """
    found = getattr(import_module("bandits.dueling"), header["class"], None)
    if not (isinstance(found, type) and issubclass(found, DuelingRouter)):
        raise RouterFileError(f"The file holds a {header['class']!r}, which is no dueling router.")
    learned = header["learned"]
    _require_sense(learned, arrays)
    embeddings, cost = arrays["embeddings_"], arrays.get("cost_")
    router: DuelingRouter = found(
        **{**header["parameters"], "embeddings": embeddings, "arms": learned["arms_"], "cost": cost}
    )
    router._begin(None)
    for name in _PLAIN:
        setattr(router, name, learned[name])
    for name in _ARRAYS:
        setattr(router, name, arrays[name])
    if header["feature_names"]:
        router.feature_names_in_ = np.array(header["feature_names"], dtype=object)
    router._arms_changed()  # what is kept of each arm that ever was has its place
    held = {
        name.removeprefix("learned_"): a for name, a in arrays.items() if name[:8] == "learned_"
    }
    _require_shapes(router._arrays(), held)
    router._set_arrays(held)
    router._exploration.bit_generator.state = header["generator"]
    return router


def _require_sense(learned: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> None:
    names, width = check_arms(learned["arms_"]), learned["n_features_in_"]
    check_whole("n_features_in_", width)
    check_whole("n_updates_", learned["n_updates_"], 0)
    check_whole("_seed", learned["_seed"], 0)
    check_parameter("_spread", learned["_spread"], lambda value: value > 0, "above 0")
    check_parameter("_cap", learned["_cap"], lambda value: value >= 0, "0 or more")
    known, identity = arrays["_known"], arrays["_identity"]
    shapes = {"embeddings_": (len(names), width), "_center": (width,), "_identity": (len(names),)}
    for name, shape in shapes.items():
        if arrays[name].shape != shape:
            raise ValueError(f"{name} has shape {arrays[name].shape}")
    if known.ndim != 2 or known.shape[1] != width or identity.dtype.kind != "i":
        raise ValueError("embeddings of known arms do not fit")
    if identity.min() < 0 or identity.max() >= len(known):
        raise ValueError("an arm has no embedding")
    if not all(np.isfinite(values).all() for values in arrays.values()):
        raise ValueError("an array is not finite")


def _require_shapes(expected: dict[str, NDArray[Any]], held: dict[str, NDArray[Any]]) -> None:
    """Refuse arrays that differ in more than the number of duels, the first axis of some."""
    for name, like in expected.items():
        array = held.get(name)
        if array is None or array.dtype.kind != like.dtype.kind or array.ndim != like.ndim:
            raise ValueError(f"{name} is missing or of another kind")
        rows = len(like) if like.ndim and len(like) else None
        if array.shape[1:] != like.shape[1:] or (rows is not None and len(array) != rows):
            raise ValueError(f"{name} has shape {array.shape}")


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} {value!r} is neither a number nor text")
