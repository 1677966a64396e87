"""A plugin for LiteLLM's router and proxy: a bandit chooses among the deployments of a group.

Written against the hooks of ``litellm.integrations.custom_logger.CustomLogger`` that version 1.110
documents: `async_filter_deployments` narrows the candidates,
`async_post_call_success_deployment_hook` holds the answer until the decision is on the disk, and
`async_log_success_event` and `async_log_failure_event` say how the call ended.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from concurrent.futures import Future
from typing import Any

from litellm.integrations.custom_logger import CustomLogger

from bandits.serving.service import LONGEST_ID, Routed, RoutingService
from metarouter.exceptions import DataError

__all__ = ["LiteLLMPlugin", "prompt_of"]

_LOG = logging.getLogger("bandits.serving")
_KEY = "routing"  # of the metadata of a request


class _Stamp(dict[str, Any]):
    """A decision of this plugin in the metadata of a request; what clients send is never one."""


class LiteLLMPlugin(CustomLogger):
    """Let a routing service choose among the deployments of a model group.

    Each deployment is an arm by its ``model_info: {id: ...}``, else by its ``litellm_params:
    {model: ...}``, with or without the provider; several of one name are one arm, among which
    LiteLLM chooses as ever. The decision is written into the metadata of the request, under
    ``routing``: ``request_id``, ``model``, ``propensity``, ``preference``, ``router_version``.

    The id of a request is ``metadata["request_id"]``, else LiteLLM's own ``litellm_call_id`` (the
    header ``x-litellm-call-id`` of the proxy), else a new one, which stands in the metadata. A
    preference of the request is read from ``metadata["routing_preference"]``.

    A mistake in here never stops a request: the candidates are then left as they are, and
    `failures` is counted.

    Parameters
    ----------
    service : RoutingService
    model_group : str, optional
        The group whose deployments are chosen among; by default every one that has two arms.
    failure_quality : float, optional
        The quality of a call that fails, reported at once, with cost and latency 0 where they are
        learned. By default nothing is reported.

    Attributes
    ----------
    failures : int
        Requests that were left to LiteLLM because something went wrong in here.

    Examples
    --------
    >>> import litellm  # doctest: +SKIP
    >>> litellm.callbacks.append(LiteLLMPlugin(service, model_group="auto"))  # doctest: +SKIP
    """

    def __init__(
        self,
        service: RoutingService,
        *,
        model_group: str | None = None,
        failure_quality: float | None = None,
    ) -> None:
        super().__init__()
        self.service, self.model_group = service, model_group
        self.failure_quality = failure_quality
        self.failures = 0
        self._flushes: dict[str, asyncio.Future[None]] = {}  # by request, under way

    async def async_filter_deployments(
        self,
        model: str,
        healthy_deployments: list[Any],
        messages: list[Any] | None,
        request_kwargs: dict[str, Any] | None = None,
        parent_otel_span: Any = None,
    ) -> list[Any]:
        """Leave the deployments of the model that was chosen."""
        if self.model_group is not None and model != self.model_group:
            return healthy_deployments
        try:
            return await self._narrowed(healthy_deployments, messages, request_kwargs)
        except Exception as error:
            self._failed("a request was not routed", error)
            return healthy_deployments

    async def async_post_call_success_deployment_hook(
        self, request_data: dict[str, Any], response: Any, call_type: Any
    ) -> None:
        """Hold the answer until the decision is on the disk, which it has been put on meanwhile."""
        request = _decision({"litellm_params": request_data}).get("request_id", "")
        flush = self._flushes.get(request)
        if flush is not None:
            await asyncio.wait([flush])

    async def async_log_success_event(
        self, kwargs: Mapping[str, Any], response_obj: Any, start_time: Any, end_time: Any
    ) -> None:
        """Keep what the call took; take the decision back where another model has answered."""
        try:
            request, followed = self._request(kwargs)
            if followed:
                self.service.measured(  # it does not wait for the disk
                    request,
                    cost=float(kwargs.get("response_cost") or 0.0),
                    latency=max((end_time - start_time).total_seconds(), 0.0),
                )
            elif request is not None:
                await asyncio.to_thread(self.service.withdraw, request)
        except Exception as error:
            self._failed("the end of a request was not noted", error)

    async def async_log_failure_event(
        self, kwargs: Mapping[str, Any], response_obj: Any, start_time: Any, end_time: Any
    ) -> None:
        """Report the quality of a call that failed, where it has one."""
        if self.failure_quality is None:
            return
        try:
            request, followed = self._request(kwargs)
            if followed:
                decision = _decision(kwargs)
                await asyncio.to_thread(
                    self.service.failed, request, decision, self.failure_quality
                )
        except Exception as error:
            self._failed("the end of a request was not noted", error)

    async def _narrowed(
        self, deployments: list[Any], messages: list[Any] | None, request: dict[str, Any] | None
    ) -> list[Any]:
        of_arm: dict[Any, list[Any]] = {}
        for deployment in deployments:
            arm = self._arm(deployment)
            if arm is not None:
                of_arm.setdefault(arm, []).append(deployment)
        if len(of_arm) < 2 and (self.model_group is None or not of_arm):
            return deployments
        kwargs = {} if request is None else request
        metadata = _metadata(kwargs)
        given = metadata.get("request_id") or kwargs.get("litellm_call_id")
        routed = await self._routed(
            prompt_of(messages),
            at_once=bool(kwargs.get("stream")),  # LiteLLM does not say when a stream begins
            preference=metadata.get("routing_preference"),
            available=list(of_arm),
            request_id=None if given is None else str(given)[:LONGEST_ID],
            again=True,  # a retry may not call what has failed
        )
        metadata[_KEY] = _Stamp(routed._asdict())
        return of_arm[routed.model]

    async def _routed(self, prompt: str, *, at_once: bool, **options: Any) -> Routed:
        """Return a decision, which is put on the disk at once or while its model is called."""
        if at_once:
            return await asyncio.to_thread(self.service.route, prompt, **options)
        chosen: Future[Routed] = Future()

        def route() -> None:
            if not chosen.set_running_or_notify_cancel():
                return
            try:
                chosen.set_result(self.service.route(prompt, **options, flush=False))
            except BaseException as error:
                chosen.set_exception(error)
                return
            try:
                self.service.flush()
            except Exception as error:
                self._failed("a decision is not on the disk", error)

        flush = asyncio.get_running_loop().run_in_executor(None, route)
        routed = await asyncio.wrap_future(chosen)
        self._flushes[routed.request_id] = flush
        flush.add_done_callback(lambda done: self._forget(routed.request_id, done))
        return routed

    def _forget(self, request: str, flush: asyncio.Future[None]) -> None:
        if self._flushes.get(request) is flush:  # and no retry's
            del self._flushes[request]

    def _failed(self, what: str, error: Exception) -> None:
        self.failures += 1
        _LOG.warning("%s: %s", what, type(error).__name__)  # its message may quote the prompt

    def _arm(self, deployment: Mapping[str, Any]) -> Any:
        """Return the name by which the router knows a deployment, None if it does not."""
        info, params = deployment.get("model_info") or {}, deployment.get("litellm_params") or {}
        called = str(params.get("model", ""))
        names = (info.get("id"), called, called.partition("/")[2])
        return next((name for name in names if name in self.service.models), None)

    def _request(self, kwargs: Mapping[str, Any]) -> tuple[Any, bool]:
        """Return the id of a request, and whether the model that was chosen has been called."""
        decision = _decision(kwargs)
        params = kwargs.get("litellm_params") or {}
        called = {
            "model_info": params.get("model_info") or _metadata(params).get("model_info"),
            "litellm_params": {"model": _metadata(params).get("deployment") or kwargs.get("model")},
        }
        request = decision.get("request_id")
        return request, request is not None and self._arm(called) == decision.get("model")


def prompt_of(messages: list[Any] | None) -> str:
    """Return the text of the last message of the user.

    Raises
    ------
    DataError
        If there is none.

    Examples
    --------
    >>> prompt_of([{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hi"}])
    'Hi'
    """
    for message in reversed(messages or []):
        if message.get("role") != "user":
            continue
        content = message.get("content")
        if isinstance(content, list):
            parts = [part for part in content if isinstance(part, dict)]
            content = "\n".join(str(part["text"]) for part in parts if part.get("type") == "text")
        if isinstance(content, str) and content:
            return content
    raise DataError("The request has no text of a user: nothing can be routed by it.")


def _decision(kwargs: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the decision of a request that has ended, empty if the plugin made none."""
    found = _metadata(kwargs.get("litellm_params") or {}).get(_KEY)
    return found if isinstance(found, _Stamp) else {}


def _metadata(kwargs: Any) -> dict[str, Any]:
    """Return the metadata of a request, which the proxy keeps under another name for some calls."""
    for name in ("litellm_metadata", "metadata"):
        found = kwargs.get(name)
        if isinstance(found, dict):
            return found
    fresh: dict[str, Any] = {}
    if isinstance(kwargs, dict):
        kwargs["metadata"] = fresh
    return fresh
