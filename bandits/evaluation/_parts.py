"""Finished parts of a study in a folder, so that one that was killed goes on where it stopped."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

import joblib
import numpy as np
import sklearn

from metarouter import __version__
from metarouter.utils.archives import ArchiveError, read_arrays, write_arrays

__all__ = ["PartsFolder", "key_of"]

Part = TypeVar("Part", bound=NamedTuple)

_ODD = r"[^\w.-]"  # in the name of a file


class PartsFolder(Generic[Part]):
    """A folder with one small file per part, found again by what decides its numbers.

    Parameters
    ----------
    path : path-like or None
        Created when the first part is finished; several studies may share it. None keeps nothing.
    kind : type of NamedTuple
        A part: arrays and numbers.
    """

    def __init__(self, path: str | os.PathLike[str] | None, kind: type[Part]) -> None:
        self.path, self.kind = None if path is None else Path(path), kind

    def recall(self, name: str, key: str, make: Callable[[], Part]) -> Part:
        """Return a part that was finished under this key, or make it and keep it."""
        if self.path is None:
            return make()
        file = self.path / f"{re.sub(_ODD, '_', name)[:80]}-{key}.npz"
        found = self._read(file, key)
        if found is None:
            found = make()
            write_arrays(file, {"key": key, **found._asdict()})
        return found

    def _read(self, file: Path, key: str) -> Part | None:
        """Return a part, or None where there is none that can be trusted."""
        try:
            values = read_arrays(file, ["key", *self.kind._fields])
        except (FileNotFoundError, ArchiveError):
            return None
        if str(values["key"]) != key:
            return None
        kept = [values[name] for name in self.kind._fields]
        return self.kind._make(value if value.ndim else value.item() for value in kept)


def key_of(*decides: Any) -> str:
    """Return a key of whatever decides the numbers of a part; routers as they are before a fit."""
    return joblib.hash((*decides, __version__, np.__version__, sklearn.__version__))
