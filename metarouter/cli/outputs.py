"""Where results go: checked before any work is done, so that no result is computed in vain."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from metarouter.exceptions import MetaRouterError

__all__ = ["input_file", "output_file", "output_folder", "output_path"]

_STANDARD = Path("-")


@contextmanager
def input_file(path: Path) -> Iterator[Path]:
    """Yield the path of a table; ``-`` stands for standard input, kept in a file for a while."""
    if path != _STANDARD:
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        start = sys.stdin.buffer.read(4)
        first = start.lstrip()[:1]
        suffix = {b"{": ".jsonl", b"[": ".json"}.get(first, ".csv")
        given = Path(folder) / f"standard_input{'.parquet' if start == b'PAR1' else suffix}"
        with given.open("wb") as file:
            file.write(start)
            shutil.copyfileobj(sys.stdin.buffer, file)
        yield given


@contextmanager
def output_path(path: Path, like: Path) -> Iterator[Path]:
    """Yield the path to write; ``-`` stands for standard output, in the format of `like`."""
    if path != _STANDARD:
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        written = Path(folder) / f"standard_output{like.suffix}"
        yield written
        with written.open("rb") as file:
            shutil.copyfileobj(file, sys.stdout.buffer)
        sys.stdout.buffer.flush()


def output_folder(path: Path) -> Path:
    """Create a folder for results, or say in one sentence why that cannot be.

    Raises
    ------
    MetaRouterError
        If the path is a file, or nothing can be written there.
    """
    if path.exists() and not path.is_dir():
        raise MetaRouterError(f"--out {path} is a file: name a folder for the results.")
    _require_writable(path, path)
    return path


def output_file(path: Path, *, suffixes: tuple[str, ...]) -> Path:
    """Check that a file can be written, or say in one sentence why it cannot.

    Raises
    ------
    MetaRouterError
        If the path is a folder, has another ending than those given, or nothing can be written
        beside it.
    """
    from metarouter.datasets._table_files import COMPRESSED

    if path.is_dir():
        raise MetaRouterError(f"--out {path} is a folder: name a file in it.")
    ending = path.suffix.lower()
    if ending in COMPRESSED:
        ending = Path(path.stem).suffix.lower()
    if ending not in suffixes:
        raise MetaRouterError(
            f"--out {path} ends in {path.suffix or 'nothing'!r}: give it "
            f"{'one of the endings' if len(suffixes) > 1 else 'the ending'} {', '.join(suffixes)}."
        )
    parent = Path(os.path.realpath(path)).parent
    if parent.exists() and not parent.is_dir():
        raise MetaRouterError(f"--out {path} lies below {parent}, which is a file: move it.")
    _require_writable(parent, path)
    return path


def _require_writable(folder: Path, out: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Permissions alone do not tell: the disk may be full or mounted for reading only.
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(b"?")
    except OSError as error:
        raise MetaRouterError(
            f"--out {out} cannot be written to ({error.strerror or error}): choose another folder."
        ) from error
