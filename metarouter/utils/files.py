"""Files appear whole or not at all: what existed survives a crash while writing."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["atomic_path", "write_text"]


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
        temporary file is removed and `path` keeps what it held.

    Raises
    ------
    FileNotFoundError
        If the block ends without having written the yielded path.

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
    target.parent.mkdir(parents=True, exist_ok=True)
    # The temporary file gets a folder of its own: whoever writes it creates it with the
    # permissions that the user's umask asks for, which a file made by mkstemp would not have.
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".writing-") as folder:
        temporary = Path(folder) / target.name
        yield temporary
        os.replace(temporary, target)


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
