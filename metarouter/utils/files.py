"""Files appear whole or not at all: what existed survives a crash while writing."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from metarouter.exceptions import MetaRouterError

__all__ = ["atomic_path", "exclusive", "hold", "make_durable", "write_text"]

try:
    import fcntl
except ImportError:  # no such locks on Windows
    fcntl = None  # type: ignore[assignment]

_PREFIX = ".writing-"
_LEFT_BEHIND = 3600.0  # seconds; no file takes as long to write
_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISSOCK, "a socket"),
)


@contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path that replaces `path` when the block succeeds.

    Parameters
    ----------
    path : str or path-like
        The file to write. Its folder is created when it does not exist.

    Yields
    ------
    pathlib.Path
        A path in the same folder, with the same suffix, where no file exists yet. When the
        block ends without an error it is moved onto `path` in one step; when it raises, the
        temporary file is removed and `path` keeps what it held, as it does when the power fails.
        The new file has the permissions of the old one.

    Raises
    ------
    FileNotFoundError
        If the block ends without having written the yielded path.
    MetaRouterError
        If `path` is a folder, a named pipe, a device or a socket.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     target = Path(folder) / "areas.csv"
    ...     with atomic_path(target) as temporary:
    ...         _ = temporary.write_text("router,area")
    ...     target.read_text()
    'router,area'
    """
    # A link is followed, so that the file it points to is replaced and not the link itself.
    target = Path(os.path.realpath(path))
    before = _require_ordinary(target, path)
    target.parent.mkdir(parents=True, exist_ok=True)
    _remove_leavings(target.parent)
    # The temporary file gets a folder of its own: whoever writes it creates it with the
    # permissions that the user's umask asks for, which a file made by mkstemp would not have.
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=_PREFIX) as folder:
        temporary = Path(folder) / target.name
        yield temporary
        _make_like(temporary, before)
        make_durable(temporary)
        os.replace(temporary, target)
    make_durable(target.parent)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write `text` to `path` as UTF-8, in one step.

    Parameters
    ----------
    path : str or path-like
        The file to write.
    text : str
        All of its contents; line ends are kept as they are. What is no character, such as a byte
        of a file's name that is not UTF-8, is written as an escape.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_text(Path(folder) / "report.md", "# Report")
    ...     (Path(folder) / "report.md").read_text()
    '# Report'
    """
    with atomic_path(path) as temporary:
        temporary.write_bytes(text.encode("utf-8", "backslashreplace"))


def make_durable(path: Path) -> None:
    """Return when a file, or the names in a folder, are on the disk."""
    if path.is_dir() and os.name != "posix":
        return
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def exclusive(path: str | os.PathLike[str], refusal: str) -> Iterator[None]:
    """Keep other processes out of what they ask for by the same path, while the block runs.

    Parameters
    ----------
    path : str or path-like
        A file that stands for it, made and removed here. A link is not followed.
    refusal : str
        The sentence for who comes second.

    Raises
    ------
    MetaRouterError
        With `refusal`, if another process is in.
    """
    held = hold(path, refusal)
    try:
        yield
    finally:
        # Removed while it is held: who opens it afterwards finds that it is gone, and makes it.
        with suppress(OSError):
            os.unlink(path)
        held.close()


def hold(path: str | os.PathLike[str], refusal: str) -> IO[Any]:
    """Return a file that keeps other processes out until it is closed, or this process ends.

    Its contents stay as they are, and it is no link.

    Raises
    ------
    MetaRouterError
        With `refusal`, if another process holds it.
    OSError
        If it cannot be opened.
    """
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
    while True:
        file = os.fdopen(os.open(path, flags, 0o666), "r+b")
        if fcntl is None:
            return file
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.close()
            raise MetaRouterError(refusal) from None
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file.fileno()), os.stat(path)):
                return file
        file.close()


def _require_ordinary(target: Path, path: str | os.PathLike[str]) -> os.stat_result | None:
    """Return what is known of a file that exists, and refuse what is none."""
    try:
        found = target.stat()
    except OSError:
        return None
    for is_kind, kind in _KINDS:
        if is_kind(found.st_mode):
            raise MetaRouterError(f"{path} is {kind}; give the path of an ordinary file.")
    return found


def _make_like(temporary: Path, before: os.stat_result | None) -> None:
    """Give a file that replaces another one its owner, where that is allowed, and its mode."""
    if before is None:
        return
    if hasattr(os, "chown"):
        with suppress(OSError):
            os.chown(temporary, before.st_uid, before.st_gid)
    os.chmod(temporary, stat.S_IMODE(before.st_mode))


def _remove_leavings(folder: Path) -> None:
    """Remove what writers left behind that were killed."""
    for leaving in folder.glob(f"{_PREFIX}*"):
        with suppress(OSError):
            if time.time() - leaving.stat().st_mtime > _LEFT_BEHIND and not leaving.is_symlink():
                shutil.rmtree(leaving)
