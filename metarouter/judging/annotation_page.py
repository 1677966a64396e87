"""A page on this machine alone, where people compare answers with the keyboard."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources
from threading import Lock
from typing import Any

from metarouter.judging.annotations import Annotations, pair_id, primary_is_first, shown_order
from metarouter.judging.calls import Pair

__all__ = ["AnnotationServer"]

_LOOPBACK = "127.0.0.1"
_NAME = re.compile(r"[\w .@-]{1,40}")
_MOST_BYTES = 10_000


class AnnotationServer(ThreadingHTTPServer):
    """Serves pairs to people, blinded, and keeps their verdicts.

    It listens on this machine only. Its address holds a code without which it says nothing, so
    that no page of another site can speak to it.

    Parameters
    ----------
    pairs : sequence of Pair
    annotations : Annotations
    seed : int
        Of the orders in which pairs and answers are shown.
    port : int
        0 takes a free one.
    """

    daemon_threads = True

    def __init__(
        self, pairs: Sequence[Pair], annotations: Annotations, seed: int = 0, port: int = 0
    ) -> None:
        super().__init__((_LOOPBACK, port), _Handler)
        self.pairs, self.annotations, self.seed = list(pairs), annotations, seed
        self.ids = [pair_id(pair) for pair in pairs]
        self.code = secrets.token_urlsafe(16)
        self.lock = Lock()

    @property
    def url(self) -> str:
        """The address to open."""
        return f"http://{_LOOPBACK}:{self.server_port}/?code={self.code}"

    def item(self, annotator: str, place: int | None) -> dict[str, Any]:
        """Return what a person sees at a place of their order, by default the first still open."""
        order = shown_order(self.ids, annotator, self.seed)
        done = [(self.ids[k], annotator) in self.annotations.verdicts for k in order]
        if place is None:
            place = done.index(False) if False in done else len(order)
        said: dict[str, Any] = {"place": place, "total": len(order), "done": sum(done)}
        if not 0 <= place < len(order):
            return said
        pair, name = self.pairs[order[place]], self.ids[order[place]]
        first = primary_is_first(name, annotator, self.seed)
        shown = (pair.primary, pair.alternative) if first else (pair.alternative, pair.primary)
        verdict = self.annotations.verdicts.get((name, annotator))
        own = None if verdict is None else verdict * (1 if first else -1)
        return {**said, "pair": name, "question": pair.question, "first": shown[0],
                "second": shown[1], "verdict": own}  # fmt: skip

    def keep(self, annotator: str, pair: str, verdict: int) -> None:
        """Keep a verdict for what was shown first (1), second (-1) or neither (0)."""
        first = primary_is_first(pair, annotator, self.seed)
        with self.lock:
            self.annotations.add(pair, annotator, verdict * (1 if first else -1), first)


class _Handler(BaseHTTPRequestHandler):
    server: AnnotationServer

    def do_GET(self) -> None:
        """Serve the page."""
        if not self._is_ours() or self.path != f"/?code={self.server.code}":
            self._say(403, {"error": "open the address that the command has printed"})
            return
        page = resources.files("metarouter.judging") / "templates" / "label.html"
        nonce = secrets.token_urlsafe(12)
        body = page.read_text("utf-8").replace("{{nonce}}", nonce).encode()
        policy = f"default-src 'none'; connect-src 'self'; script-src 'nonce-{nonce}'; "
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Security-Policy", f"{policy}style-src 'nonce-{nonce}'")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("Cache-Control", "no-store")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        """Take a verdict, or show a pair."""
        if not self._is_ours() or self.headers.get("X-Code") != self.server.code:
            self._say(403, {"error": "open the address that the command has printed"})
            return
        asked = self._asked()
        annotator = asked.get("annotator")
        if not isinstance(annotator, str) or not _NAME.fullmatch(annotator.strip()):
            self._say(400, {"error": "give a name of up to 40 letters, digits, spaces or .@-_"})
            return
        annotator, place = annotator.strip(), asked.get("place")
        if self.path == "/verdict":
            pair, verdict = asked.get("pair"), asked.get("verdict")
            # A boolean is an int to Python, and no verdict.
            if type(verdict) is not int or verdict not in (-1, 0, 1) or pair not in self.server.ids:
                self._say(400, {"error": "this is no verdict about a pair of this table"})
                return
            self.server.keep(annotator, str(pair), verdict)
        elif self.path != "/item" or not (place is None or type(place) is int):
            self._say(404, {"error": "there is nothing here"})
            return
        self._say(200, self.server.item(annotator, place))

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the terminal belongs to the command."""

    def _is_ours(self) -> bool:
        """Whether the request names this machine, and not a name that somebody made point to it."""
        port = self.server.server_port
        return self.headers.get("Host") in (f"{_LOOPBACK}:{port}", f"localhost:{port}")

    def _asked(self) -> dict[str, Any]:
        try:
            length = min(int(str(self.headers.get("Content-Length", "0"))), _MOST_BYTES)
            asked = json.loads(self.rfile.read(max(length, 0)))
        except ValueError:
            return {}
        return asked if isinstance(asked, dict) else {}

    def _say(self, status: int, value: dict[str, Any]) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
