"""Finished parts of a study in a folder, so that one that was killed goes on where it stopped."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import sklearn
from sklearn.base import clone

from bandits.evaluation._test_rows import RouterOutcome
from metarouter import __version__
from metarouter.utils.archives import ArchiveError, read_arrays, write_arrays

__all__ = ["PartsFolder", "key_of"]

_ODD = r"[^\w.-]"  # in the name of a file


class PartsFolder:
    """A folder with one small file per router and seed, found again by what decides its numbers.

    Parameters
    ----------
    path : path-like or None
        Created when the first part is finished; several studies may share it. None keeps nothing.
    """

    def __init__(self, path: str | os.PathLike[str] | None) -> None:
        self.path = None if path is None else Path(path)

    def recall(self, name: str, key: str, make: Callable[[], RouterOutcome]) -> RouterOutcome:
        """Return a part that was finished under this key, or make it and keep it."""
        if self.path is None:
            return make()
        file = self.path / f"{re.sub(_ODD, '_', name)[:80]}-{key}.npz"
        found = _read(file, key)
        if found is None:
            found = make()
            write_arrays(file, {"key": key, **found._asdict()})
        return found


def key_of(router: Any, *decides: Any) -> str:
    """Return a key of a router's parameters and of whatever else decides its numbers."""
    versions = (__version__, np.__version__, sklearn.__version__)
    return joblib.hash((clone(router), *decides, *versions))


def _read(file: Path, key: str) -> RouterOutcome | None:
    """Return a part, or None where there is none that can be trusted."""
    try:
        values = read_arrays(file, ["key", *RouterOutcome._fields])
    except (FileNotFoundError, ArchiveError):
        return None
    if str(values["key"]) != key:
        return None
    return RouterOutcome(values["chosen"], values["predicted_gain"], int(values["n_revealed"]))
