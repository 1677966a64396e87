"""Every reply on disk before it is used, under a key made of what was asked.

One file of SQLite. A call is written down, with its worst case, before it is made, and settled
together with its reply in one transaction. Whatever kills the process, the sum over calls is then
an upper limit of what was billed: a call without an outcome counts with its worst case.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from metarouter.exceptions import DataError
from metarouter.utils.files import exclusive

__all__ = ["Reply", "ReplyStatus", "ReplyStore", "open_store"]

ReplyStatus = Literal["complete", "malformed", "refused", "truncated", "wrong_model"]

_FORMAT = 1
_SCHEMA = """
CREATE TABLE replies (
    key TEXT PRIMARY KEY, status TEXT NOT NULL, text TEXT NOT NULL, reason TEXT NOT NULL,
    model TEXT NOT NULL, input_tokens INTEGER, output_tokens INTEGER, cost INTEGER NOT NULL,
    at REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE calls (
    id INTEGER PRIMARY KEY, key TEXT NOT NULL, reserved INTEGER NOT NULL, cost INTEGER,
    outcome TEXT, detail TEXT, at REAL NOT NULL
);
"""


@dataclass(frozen=True)
class Reply:
    """What a model replied.

    Parameters
    ----------
    status : str
        ``complete``, ``malformed``, ``refused``, ``truncated`` or ``wrong_model``.
    text : str
        As it came.
    reason : str
        Why it is not complete.
    model : str
        The model that the endpoint says has replied.
    input_tokens, output_tokens : int or None
        As billed; None where the endpoint does not tell.
    cost : int
        In billionths.
    """

    status: ReplyStatus
    text: str
    reason: str
    model: str
    input_tokens: int | None
    output_tokens: int | None
    cost: int


class ReplyStore:
    """Replies and calls of all runs so far; see `open_store`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def get(self, key: str) -> Reply | None:
        """Return the reply under a key, or None."""
        row = self._connection.execute(
            "SELECT status, text, reason, model, input_tokens, output_tokens, cost "
            "FROM replies WHERE key = ?",
            (key,),
        ).fetchone()
        return None if row is None else Reply(*row)

    def spent(self) -> int:
        """Return what all calls have cost, in billionths; at worst, where that is not known."""
        total = "SELECT COALESCE(SUM(COALESCE(cost, reserved)), 0) FROM calls"
        return int(self._connection.execute(total).fetchone()[0])

    def outcomes(self) -> dict[str, int]:
        """Return how many calls ended how."""
        rows = self._connection.execute(
            "SELECT COALESCE(outcome, 'interrupted'), COUNT(*) FROM calls GROUP BY 1 ORDER BY 1"
        )
        return dict(rows.fetchall())

    def begin_call(self, key: str, reserved: int) -> int:
        """Write down that a call is about to be made; return its number."""
        with self._connection as connection:
            cursor = connection.execute(
                "INSERT INTO calls (key, reserved, at) VALUES (?, ?, ?)",
                (key, reserved, time.time()),
            )
        return int(cursor.lastrowid or 0)

    def end_call(self, call: int, key: str, reply: Reply) -> None:
        """Keep a reply, and what its call has cost."""
        with self._connection as connection:
            connection.execute(
                "INSERT OR REPLACE INTO replies VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    key,
                    reply.status,
                    reply.text,
                    reply.reason,
                    reply.model,
                    reply.input_tokens,
                    reply.output_tokens,
                    reply.cost,
                    time.time(),
                ),
            )
            connection.execute(
                "UPDATE calls SET cost = ?, outcome = ? WHERE id = ?",
                (reply.cost, reply.status, call),
            )

    def fail_call(self, call: int, cost: int, outcome: str, detail: str) -> None:
        """Keep why a call brought no reply, and what it may have cost."""
        with self._connection as connection:
            connection.execute(
                "UPDATE calls SET cost = ?, outcome = ?, detail = ? WHERE id = ?",
                (cost, outcome, detail, call),
            )


@contextmanager
def open_store(path: Path) -> Iterator[ReplyStore]:
    """Open a store, or begin one, for one process at a time.

    Parameters
    ----------
    path : Path

    Raises
    ------
    DataError
        If the file is no store, or of another version.
    MetaRouterError
        If another process uses it.
    """
    path = Path(os.path.realpath(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    busy = f"{path} is in use by another process: wait until it has ended, or name another --store."
    with (
        exclusive(path.with_name(f".{path.name}.in-use"), busy),
        closing(sqlite3.connect(path, isolation_level="DEFERRED")) as connection,
    ):
        _prepare(connection, path)
        yield ReplyStore(connection)


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    try:
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        tables = connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()[0]
        if version == 0 and tables == 0:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version = {_FORMAT}; COMMIT;")
        elif version != _FORMAT:
            raise DataError(
                f"{path} is a store of replies of format {version}, or another database, where "
                f"format {_FORMAT} is read: name another --store."
            )
        # Replies are paid for: they are on the disk, not in its cache, before they are used.
        connection.execute("PRAGMA synchronous = FULL")
    except sqlite3.DatabaseError as error:
        raise DataError(f"{path} is no store of replies ({error}): name another --store.") from None
