"""A local endpoint with OpenAI's chat completions, and with faults, for tests of collecting.

Answers say ``quality Q``; the judge of this server prefers the higher quality, with a bias towards
what is shown first and with noise. All that it says follows from the idempotency key, so that two
runs over the same table must end in the same table.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from metarouter.judging.money import Price

_FENCED = re.compile(
    r"<<<(QUESTION|ANSWER(?: [AB])?) (\w+)>>>\n(.*?)\n<<<END OF .{1,9} \2>>>", re.DOTALL
)
_CRITERION = re.compile(r"^criterion_(\d+) \(.*? points\): (.*)$", re.MULTILINE)


@dataclass
class Faults:
    """Shares of calls, or of replies, that go wrong."""

    busy: float = 0.0
    busy_without_time: float = 0.0
    broken_server: float = 0.0
    silence: float = 0.0
    half: float = 0.0
    malformed: float = 0.0
    doubled: float = 0.0
    refused: float = 0.0
    truncated: float = 0.0
    wrong_model: float = 0.0
    fixed: str | None = None
    echo_key: bool = False
    bills_too_much: bool = False


@dataclass
class JudgingServer:
    """The endpoint, in a thread of its own; a context manager."""

    price: Price
    faults: Faults = field(default_factory=Faults)
    per_second: float | None = None
    latency: float = 0.0
    position_bias: float = 0.0
    noise: float = 0.0
    key: str = "none"

    def __enter__(self) -> JudgingServer:
        self.billed, self.served, self.asked = 0, Counter[str](), Counter[str]()
        self.statuses = Counter[int]()
        self.tokens, self.refilled = self.per_second or 0.0, time.monotonic()
        self._loop = asyncio.new_event_loop()
        started = threading.Event()

        async def begin() -> None:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
            self.port = self._server.sockets[0].getsockname()[1]
            started.set()

        def work() -> None:
            asyncio.set_event_loop(self._loop)
            self._loop.run_until_complete(begin())
            self._loop.run_forever()
            for task in (tasks := asyncio.all_tasks(self._loop)):
                task.cancel()
            self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
            self._server.close()
            self._loop.close()

        self._thread = threading.Thread(target=work, daemon=True)
        self._thread.start()
        started.wait()
        return self

    def __exit__(self, *_: Any) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                headers = {}
                while (header := await reader.readline()).strip():
                    name, _, value = header.decode().partition(":")
                    headers[name.lower()] = value.strip()
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                if not await self._answer(line.decode().split()[1], headers, body, writer):
                    break
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _answer(
        self, path: str, headers: dict[str, str], body: bytes, writer: asyncio.StreamWriter
    ) -> bool:
        if headers.get("authorization") != f"Bearer {self.key}":
            echoed = headers.get("authorization") if self.faults.echo_key else "a bad key"
            return self._send(writer, 401, {"error": {"message": f"not allowed: {echoed}"}})
        if path.endswith("/models"):
            return self._send(writer, 200, {"object": "list", "data": []})
        asked, key = json.loads(body), headers["idempotency-key"]
        self.asked[key] += 1
        fault = self._transport_fault(key)
        if not self._token():
            return self._send(writer, 429, _error("slow down"), {"retry-after": "0.05"})
        if fault == "busy":
            return self._send(writer, 429, _error("busy"), {"retry-after": "0.01"})
        if fault == "busy_without_time":
            return self._send(writer, 429, _error("busy"))
        if fault == "broken_server":
            said = headers["authorization"] if self.faults.echo_key else "oops"
            return self._send(writer, 500, _error(said))
        if self.latency:
            await asyncio.sleep(self.latency)
        reply, cost = self._reply(asked, key)
        self.billed += cost
        if fault == "silence":
            await asyncio.sleep(3)
            return False
        if fault == "half":
            self._send(writer, 200, reply, cut=True)
            return False
        self.served[key] += 1
        return self._send(writer, 200, reply)

    def _transport_fault(self, key: str) -> str | None:
        if self.faults.fixed in ("half", "silence", "busy", "broken_server"):
            return self.faults.fixed
        kinds = ("busy", "busy_without_time", "broken_server", "silence", "half")
        return self._drawn(f"{key} {self.asked[key]}", kinds)

    def _drawn(self, seed: str, kinds: tuple[str, ...]) -> str | None:
        at = _uniform(seed)
        for kind in kinds:
            at -= getattr(self.faults, kind)
            if at < 0:
                return kind
        return None

    def _token(self) -> bool:
        if self.per_second is None:
            return True
        now = time.monotonic()
        self.tokens += (now - self.refilled) * self.per_second
        self.tokens, self.refilled = min(self.tokens, self.per_second), now
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True

    def _reply(self, asked: dict[str, Any], key: str) -> tuple[dict[str, Any], int]:
        text = asked["messages"][-1]["content"]
        limit = asked.get("max_completion_tokens", asked.get("max_tokens"))
        content, finish, model, refusal = (
            self._content(asked, text, key),
            "stop",
            asked["model"],
            None,
        )
        kinds = ("malformed", "doubled", "refused", "truncated", "wrong_model")
        fault = self.faults.fixed or self._drawn(f"{key} content", kinds)
        if fault == "malformed":
            content = f"I think it is {content[:9]}"
        elif fault == "doubled":
            content = f"{content}\n{content}"
        elif fault == "refused":
            content, refusal = None, "I cannot judge this."
        elif fault == "truncated":
            content, finish = content[:5], "length"
        elif fault == "wrong_model":
            model = "another-model"
        if self.faults.echo_key:
            content = f"{content} {self.key}"
        n_input = sum(-(-len(m["content"].encode()) // 4) for m in asked["messages"]) + 7
        n_output = min(limit, 1 + int(_uniform(key + "length") * limit))
        if self.faults.bills_too_much:
            n_output = 1000 * limit
        usage = {"prompt_tokens": n_input, "completion_tokens": n_output,
                 "total_tokens": n_input + n_output}  # fmt: skip
        message = {"role": "assistant", "content": content, "refusal": refusal}
        choice = {"index": 0, "finish_reason": finish, "message": message}
        reply = {"id": "1", "object": "chat.completion", "created": 1, "model": model,
                 "choices": [choice], "usage": usage}  # fmt: skip
        return reply, self.price.cost(n_input, n_output)

    def _content(self, asked: dict[str, Any], text: str, key: str) -> str:
        parts = {name: body for name, _, body in _FENCED.findall(text)}
        if "ANSWER A" in parts:
            gap = _quality(parts["ANSWER A"]) - _quality(parts["ANSWER B"])
            gap += self.position_bias + self.noise * (_uniform(key + "noise") - 0.5)
            return json.dumps({"verdict": (gap > 0.3) - (gap < -0.3)})
        if "ANSWER" in parts:
            quality = _quality(parts["ANSWER"])
            met = {f"criterion_{k}": f"{quality:g}" in what for k, what in _CRITERION.findall(text)}
            return json.dumps({"criteria_met": met})
        return f"Answer of {asked['model']}, quality {int(_uniform(text + asked['model']) * 5)}"

    def _send(
        self,
        writer: asyncio.StreamWriter,
        status: int,
        value: dict[str, Any],
        headers: dict[str, str] | None = None,
        *,
        cut: bool = False,
    ) -> bool:
        self.statuses[status] += 1
        body = json.dumps(value).encode()
        more = "".join(f"{name}: {text}\r\n" for name, text in (headers or {}).items())
        head = f"HTTP/1.1 {status} X\r\ncontent-type: application/json\r\n{more}"
        writer.write(f"{head}content-length: {len(body)}\r\n\r\n".encode())
        writer.write(body[: len(body) // 2] if cut else body)
        return True


def _error(message: str) -> dict[str, Any]:
    return {"error": {"message": message, "type": "fault", "code": None}}


def _uniform(seed: str) -> float:
    return int.from_bytes(hashlib.sha256(seed.encode()).digest()[:6], "big") / 2**48


def _quality(answer: str) -> float:
    found = re.search(r"quality (-?[\d.]+)", answer)
    return float(found[1]) if found else 0.0


if __name__ == "__main__":
    sys.exit("Import this from a test.")
