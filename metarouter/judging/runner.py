"""Make calls: many at once, each paid for once, never past the budget, never past rate limits."""

from __future__ import annotations

import asyncio
import json
import random
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from metarouter.exceptions import BudgetError, MetaRouterError
from metarouter.judging.calls import Call
from metarouter.judging.money import Budget, Price, as_money, price_of
from metarouter.judging.replies import MalformedReplyError, is_refusal
from metarouter.judging.reply_store import Reply, ReplyStatus, ReplyStore
from metarouter.utils.arguments import validated

__all__ = [
    "Endpoint",
    "Estimate",
    "Limits",
    "check_endpoint",
    "estimate",
    "final_reply",
    "run_calls",
]

_ASKED_AGAIN = ("malformed", "wrong_model")
_LONGEST_WAIT = 60.0
_PATIENCE = 5  # tries of a busy endpoint, in those of a failing one
# Errors of these kinds come from a gateway that may have passed the call on, and a bill with it.
_MAYBE_BILLED = frozenset({408, 409, 502, 504})


@dataclass(frozen=True)
class Endpoint:
    """Where models are asked: anything with OpenAI's chat completions.

    Parameters
    ----------
    base_url : str or None
        None for OpenAI's own.
    key : str
        Never printed, logged or stored.
    timeout : float
        Seconds for one call.
    limit_field : {"max_completion_tokens", "max_tokens"}
        What the endpoint calls the largest number of tokens of a reply.
    reply_format : {"json_schema", "json_object", "none"}
        How far the endpoint can be told to reply in JSON.
    """

    base_url: str | None
    key: str
    timeout: float = 120.0
    limit_field: str = "max_completion_tokens"
    reply_format: str = "json_schema"

    def __repr__(self) -> str:
        return f"Endpoint(timeout={self.timeout:g})"

    def client(self) -> Any:
        """Return the client, which is to be closed."""
        from openai import AsyncOpenAI

        return AsyncOpenAI(
            base_url=self.base_url, api_key=self.key, timeout=self.timeout, max_retries=0
        )

    def clean(self, text: str) -> str:
        """Return a text without the key, should an endpoint have echoed it."""
        return text.replace(self.key, "[key]") if self.key else text

    def request(self, call: Call, fence: str) -> dict[str, Any]:
        """Return what is sent for a call."""
        sent: dict[str, Any] = {
            "model": call.model,
            "messages": call.build(fence),
            self.limit_field: call.limit,
            **call.settings,
        }
        if call.schema is not None and self.reply_format == "json_object":
            sent["response_format"] = {"type": "json_object"}
        if call.schema is not None and self.reply_format == "json_schema":
            schema = {"name": "reply", "strict": True, "schema": call.schema}
            sent["response_format"] = {"type": "json_schema", "json_schema": schema}
        return sent

    def worst_case(self, call: Call, price: Price) -> int:
        """Return the most that a call can cost."""
        sent = self.request(call, "0" * 16)
        extra = json.dumps(sent.get("response_format", ""))
        return price.worst_case(sent["messages"], extra, call.limit)


@dataclass(frozen=True)
class Limits:
    """How hard an endpoint is pressed.

    Parameters
    ----------
    concurrency : int
        Calls under way at once.
    per_minute : float or None
        Calls begun per minute.
    tries : int
        Times that one call is tried while the endpoint fails; five times as often while it only
        says that it is busy (429), which other calls may be the cause of.
    asks : int
        Times that a model is asked whose reply is malformed or another model's.
    backoff : float
        Seconds before the second try where the endpoint names no time; doubled each time.
    """

    concurrency: int = 16
    per_minute: float | None = None
    tries: int = 10
    asks: int = 2
    backoff: float = 0.5


@dataclass
class Estimate:
    """What calls would cost: at most, and as expected from half the limit of reply tokens."""

    n_calls: int = 0
    n_stored: int = 0
    most: int = 0
    expected: int = 0


def final_reply(store: ReplyStore, call: Call, asks: int) -> Reply | None:
    """Return the reply that counts: the first complete one, or else the last; None before it.

    None also says that the call is to be made, or made again.
    """
    for attempt in range(asks):
        reply = store.get(call.key(attempt))
        if reply is None or reply.status not in _ASKED_AGAIN:
            return reply
    return reply if asks else None


def estimate(
    calls: Iterable[Call],
    store: ReplyStore | None,
    endpoint: Endpoint,
    prices: Mapping[str, Price],
    asks: int,
) -> Estimate:
    """Add up what the calls that have no reply yet would cost.

    The expected cost takes four bytes per input token and half the limit per reply.

    Raises
    ------
    BudgetError
        If a price is not known.
    """
    total = Estimate()
    seen: set[str] = set()
    for call in calls:
        price = price_of(call.model, prices)
        key = call.key()
        if key in seen:
            continue
        seen.add(key)
        total.n_calls += 1
        if store is not None and final_reply(store, call, asks) is not None:
            total.n_stored += 1
            continue
        n_bytes = sum(len(m["content"].encode("utf-8", "replace")) for m in call.build("0" * 16))
        total.most += endpoint.worst_case(call, price)
        total.expected += price.cost(n_bytes // 4, max(call.limit // 2, 1))
    return total


def check_endpoint(endpoint: Endpoint) -> None:
    """Ask for the list of models, which costs nothing, to see that somebody is there.

    Raises
    ------
    MetaRouterError
        If nobody is there, or the key is refused.
    """
    import openai

    async def ask() -> None:
        async with endpoint.client() as client:
            await client.models.list()

    where = _place(endpoint)
    try:
        asyncio.run(ask())
    except (openai.AuthenticationError, openai.PermissionDeniedError):
        raise MetaRouterError(f"{where} refuses the key: give another with --key-from.") from None
    except openai.APIConnectionError as error:
        why = endpoint.clean(str(error.__cause__ or error)) or "no answer"
        raise MetaRouterError(
            f"{where} cannot be reached ({why}): check --base-url and the network."
        ) from None
    except (openai.OpenAIError, ValueError):
        return  # Not every endpoint lists its models.


@validated()
def run_calls(
    calls: Iterable[Call],
    store: ReplyStore,
    endpoint: Endpoint,
    prices: Mapping[str, Price],
    budget: Budget,
    limits: Limits,
    progress: Callable[[int], None] = lambda spent: None,
) -> bool:
    """Make all calls that have no reply yet.

    Parameters
    ----------
    calls : iterable of Call
        Taken one at a time, so that memory does not grow with their number.
    store : ReplyStore
    endpoint : Endpoint
    prices : mapping of str to Price
    budget : Budget
    limits : Limits
    progress : callable
        Told, after every call, what is spent so far.

    Returns
    -------
    bool
        False if the budget did not reach for all calls.

    Raises
    ------
    MetaRouterError
        If the endpoint refuses a call in a way that trying again does not mend.
    """
    runner = _Runner(store, endpoint, prices, budget, limits, progress)
    return asyncio.run(runner.run(iter(calls)))


class _TryAgain(Exception):
    """A try failed in a way that passes."""

    def __init__(self, after: float | None, *, busy: bool = False) -> None:
        super().__init__()
        self.after, self.busy = after, busy


class _Spent(Exception):
    """The budget does not reach for one more call."""


class _Pace:
    """When the next call may begin."""

    def __init__(self, per_minute: float | None) -> None:
        self._gap = 0.0 if per_minute is None else 60.0 / per_minute
        self._next = 0.0

    async def turn(self) -> None:
        """Wait for this call's turn."""
        loop = asyncio.get_running_loop()
        while (now := loop.time()) < self._next:
            if self._gap:
                break
            await asyncio.sleep(self._next - now)
        mine = max(now, self._next)
        if self._gap:
            self._next = mine + self._gap
            await asyncio.sleep(mine - now)

    def pause(self, seconds: float) -> None:
        """Let nobody begin for a while."""
        self._next = max(self._next, asyncio.get_running_loop().time() + seconds)


class _Runner:
    def __init__(
        self,
        store: ReplyStore,
        endpoint: Endpoint,
        prices: Mapping[str, Price],
        budget: Budget,
        limits: Limits,
        progress: Callable[[int], None],
    ) -> None:
        self.store, self.endpoint, self.prices = store, endpoint, prices
        self.budget, self.limits, self.progress = budget, limits, progress
        self.under_way: set[str] = set()
        self.n_calling = 0
        self.reached = True

    async def run(self, calls: Iterator[Call]) -> bool:
        """Share the calls among workers."""
        self.pace = _Pace(self.limits.per_minute)
        self.settled = asyncio.Condition()
        async with self.endpoint.client() as client:
            self.client = client
            workers = [
                asyncio.create_task(self._work(calls)) for _ in range(self.limits.concurrency)
            ]
            try:
                await asyncio.gather(*workers)
            finally:
                for worker in workers:
                    worker.cancel()
                await asyncio.gather(*workers, return_exceptions=True)
        return self.reached

    async def _work(self, calls: Iterator[Call]) -> None:
        for call in calls:
            if not self.reached:
                return
            key = call.key()
            if key in self.under_way:
                continue  # A row like it is being asked for, and its reply serves both.
            self.under_way.add(key)
            try:
                await self._ask(call)
            except _Spent:
                self.reached = False
            finally:
                self.under_way.discard(key)
            self.progress(self.budget.spent)

    async def _ask(self, call: Call) -> None:
        for attempt in range(self.limits.asks):
            key = call.key(attempt)
            reply = self.store.get(key) or await self._persist(call, key)
            if reply is None or reply.status not in _ASKED_AGAIN:
                return

    async def _persist(self, call: Call, key: str) -> Reply | None:
        """Try until there is a reply; None after too many tries: a later run tries again."""
        from tenacity import AsyncRetrying, RetryError, retry_if_exception_type

        tries, failures = self.limits.tries, 0

        def is_enough(state: Any) -> bool:
            nonlocal failures
            failures += not state.outcome.exception().busy
            return failures >= tries or state.attempt_number >= _PATIENCE * tries

        retrying = AsyncRetrying(
            stop=is_enough,
            retry=retry_if_exception_type(_TryAgain),
            wait=self._wait,
        )
        try:
            async for one in retrying:
                with one:
                    return await self._try(call, key)
        except RetryError:
            return None
        return None

    def _wait(self, state: Any) -> float:
        error = state.outcome.exception()
        if error.after is not None:
            return float(error.after)
        longest = min(self.limits.backoff * 2 ** (state.attempt_number - 1), _LONGEST_WAIT)
        return random.uniform(longest / 2, longest)

    async def _try(self, call: Call, key: str) -> Reply:
        import openai

        await self.pace.turn()
        price = price_of(call.model, self.prices)
        reserved = self.endpoint.worst_case(call, price)
        await self._reserve(reserved)
        number = self.store.begin_call(key, reserved)
        cost, sent = reserved, self.endpoint.request(call, secrets.token_hex(8))
        try:
            completion = await self.client.chat.completions.create(
                **sent, extra_headers={"Idempotency-Key": key}
            )
            reply = self._read(completion, call, price, reserved)
            cost = reply.cost
            self.store.end_call(number, key, reply)
        except openai.APIStatusError as error:
            status = error.status_code
            cost = reserved if status in _MAYBE_BILLED else 0
            self._fail(number, cost, f"http_{status}", str(error))
            self._refuse_what_lasts(error, call.model)
            after = _retry_after(error.response.headers)
            if status == 429:
                self.pace.pause(self.limits.backoff if after is None else after)
            raise _TryAgain(after, busy=status == 429) from None
        except openai.APITimeoutError as error:
            self._fail(number, cost, "timeout", str(error))
            raise _TryAgain(None) from None
        except (openai.APIError, ValueError, _Broken) as error:
            unconnected = type(error.__cause__).__name__ in ("ConnectError", "ConnectTimeout")
            cost = 0 if unconnected else reserved
            outcome = "not_connected" if unconnected else "broken"
            self._fail(number, cost, outcome, f"{type(error).__name__}: {error}")
            raise _TryAgain(None) from None
        finally:
            self.budget.settle(reserved, cost)
            self.n_calling -= 1
            async with self.settled:
                self.settled.notify_all()
        if cost > reserved:
            raise BudgetError(
                f"{_place(self.endpoint)} billed {as_money(cost)} for a call that could cost at "
                f"most {as_money(reserved)}: it does not keep to the limit of tokens, so that no "
                "budget can be kept; nothing more was asked."
            )
        return reply

    async def _reserve(self, amount: int) -> None:
        """Set the worst case aside; where it does not fit, wait for calls under way to end."""
        async with self.settled:
            while not (self.reached and self.budget.reserve(amount)):
                if not self.reached or self.n_calling == 0:
                    raise _Spent
                await self.settled.wait()
            self.n_calling += 1

    def _fail(self, number: int, cost: int, outcome: str, detail: str) -> None:
        self.store.fail_call(number, cost, outcome, self.endpoint.clean(detail)[:500])

    def _refuse_what_lasts(self, error: Any, model: str) -> None:
        where, status = _place(self.endpoint), error.status_code
        if status in (401, 403):
            raise MetaRouterError(f"{where} refuses the key: give another with --key-from.")
        if status == 404:
            raise MetaRouterError(f"{where} has no model {model!r}: name another.")
        said = " ".join(self.endpoint.clean(str(error)).split())[:200]
        if status == 429 and getattr(error, "code", None) == "insufficient_quota":
            raise MetaRouterError(f"{where} says that its account is used up ({said}).")
        if status in (400, 413, 422):
            raise MetaRouterError(
                f"{where} refuses a call to {model!r} ({said}): check --limit-field, "
                "--reply-format and --temperature."
            )

    def _read(self, completion: Any, call: Call, price: Price, reserved: int) -> Reply:
        usage = getattr(completion, "usage", None)
        n_input = getattr(usage, "prompt_tokens", None)
        n_output = getattr(usage, "completion_tokens", None)
        known = _is_count(n_input) and _is_count(n_output)
        # What is not told is taken at its worst.
        cost = price.cost(int(n_input or 0), int(n_output or 0)) if known else reserved
        choices = getattr(completion, "choices", None)
        if not choices or choices[0].message is None:
            raise _Broken("no choice in the reply")
        message, finish = choices[0].message, choices[0].finish_reason
        text = self.endpoint.clean(message.content or "")
        refusal = self.endpoint.clean(getattr(message, "refusal", None) or "")
        served = self.endpoint.clean(str(getattr(completion, "model", "") or ""))
        reply = Reply(
            "complete",
            text or refusal,
            "",
            served,
            n_input if known else None,
            n_output if known else None,
            cost,
        )
        status, reason = _judge_reply(call, text, refusal, finish, served)
        return replace(reply, status=status, reason=reason)


class _Broken(Exception):
    """A reply without what a reply has."""


def _judge_reply(
    call: Call, text: str, refusal: str, finish: str | None, served: str
) -> tuple[ReplyStatus, str]:
    if served and not _is_same_model(call.model, served):
        return "wrong_model", f"{served!r} has replied"
    if refusal or finish == "content_filter":
        return "refused", refusal[:200] or "filtered"
    if finish == "length":
        return "truncated", f"longer than {call.limit} tokens"
    if call.parse is None:
        return ("complete", "") if text.strip() else ("malformed", "empty")
    try:
        call.parse(text)
    except MalformedReplyError as error:
        return ("refused", "declined") if is_refusal(text) else ("malformed", str(error))
    return "complete", ""


def _is_same_model(asked: str, served: str) -> bool:
    """Whether a name is the one that was asked for, or a dated version of it."""
    asked, served = asked.rsplit("/", 1)[-1], served.rsplit("/", 1)[-1]
    rest = served.removeprefix(asked)
    return served == asked or (rest != served and rest[:1] in "-@:" and rest[1:2].isdigit())


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that an endpoint asks to wait, in any of the ways of writing them."""
    from email.utils import parsedate_to_datetime
    from time import time

    try:
        if "retry-after-ms" in headers:
            seconds = float(headers["retry-after-ms"]) / 1000
        else:
            given = headers.get("retry-after")
            if given is None:
                return None
            try:
                seconds = float(given)
            except ValueError:
                seconds = parsedate_to_datetime(given).timestamp() - time()
    except (ValueError, TypeError):
        return None
    return min(max(seconds, 0.0), 3600.0) if seconds == seconds else None


def _place(endpoint: Endpoint) -> str:
    """Name an endpoint without what may be secret in its address."""
    from urllib.parse import urlsplit

    if endpoint.base_url is None:
        return "The endpoint"
    parts = urlsplit(endpoint.base_url)
    return f"The endpoint {parts.scheme}://{parts.hostname or ''}" + (
        f":{parts.port}" if parts.port else ""
    )
