from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import Pipeline

from bandits import LinTS, LinUCB
from bandits.live import LiveRouter, read_history
from bandits.serving import RoutingService, UnknownRequestError, open_service
from metarouter.encoding import TfidfEncoder
from metarouter.exceptions import DataError, MetaRouterError, RouterFileError
from metarouter.routing import ThresholdRouter, save_router

TEXTS = ["how to treat a cold", "how to sue a landlord", "what helps against a cold", "prove it"]


def live_service(folder=None, *, router=None, **options):
    bandit = router or LinTS(arms=("small", "large"), random_state=0)
    live = LiveRouter.cold(bandit, 2, has_cost=False, journal=folder, fsync=False)
    return RoutingService(live, **options)


@pytest.fixture
def text_router(tmp_path):
    router = Pipeline(
        [
            ("encoder", TfidfEncoder(2, random_state=0)),
            ("router", ThresholdRouter(LinearRegression(), models=("small", "large"))),
        ]
    ).fit(TEXTS, [1.0, -1.0, 1.0, -1.0])
    save_router(router, tmp_path / "text.skops")
    return tmp_path / "text.skops"


def test_outcomes_are_learned_by_request_id_once():
    service = live_service()
    service.route(features=[1, 0], request_id="a")
    service.route(features=[0, 1], request_id="b")
    assert service.outcome("b", 1.0) == "accepted"
    assert service.outcome("b", 1.0) == "duplicate"
    assert service.outcome("a", 0.0) == "accepted"
    assert service.version == "LinTS@2"


def test_a_request_that_is_repeated_gets_the_same_decision():
    service = live_service()
    decisions = [service.route(features=[1, 0], request_id="a") for _ in range(5)]
    assert all(decision == decisions[0] for decision in decisions)
    assert service.router.counts.decided == 1


def test_a_request_that_is_decided_anew_takes_outcomes_for_the_new_decision():
    service = live_service()
    first = service.route(features=[1, 0], request_id="a", available=["small"])
    second = service.route(features=[1, 0], request_id="a", available=["large"], again=True)
    service.outcome("a", 1.0)
    assert (first.model, second.model) == ("small", "large")
    assert service.router.counts.pending == 1


def test_requests_survive_a_service_that_was_not_closed(tmp_path):
    service = live_service(tmp_path)
    for number in range(20):
        service.route(features=[1, number], request_id=f"r{number}")
    service.router._recorder.store._let_go()  # as the end of a process does
    again = open_service(tmp_path, fsync=False)
    assert [again.outcome(f"r{number}", 0.5) for number in range(20)] == ["accepted"] * 20
    assert again.router.counts.accepted == 20
    again.close()
    assert read_history(tmp_path).n == 20


def test_requests_are_remembered_within_bounds_over_restarts_and_checkpoints(tmp_path):
    bandit = LinTS(arms=("small", "large"), random_state=0)
    live = LiveRouter.cold(bandit, 2, has_cost=False, journal=tmp_path, fsync=False, max_pending=10)
    service = RoutingService(live)
    routed = [service.route(features=[1, 0], request_id=f"r{number}") for number in range(50)]
    assert service.outcome("r45", 1.0) == "accepted"
    for checkpoint in (False, True, False):
        if checkpoint:
            service.router.checkpoint()
        service.close()
        service = open_service(tmp_path, fsync=False)
        assert service.outcome("r45", 1.0) == "duplicate"
        assert service.outcome("r35", 1.0) == "expired"
        assert service.route(features=[9, 9], request_id="r45") == routed[45]
        assert service.route(features=[9, 9], request_id="r46") == routed[46]
        with pytest.raises(UnknownRequestError, match="too long ago"):
            service.outcome("r29", 1.0)
    assert service.outcome("r49", 1.0) == "accepted"
    service.close()


def test_what_a_call_took_is_filled_in_where_the_outcome_lacks_it(tmp_path):
    live = LiveRouter.cold(LinUCB(arms=("s", "l"), random_state=0), 1, journal=tmp_path)
    service = RoutingService(live)
    service.route(features=[1.0], request_id="a")
    service.measured("a", cost=0.25, latency=2.0)
    service.close()
    again = open_service(tmp_path)
    assert again.outcome("a", 1.0) == "accepted"
    assert again.outcome("a", 1.0) == "duplicate"
    assert again.router.router.cost_cap_ == 0.25
    again.close()


def test_a_decision_that_was_withdrawn_takes_no_outcome():
    service = live_service()
    service.route(features=[1, 0], request_id="a")
    service.withdraw("a")
    with pytest.raises(UnknownRequestError):
        service.outcome("a", 1.0)
    assert (service.router.counts.void, service.router.counts.pending) == (1, 0)
    service.route(features=[1, 0], request_id="a")
    assert service.outcome("a", 1.0) == "accepted"


def test_threads_that_route_one_request_get_one_decision(tmp_path):
    service = live_service(tmp_path)
    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(lambda _: service.route(features=[1, 0], request_id="a"), range(50))
        )
    assert service.router.counts.decided == 1
    assert all(answer == answers[0] for answer in answers)
    service.close()


def test_a_decision_and_its_request_are_one_line_and_one_wait_for_the_disk(tmp_path, monkeypatch):
    live = LiveRouter.cold(LinUCB(arms=("s", "l"), random_state=0), 1, journal=tmp_path)
    service = RoutingService(live)
    journal = tmp_path / "journal-000000.jsonl"
    waits, fsync = [], os.fsync

    def watched(handle):
        waits.append(len(journal.read_bytes().splitlines()))
        fsync(handle)

    monkeypatch.setattr(os, "fsync", watched)
    service.route(features=[1.0], request_id="a")
    assert waits == [2]
    service.measured("a", cost=0.25, latency=2.0)
    assert waits == [2]
    service.outcome("a", 1.0)
    assert waits == [2, 4]
    service.route(features=[1.0], request_id="b", flush=False)
    assert waits == [2, 4]
    service.flush()
    assert waits == [2, 4, 5]
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        "journal-000000.jsonl", "lock", "router-000000.npz",
    ]  # fmt: skip
    service.close()


def test_a_frozen_router_of_text_is_served_as_it_is(text_router):
    service = open_service(text_router)
    routed = service.route("what about a cold?")
    assert (routed.model, routed.propensity) == ("large", 1.0)
    assert service.route("what about a cold?", available=["small"]).model == "small"
    assert service.version.startswith("text-")
    with pytest.raises(DataError, match="frozen"):
        service.outcome(routed.request_id, 1.0)


def test_a_text_router_lends_its_encoder_to_a_bandit(text_router, tmp_path):
    bandit = LinUCB(arms=("small", "large"), random_state=0).fit(np.eye(2), np.eye(2))
    bandit.save(tmp_path / "bandit.npz")
    service = open_service(tmp_path / "bandit.npz", encoder=text_router, journal=tmp_path / "live")
    assert service.route("a cold \ud83d").model in ("small", "large")
    service.close()
    again = open_service(tmp_path / "bandit.npz", encoder=text_router, journal=tmp_path / "live")
    assert again.router.counts.decided == 1
    again.close()


def test_neither_prompts_nor_texts_are_written(text_router, tmp_path):
    bandit = LinUCB(arms=("small", "large"), random_state=0).fit(np.eye(2), np.eye(2))
    bandit.save(tmp_path / "bandit.npz")
    service = open_service(tmp_path / "bandit.npz", encoder=text_router, journal=tmp_path / "live")
    service.route("my secret cold")
    service.close()
    written = b"".join(file.read_bytes() for file in (tmp_path / "live").iterdir())
    assert b"secret" not in written


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({}, "either a prompt or features"),
        ({"features": []}, "no list of numbers"),
        ({"features": [1, True]}, "no number"),
        ({"features": [1, 10**400]}, "infinity"),
        ({"features": [1, float("nan")]}, "NaN"),
        ({"features": [1, 2, 3]}, "3 features"),
        ({"prompt": "hi"}, "no encoder"),
        ({"features": [1, 0], "request_id": ""}, "request_id"),
        ({"features": [1, 0], "request_id": "x\n"}, "request_id"),
        ({"features": [1, 0], "request_id": "\ud800"}, "request_id"),
        ({"features": [1, 0], "available": ["huge"]}, "huge"),
        ({"features": [1, 0], "available": []}, "no arm"),
        ({"features": [1, 0], "preference": [[1, 0]]}, "preference"),
        ({"features": [1, 0], "preference": [2, 0]}, "preference"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_decided(given, sentence):
    service = live_service()
    with pytest.raises(MetaRouterError, match=sentence):
        service.route(**given)
    assert service.router.counts.decided == 0


def test_the_folder_of_another_service_is_refused(tmp_path):
    service = live_service(tmp_path)
    with pytest.raises(RouterFileError, match="in use"):
        open_service(tmp_path)
    service.close()
