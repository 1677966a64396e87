"""Named arrays in one file that is read without trust: no pickle, no inflation, checked to the bit.

The file is a zip archive of .npy members as `numpy.savez` writes it, stored without compression, so
that no member is larger than the file. One more member holds a digest of the others.
"""

from __future__ import annotations

import hashlib
import io
import os
import zipfile
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metarouter.exceptions import MetaRouterError
from metarouter.utils.files import atomic_path
from metarouter.utils.parameters import printable

__all__ = ["ArchiveError", "read_arrays", "write_arrays"]

_DIGEST = "digest"


class ArchiveError(MetaRouterError):
    """A file of arrays is damaged, truncated or something else."""


def write_arrays(path: str | os.PathLike[str], arrays: Mapping[str, ArrayLike]) -> None:
    """Write named arrays to one file, whole or not at all.

    Parameters
    ----------
    path : str or path-like
    arrays : mapping from str to array-like
        Of numbers, truth values or text.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_arrays(f"{folder}/round.npz", {"area": [0.1, 0.2], "number": 7})
    ...     read_arrays(f"{folder}/round.npz")["area"].tolist()
    [0.1, 0.2]
    """
    plain = {name: np.asarray(values) for name, values in arrays.items()}
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez(file, allow_pickle=False, **plain, **{_DIGEST: np.array(_digest(plain))})


def read_arrays(
    path: str | os.PathLike[str], names: Iterable[str] | None = None
) -> dict[str, NDArray[Any]]:
    """Read the arrays that `write_arrays` wrote.

    Parameters
    ----------
    path : str or path-like
    names : iterable of str, optional
        Those that the file must hold, and no other.

    Returns
    -------
    dict from str to ndarray

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ArchiveError
        If the file does not hold, bit for bit, what was written.
    """
    try:
        with open(path, "rb") as file:
            found = _members(file)
        digest = str(found.pop(_DIGEST))
    except FileNotFoundError:
        raise
    except Exception as error:  # of the many that zip, npy and their headers can raise
        raise ArchiveError(f"{path} is damaged ({_reason(error)}); write it again.") from None
    if digest != _digest(found):
        raise ArchiveError(f"{path} is damaged (its digest is another); write it again.")
    if names is not None and set(names) != set(found):
        raise ArchiveError(f"{path} does not hold {', '.join(names)}; write it again.")
    return found


def _members(file: Any) -> dict[str, NDArray[Any]]:
    found: dict[str, NDArray[Any]] = {}
    with zipfile.ZipFile(file) as archive:
        for member in archive.infolist():
            name = member.filename.removesuffix(".npy")
            if name in found or name == member.filename:
                raise ValueError("its members are not named arrays")
            if member.compress_type != zipfile.ZIP_STORED:
                raise ValueError("a member is compressed")
            found[name] = _array(archive.read(member))
    return found


def _array(content: bytes) -> NDArray[Any]:
    stream = io.BytesIO(content)
    version = np.lib.format.read_magic(stream)
    read_header = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }[version]
    shape, by_column, kind = read_header(stream)
    start = stream.tell()
    # Before memory is taken: that a header asks for as much as there is.
    if kind.hasobject or len(content) - start != kind.itemsize * int(np.prod(shape, dtype=object)):
        raise ValueError("a header does not fit its array")
    flat = np.frombuffer(content, dtype=kind, offset=start)
    return flat.reshape(shape, order="F" if by_column else "C").copy()


def _digest(arrays: Mapping[str, NDArray[Any]]) -> str:
    digest = hashlib.sha256()
    for name in sorted(arrays):
        values = np.asarray(arrays[name])
        digest.update(f"{name} {values.dtype.str} {values.shape} ".encode())
        digest.update(np.ascontiguousarray(values).tobytes())
    return digest.hexdigest()


def _reason(error: Exception) -> str:
    words = printable(" ".join(str(error).split())).rstrip(".")
    return words[:100] or type(error).__name__
