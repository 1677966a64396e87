"""A router, its encoder and the requests that wait for their outcomes."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import numpy as np

from bandits._persistence import load_bandit
from bandits.live import Decision, LiveRouter, Receipt
from metarouter.exceptions import DataError, MetaRouterError
from metarouter.routing import final_estimator, load_router

__all__ = [
    "LONGEST_ID",
    "FrozenRouterError",
    "Routed",
    "RoutingService",
    "UnknownRequestError",
    "open_service",
]

LONGEST_ID = 200  # characters


class UnknownRequestError(DataError):
    """There is no such request, or it is too long ago."""


class FrozenRouterError(DataError):
    """The router does not learn."""


class Routed(NamedTuple):
    """Which model to call, how likely that was, and what to quote when the outcome is known."""

    request_id: str
    model: Any
    propensity: float
    preference: list[float] | None
    router_version: str


class RoutingService:
    """Route prompts and take in outcomes by request id, from many threads.

    Parameters
    ----------
    router : LiveRouter or fitted router with `predict`
        A live router explores and learns. Any other, such as a `ThresholdRouter` or a pipeline
        that ends in one, is frozen: every propensity is 1, and outcomes are refused.
    encoder : transformer, optional
        Turns a list of texts into features. Without one, features are given instead of prompts;
        a frozen pipeline encodes for itself.
    preference : weights, optional
        The preference of requests that name none.
    name : str, optional
        What the version of the router begins with; by default its class.

    Examples
    --------
    >>> from bandits import LinUCB
    >>> from bandits.live import LiveRouter
    >>> live = LiveRouter.cold(LinUCB(arms=("small", "large"), random_state=0), n_features=2)
    >>> service = RoutingService(live, preference=(0.8, 0.2))
    >>> routed = service.route(features=[0.3, 0.7], request_id="r-1")
    >>> service.outcome("r-1", quality=1.0, cost=0.002).value
    'accepted'
    """

    def __init__(
        self,
        router: Any,
        *,
        encoder: Any = None,
        preference: Sequence[float] | None = None,
        name: str | None = None,
    ) -> None:
        self.router, self.encoder, self.preference = router, encoder, preference
        self._name = name or type(self._bandit or router).__name__

    @property
    def learns(self) -> bool:
        """Whether the router explores and takes in outcomes."""
        return isinstance(self.router, LiveRouter)

    @property
    def version(self) -> str:
        """What the router is called, and how many outcomes it has learned."""
        learned = "frozen" if self._bandit is None else self._bandit.n_updates_
        return f"{self._name}@{learned}"

    @property
    def models(self) -> list[Any]:
        """Names of the models."""
        if self._bandit is not None:
            return list(self._bandit.arms_)
        last = final_estimator(self.router)
        return list(getattr(last, "models", getattr(last, "arms_", [])))

    @property
    def stopped(self) -> str | None:
        """Why the router decides no more, None while it does."""
        return self.router.stopped if self.learns else None

    @property
    def takes_prompts(self) -> bool:
        """Whether there is an encoder."""
        return self.encoder is not None or (not self.learns and hasattr(self.router, "steps"))

    def route(
        self,
        prompt: str | None = None,
        *,
        features: Sequence[float] | None = None,
        preference: Sequence[float] | None = None,
        available: Iterable[Any] | None = None,
        request_id: str | None = None,
        again: bool = False,
        flush: bool = True,
    ) -> Routed:
        """Choose a model for one request.

        Parameters
        ----------
        prompt : str, optional
        features : sequence of float, optional
            Instead of the prompt, as the router takes them.
        preference : weights, optional
        available : iterable of names, optional
            Models that can be called.
        request_id : str, optional
            By default a new one. A request that was routed before gets the same decision again,
            so that a client may repeat itself.
        again : bool, default=False
            Decide anew where the id is known, as after a call that failed; outcomes then belong to
            the new decision.
        flush : bool, default=True
            Whether to return when the decision is on the disk; if not, call `flush` before its
            answer is given to anybody.

        Raises
        ------
        DataError
            If an input is not as it should be.
        RouterFileError
            If the journal cannot be written.
        """
        request = uuid4().hex if request_id is None else _checked_id(request_id)
        x = self._features(prompt, features)
        weights = self.preference if preference is None else preference
        weights = None if weights is None else _checked_numbers("preference", weights)
        offered = None if available is None else list(available)
        if not self.learns:
            return self._frozen(request, x, offered, preference)
        decision = self.router.choose(
            x,
            weights,
            available=offered,
            request=request,
            version=self.version,
            again=again,
            flush=flush,
        )
        return Routed(
            request,
            decision.arm,
            decision.propensity,
            list(decision.preference),
            decision.version or self.version,
        )

    def outcome(
        self,
        request_id: str,
        quality: float,
        cost: float | None = None,
        latency: float | None = None,
    ) -> Receipt:
        """Report the outcome of a request.

        Parameters
        ----------
        request_id : str
        quality : float
        cost, latency : float, optional
            By default what `measured` was given.

        Raises
        ------
        UnknownRequestError
            If there is no such request.
        DataError
            If the request has a different outcome, or a number is malformed.
        """
        if not self.learns:
            raise FrozenRouterError(
                "This router is frozen and learns from no outcome: serve a bandit's file to learn."
            )
        decision = self.router.find(_checked_id(request_id))
        if decision is None:
            raise UnknownRequestError(
                f"There is no request {request_id!r}, or it is too long ago: quote the id that "
                "routing returned."
            )
        outcome = [
            None if one is None else _checked_numbers("an outcome", [one])[0]
            for one in (quality, cost, latency)
        ]
        return self.router.feedback(decision.id, *outcome)

    def measured(self, request_id: str, *, cost: float, latency: float) -> None:
        """Keep what a call took, for an outcome that names its quality alone."""
        decision = self._decision(request_id)
        if decision is not None:
            self.router.measured(decision.id, cost=cost, latency=latency)

    def failed(self, request_id: str, routed: Mapping[str, Any], quality: float) -> None:
        """Report the quality of a call that failed, which costs and takes nothing."""
        decision = self._decision(request_id)
        # A retry may have been decided meanwhile: what failed is not it.
        if decision is not None and decision.arm == routed.get("model"):
            nothing = [0.0] * (self._bandit.n_outcomes_ - 1)
            self.router.feedback(decision.id, quality, *nothing)

    def withdraw(self, request_id: str) -> None:
        """Take back a decision that was not followed: its outcome would be another model's."""
        decision = self._decision(request_id)
        if decision is not None:
            self.router.withdraw(decision.id)

    def flush(self) -> None:
        """Return when all decisions are on the disk."""
        if self.learns:
            self.router.flush()

    def close(self) -> None:
        """Let go of the journal."""
        if self.learns:
            self.router.close()

    @property
    def _bandit(self) -> Any:
        return self.router.router if self.learns else None

    def _decision(self, request: str) -> Decision | None:
        return self.router.find(request) if self.learns else None

    def _features(self, prompt: Any, features: Any) -> Any:
        if (prompt is None) == (features is None):
            raise DataError("Give either a prompt or features, and not both.")
        if features is not None:
            return _checked_numbers("features", features)
        if not self.takes_prompts:
            raise DataError("This service has no encoder: give features instead of a prompt.")
        if not isinstance(prompt, str):
            raise DataError("prompt is no text: give one.")
        text = prompt.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        if self.encoder is None:
            return [text]
        encoded = np.asarray(self.encoder.transform([text]))
        return encoded[0]

    def _frozen(self, request: str, x: Any, offered: list[Any] | None, preference: Any) -> Routed:
        if preference is not None:
            raise DataError("preference is given, but this router's trade-off is fixed: leave it.")
        rows: Any = x if isinstance(x, list) else np.atleast_2d(x)
        n_features = getattr(self.router, "n_features_in_", None)
        if not isinstance(x, list) and n_features is not None and rows.shape[1] != n_features:
            raise DataError(
                f"features has {rows.shape[1]} numbers, but this router takes {n_features}."
            )
        model = self.router.predict(rows)[0]
        model = model.item() if isinstance(model, np.generic) else model
        if offered is not None and model not in offered:
            known = [name for name in self.models if name in offered]
            if not known:
                raise DataError("available names none of this router's models.")
            model = known[0]
        return Routed(request, model, 1.0, None, self.version)


def open_service(
    router: str | os.PathLike[str],
    *,
    encoder: str | os.PathLike[str] | None = None,
    journal: str | os.PathLike[str] | None = None,
    preference: Sequence[float] | None = None,
    fsync: bool = True,
) -> RoutingService:
    """Open a service from files.

    Parameters
    ----------
    router : path
        A bandit's file (``.npz``), a router file of `save_router`, or the folder of a journal,
        which is resumed.
    encoder : "minilm" or path, optional
        Whose features the router takes; a router file with a pipeline lends its encoder.
    journal : path, optional
        Of a bandit's file: where its journal is kept. One that is there already is resumed, and
        the file only names the version.
    preference : weights, optional
    fsync : bool, default=True

    Raises
    ------
    RouterFileError
        If a file is missing, damaged, or in use.
    """
    path = Path(router)
    encodes = None if encoder is None else _encoder(encoder)
    name, served = _opened(path, None if journal is None else Path(journal), fsync)
    try:
        return RoutingService(served, encoder=encodes, preference=preference, name=name)
    except BaseException:
        if isinstance(served, LiveRouter):
            served.close()
        raise


def _opened(path: Path, journal: Path | None, fsync: bool) -> tuple[str | None, Any]:
    """Return the name of a router and the router."""
    if path.is_dir():
        if journal is not None and journal.resolve() != path.resolve():
            raise DataError(f"{path} is a journal already: leave journal out.")
        return None, LiveRouter.resume(path, fsync=fsync)
    is_bandit = path.suffix == ".npz"
    loaded = load_bandit(path) if is_bandit else load_router(path)
    name = f"{path.stem}-{blake2b(path.read_bytes(), digest_size=4).hexdigest()}"
    if not is_bandit:
        if journal is not None:
            raise DataError(f"{path} is frozen and keeps no journal: leave journal out.")
        return name, loaded
    if journal is not None and any(journal.glob("journal-*.jsonl")):
        return name, LiveRouter.resume(journal, fsync=fsync)
    return name, LiveRouter(loaded, journal, fsync=fsync)


def _encoder(given: str | os.PathLike[str]) -> Any:
    if str(given) == "minilm":
        from metarouter.encoding import MiniLMEncoder

        return MiniLMEncoder().fit(["a first text loads the model"])
    found = load_router(given)
    if not hasattr(found, "steps"):
        raise MetaRouterError(
            f"{given} holds no encoder: give 'minilm', or a router that was fitted on text."
        )
    return found[:-1]


def _checked_id(request: Any) -> str:
    if not isinstance(request, str) or not 0 < len(request) <= LONGEST_ID or not _plain(request):
        raise DataError(
            f"request_id is no printable text of 1 to {LONGEST_ID} characters: give such an id."
        )
    return request


def _plain(text: str) -> bool:
    return text.isprintable() and not any("\ud800" <= sign <= "\udfff" for sign in text)


def _checked_numbers(name: str, values: Any) -> list[float]:
    if not isinstance(values, list | tuple | np.ndarray) or not len(values):
        raise DataError(f"{name} is no list of numbers: give one number per feature.")
    numbers = []
    for value in values:
        if isinstance(value, bool) or not isinstance(value, int | float | np.number):
            raise DataError(f"{name} holds something that is no number: give finite numbers.")
        try:
            numbers.append(float(value))
        except OverflowError:
            numbers.append(math.inf)
    if not all(map(math.isfinite, numbers)):
        raise DataError(f"{name} holds NaN or infinity: give finite numbers.")
    return numbers
