"""A router in one file: arrays and a header in JSON, never pickle."""

from __future__ import annotations

import json
import os
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bandits._arms import check_arms
from metarouter import __version__
from metarouter.exceptions import RouterFileError
from metarouter.utils.archives import ArchiveError, read_arrays, write_arrays
from metarouter.utils.arguments import validated
from metarouter.utils.parameters import (
    check_parameter,
    check_parameters,
    check_whole,
    printable,
    shown,
)

__all__ = ["load_bandit", "save_bandit"]

FORMAT = "bandit-router-3"
DUELING = "dueling-router-1"  # routers that learn from duels have another state

# Learned attributes that are plain enough for JSON.
_PLAIN = (
    "arms_", "n_outcomes_", "n_updates_", "n_features_in_", "_seed",
)  # fmt: skip

# What reading a header or arrays that fit no router may raise.
_DAMAGE = (
    LookupError, TypeError, ValueError, AttributeError, ArithmeticError, MemoryError,
    RecursionError, NotImplementedError,
)  # fmt: skip

# What a router was started from, and where its training leaves its state.
_NOT_KEPT = ("prior", "checkpoint")


def save_bandit(router: Any, path: str | os.PathLike[str]) -> None:
    """Write a fitted router to one .npz file, whole or not at all.

    Raises
    ------
    RouterFileError
        If a parameter or the name of an arm is neither a number, text nor None, or parameters were
        changed after training so that they no longer fit what was learned.
    """
    header: dict[str, Any] = {
        "format": FORMAT,
        "version": __version__,
        "class": type(router).__name__,
        "parameters": {k: v for k, v in router._settings().items() if k not in _NOT_KEPT},
        "learned": {
            **{name: getattr(router, name) for name in _PLAIN},
            "caps_": router._caps.values,
            "_found_caps": router._caps.is_found,
        },
        "feature_names": list(getattr(router, "feature_names_in_", [])),
        "generators": [router._ties.bit_generator.state, router._exploration.bit_generator.state],
    }
    odd = [name for name in router.arms_ if not isinstance(name, str | int | float)]
    if odd:
        raise RouterFileError(
            f"The router cannot be saved: the arm {odd[0]!r} is neither a number nor text; name "
            "arms by numbers or text."
        )
    header["parameters"]["arms"] = router.arms_
    if not isinstance(header["parameters"]["random_state"], int | None):
        header["parameters"]["random_state"] = router._seed
    try:
        text = json.dumps(header, default=_plain)
    except TypeError as error:
        raise RouterFileError(
            f"The router cannot be saved: {error}; name arms by numbers or text, and give "
            "parameters that are numbers, text or None."
        ) from None
    arrays = router._arrays()
    try:
        _require_shapes(_blank(json.loads(text)), arrays)
    except _DAMAGE as error:
        raise RouterFileError(
            f"The router cannot be saved, as its file could not be read ({error}): set parameters "
            "that were changed after training back, or train it again."
        ) from None
    write_arrays(path, {"header": np.array(text), **arrays})


@validated()
def load_bandit(path: str | os.PathLike[str]) -> Any:
    """Read a router that was saved with ``router.save``; it goes on where it was.

    Parameters
    ----------
    path : str or path-like

    Returns
    -------
    BanditRouter
        With the same decisions, posteriors and draws to come as the one that was saved.

    Raises
    ------
    RouterFileError
        If the file is missing, truncated, no saved bandit router, or one of another version that
        holds other things.

    Examples
    --------
    >>> import tempfile, numpy as np
    >>> from bandits import LinUCB
    >>> router = LinUCB(random_state=0).fit(np.eye(2), np.eye(2))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     router.save(f"{folder}/router.npz")
    ...     again = load_bandit(f"{folder}/router.npz")
    >>> bool((again.predict(np.eye(2)) == router.predict(np.eye(2))).all())
    True
    """
    header, arrays = _read(path)
    try:
        if header["format"] == DUELING:
            # By name: this file is of the ground floor, and knows no router when it is imported.
            return import_module("bandits.dueling.files").router_from_file(header, arrays)
        router, learned = _blank(header), header["learned"]
        for name in _PLAIN:
            setattr(router, name, learned[name])
        router._caps.values, router._caps.is_found = learned["caps_"], learned["_found_caps"]
        if header["feature_names"]:
            router.feature_names_in_ = np.array(header["feature_names"], dtype=object)
        for generator, state in zip(
            (router._ties, router._exploration), header["generators"], strict=True
        ):
            generator.bit_generator.state = state
        _require_shapes(router, arrays)
        router._set_arrays(arrays)
    except RouterFileError:
        raise
    except _DAMAGE as error:
        reason = f"{type(error).__name__}: {printable(error)}"
        if header.get("version") != __version__:
            raise _of_another_version(path, header, reason) from None
        raise RouterFileError(f"{path} is damaged ({reason}); save the router again.") from None
    return router


def _read(path: str | os.PathLike[str]) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    try:
        arrays = read_arrays(path)
        header = json.loads(str(arrays.pop("header")))
    except FileNotFoundError:
        raise RouterFileError(f"There is no file {path}; save a router there first.") from None
    except (ArchiveError, KeyError, ValueError, RecursionError):
        raise RouterFileError(
            f"{path} is truncated or no saved bandit router; save the router again."
        ) from None
    if not isinstance(header, dict) or header.get("format") not in (FORMAT, DUELING):
        found = header if isinstance(header, dict) else {}
        raise _of_another_version(path, found, f"its format is {shown(found.get('format'))}")
    return header, arrays


def _of_another_version(
    path: str | os.PathLike[str], header: dict[str, Any], reason: str
) -> RouterFileError:
    return RouterFileError(
        f"{path} was saved by another version, bandits {printable(header.get('version'))}, and "
        f"cannot be used with this one, {__version__} ({reason}); fit the router again and save "
        "it, or install the version that saved it."
    )


def _blank(header: dict[str, Any]) -> Any:
    """Return a router with the settings, features and arms of a header, that has learned nothing.

    Raises
    ------
    RouterFileError, or one of `_DAMAGE`
    """
    kind, learned = _class_of(header["class"]), header["learned"]
    router = kind._from_settings(header["parameters"])
    check_parameters(router)
    _require_sense(learned, header["feature_names"])
    router.n_features_in_ = learned["n_features_in_"]
    router._begin(learned["arms_"], learned["n_outcomes_"])
    return router


def _class_of(name: str) -> Any:
    from bandits.base import BaseRouter

    rooms = map(import_module, ("bandits", "bandits.full_information"))
    found = next((getattr(room, name) for room in rooms if hasattr(room, name)), None)
    if not (isinstance(found, type) and issubclass(found, BaseRouter)):
        raise RouterFileError(f"The file holds a {name!r}, which is no bandit router.")
    return found


def _require_sense(learned: dict[str, Any], feature_names: list[Any]) -> None:
    """Refuse learned values that no router can have.

    Raises
    ------
    ValueError, TypeError, KeyError
    """
    n_outcomes, caps, found = learned["n_outcomes_"], learned["caps_"], learned["_found_caps"]
    check_whole("n_outcomes_", n_outcomes)
    if n_outcomes > 3 or not len(caps) == len(found) == n_outcomes - 1:
        raise ValueError(f"{n_outcomes} outcomes with {len(caps)} caps, {len(found)} of them known")
    if not all(isinstance(one, bool) for one in found):
        raise TypeError("whether a cap was found is neither true nor false")
    check_arms(learned["arms_"])
    check_whole("n_features_in_", learned["n_features_in_"])
    check_whole("n_updates_", learned["n_updates_"], 0)
    check_whole("_seed", learned["_seed"], 0)
    for cap in caps:
        check_parameter("caps_", cap, lambda cap: cap >= 0, "0 or more")
    if feature_names and len(feature_names) != learned["n_features_in_"]:
        raise ValueError(f"{len(feature_names)} names of {learned['n_features_in_']} features")


def _require_shapes(router: Any, arrays: dict[str, NDArray[Any]]) -> None:
    for name, expected in router._expected_arrays(arrays).items():
        held = arrays.get(name)
        if held is None or held.shape != expected.shape or held.dtype != expected.dtype:
            raise RouterFileError(
                f"The file's array {name!r} is missing or has another shape than its header says; "
                "save the router again."
            )
        if not np.isfinite(held).all():
            raise RouterFileError(f"The file's array {name!r} is not finite; save it again.")


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} {value!r} is neither a number nor text")
