"""Finished rounds in a folder, so that a study that was killed goes on where it stopped."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import sklearn
from sklearn.base import BaseEstimator

from metarouter._version import __version__
from metarouter.base_learners import default_classifier, default_final, default_regressor
from metarouter.datasets import LabelledQueries
from metarouter.evaluation._rounds import RoundOutcome, RoundPlan
from metarouter.exceptions import DataError
from metarouter.utils.archives import ArchiveError, read_arrays, write_arrays
from metarouter.utils.files import write_text

__all__ = ["StudyFolder", "finished_rounds", "forget_rounds", "study_fingerprint"]

_MANIFEST = "manifest.json"
_ROUND_FILE = re.compile(r"round_\d+\.npz")


def study_fingerprint(
    data: LabelledQueries, plan: RoundPlan, random_state: int | None
) -> dict[str, Any]:
    """Everything that decides the numbers of a round, as plain JSON.

    The number of rounds is not in it, since round j is the same in every study that has one: a
    study may be resumed with more rounds. Neither is the number of workers.
    """
    return {
        "data": {"name": data.name, "n_queries": data.n_queries, "digest": _digest(data)},
        "routers": {name: _describe(router) for name, router in plan.routers.items()},
        "oracle": _describe(plan.oracle),
        # What stands behind a router whose learners are None.
        "default learners": [
            _describe(default_regressor()),
            _describe(default_classifier()),
            _describe(default_final(n_gold=100, n_rows=1000)),
        ],
        "n_gold": list(plan.n_gold),
        "n_test": plan.n_test,
        "grouped": plan.grouped,
        "random_state": random_state,
        "versions": {
            "metarouter": __version__,
            "scikit-learn": sklearn.__version__,
            "numpy": np.__version__,
        },
    }


class StudyFolder:
    """A folder with one small file per finished round.

    Parameters
    ----------
    path : path-like
        Created if it does not exist. A study that has finished no round is written over.
    fingerprint : dict
        From :func:`study_fingerprint`.

    Raises
    ------
    DataError
        If the folder holds another study, or something else.
    """

    def __init__(self, path: Any, fingerprint: Mapping[str, Any]) -> None:
        self.path = Path(path)
        self._key = hashlib.sha256(json.dumps(fingerprint, sort_keys=True).encode()).hexdigest()
        if self.path.exists() and not self.path.is_dir():
            raise DataError(f"{self.path} is a file: give a folder for the study's checkpoints.")
        self.path.mkdir(parents=True, exist_ok=True)
        entries = {entry.name for entry in self.path.iterdir() if not entry.name.startswith(".")}
        # A manifest alone is what a study leaves that failed before its first round was finished.
        if entries <= {_MANIFEST}:
            write_text(self.path / _MANIFEST, json.dumps(fingerprint, indent=1) + "\n")
        elif _MANIFEST in entries:
            self._refuse_other(fingerprint)
        else:
            raise DataError(
                f"The folder {self.path} holds files but no study: give an empty folder for the "
                "study's checkpoints."
            )

    def _refuse_other(self, fingerprint: Mapping[str, Any]) -> None:
        try:
            found = json.loads((self.path / _MANIFEST).read_text(encoding="utf-8"))
            differing = [key for key in fingerprint if found.get(key) != fingerprint[key]]
        except (ValueError, AttributeError, OSError):
            raise DataError(
                f"{self.path / _MANIFEST} cannot be read as a study's manifest: give an empty "
                "folder for the study's checkpoints."
            ) from None
        if differing:
            raise DataError(
                f"The folder {self.path} holds rounds of another study (other "
                f"{', '.join(differing)}): give an empty folder, or the settings that it was "
                "begun with."
            )

    def save(self, number: int, outcome: RoundOutcome) -> None:
        """Write a finished round, whole or not at all."""
        write_arrays(self._file(number), {"study": self._key, "number": number, **vars(outcome)})

    def load(self, number: int) -> RoundOutcome | None:
        """Return a finished round, or None if there is none that can be trusted."""
        names = [field.name for field in fields(RoundOutcome)]
        try:
            values = read_arrays(self._file(number), ["study", "number", *names])
        except (FileNotFoundError, ArchiveError):
            return None
        if str(values.pop("study")) != self._key or int(values.pop("number")) != number:
            return None
        plain: dict[str, Any] = {
            name: value if value.ndim else value.item() for name, value in values.items()
        }
        return RoundOutcome(**plain)

    def _file(self, number: int) -> Path:
        return self.path / f"round_{number:05d}.npz"


def finished_rounds(path: Path) -> int:
    """Count the finished rounds in a folder; none where there is no folder."""
    return len(_round_files(path))


def forget_rounds(path: Path) -> None:
    """Remove the rounds of a study and its manifest, and nothing else."""
    manifest = path / _MANIFEST
    if manifest.is_file():
        for file in (*_round_files(path), manifest):
            file.unlink()


def _round_files(path: Path) -> list[Path]:
    entries = path.iterdir() if path.is_dir() else ()
    return [entry for entry in entries if _ROUND_FILE.fullmatch(entry.name)]


def _digest(data: LabelledQueries) -> str:
    digest = hashlib.sha256()
    for column in (data.X, data.gold, data.preference, data.groups, data.weight):
        digest.update(_bytes(column))
    return digest.hexdigest()


def _bytes(column: Any) -> bytes:
    if column is None:
        return b"none"
    if hasattr(column, "iloc"):
        import pandas as pd

        names = "\0".join(map(str, column.columns)).encode()
        return names + pd.util.hash_pandas_object(column, index=False).to_numpy().tobytes()
    values = np.ascontiguousarray(column)
    if values.dtype.hasobject:
        values = values.astype(str)
    return f"{values.dtype}{values.shape}".encode() + values.tobytes()


def _describe(value: Any) -> Any:
    """Describe an estimator by its class and parameters, the same in every process."""
    if isinstance(value, BaseEstimator):
        own = value.get_params(deep=False)
        return {_name(type(value)): {key: _describe(own[key]) for key in sorted(own)}}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple):
        return [_describe(entry) for entry in value]
    if isinstance(value, dict):
        return {str(key): _describe(entry) for key, entry in value.items()}
    if isinstance(value, np.ndarray):
        return f"array {joblib.hash(value)}"
    if isinstance(value, type) or hasattr(value, "__qualname__"):
        return _name(value)
    # A default repr holds the address of the object, which changes from process to process.
    return f"{_name(type(value))} {re.sub(r' at 0x[0-9a-fA-F]+', '', repr(value))}"


def _name(thing: Any) -> str:
    return f"{thing.__module__}.{thing.__qualname__}"
