"""One file for a monitor: arrays, and a tree of plain values that says where they belong.

Nothing in it is executed on loading: numbers, words and arrays of numbers, put into the few frozen
dataclasses that are named here.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from typing import Any

import numpy as np

from metarouter._version import __version__
from metarouter.exceptions import DataError
from metarouter.inference.monitoring._batch import FeatureNames
from metarouter.inference.monitoring._drift import DriftAlarm, EmbeddingDrift, EmbeddingMap
from metarouter.inference.monitoring._settings import MonitorSettings
from metarouter.inference.monitoring._state import MonitorState
from metarouter.inference.monitoring._sums import BlockSums, GainScores
from metarouter.utils.archives import read_arrays, write_arrays
from metarouter.utils.parameters import printable

_FORMAT = "metarouter-monitor"
_VERSION = 3
_HEADER = "monitor"
_FOREIGN = (
    AttributeError,
    KeyError,
    OSError,
    TypeError,
    ValueError,
    RecursionError,
)
_KINDS: dict[str, Any] = {
    kind.__name__: kind
    for kind in (
        BlockSums,
        DriftAlarm,
        EmbeddingDrift,
        EmbeddingMap,
        FeatureNames,
        GainScores,
        MonitorState,
        MonitorSettings,
    )
} | {"Memory": MonitorState}  # its former name, in files that were written before


def write_state(state: MonitorState, path: str | os.PathLike[str]) -> None:
    """Write what a monitor remembers, whole or not at all."""
    arrays: dict[str, Any] = {}
    header = {
        "format": _FORMAT,
        "version": _VERSION,
        "metarouter": __version__,
        "memory": _plain(state, arrays),
    }
    arrays[_HEADER] = np.array(json.dumps(header))
    write_arrays(path, arrays)


def file_digest(path: str | os.PathLike[str]) -> str | None:
    """Return what tells one version of a file from another, or None where there is none."""
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None


def read_state(path: str | os.PathLike[str]) -> MonitorState:
    """Read what a monitor remembers.

    Raises
    ------
    DataError
        If the file is not there, truncated, no monitor, or one of another version.
    """
    if not os.path.isfile(path):
        raise DataError(f"There is no file {path}: check the path.")
    try:
        arrays = read_arrays(path)
        header = json.loads(str(arrays[_HEADER]))
        version = header["version"] if header["format"] == _FORMAT else None
        memory = header["memory"]
    except _FOREIGN as error:
        raise _foreign(path) from error
    if version is None:
        raise _foreign(path)
    reason = f"format {version}, where {_VERSION} is read"
    try:
        state = _built(memory, arrays) if version == _VERSION else None
    except _FOREIGN as error:
        state, reason = None, f"{type(error).__name__}: {printable(error)}"
    if not isinstance(state, MonitorState):
        raise DataError(
            f"{path} was saved by another version, metarouter "
            f"{printable(header.get('metarouter', '0.1.0'))}, and cannot be used with this one, "
            f"{__version__} ({reason}): start a new monitor, or go on with the version that saved "
            "it."
        )
    return state


def _foreign(path: str | os.PathLike[str]) -> DataError:
    return DataError(
        f"{path} is truncated or was not written by RouterMonitor.save: name another file, or "
        "start a new monitor."
    )


def _plain(value: Any, arrays: dict[str, Any]) -> Any:
    if isinstance(value, np.ndarray):
        name = f"a{len(arrays)}"
        arrays[name] = value
        return {"array": name}
    if dataclasses.is_dataclass(value):
        fields = {
            field.name: _plain(getattr(value, field.name), arrays)
            for field in dataclasses.fields(value)
        }
        return {"kind": type(value).__name__, "fields": fields}
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, tuple):
        return {"tuple": [_plain(item, arrays) for item in value]}
    if isinstance(value, dict):
        return {"dict": {name: _plain(item, arrays) for name, item in value.items()}}
    return value


def _built(value: Any, arrays: dict[str, Any]) -> Any:
    if not isinstance(value, dict):
        return value
    if "array" in value:
        return arrays[value["array"]]
    if "kind" in value:
        fields = {name: _built(item, arrays) for name, item in value["fields"].items()}
        return _KINDS[value["kind"]](**fields)
    if "tuple" in value:
        return tuple(_built(item, arrays) for item in value["tuple"])
    return {name: _built(item, arrays) for name, item in value["dict"].items()}
