"""A live router learns every outcome once, whatever order, doubling or delay it meets."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest
from live_service import (
    ARMS,
    X,
    add_up,
    assert_same,
    fresh,
    live,
    outcome,
    posterior,
    serve,
)
from sklearn.exceptions import NotFittedError

from bandits import Constant, LinTS, LinUCB, RandomRouter
from bandits.live import LiveRouter, Receipt
from metarouter.exceptions import DataError, RouterFileError


class TestFeedback:
    def test_what_is_told_is_what_partial_fit_learns(self):
        service, router = live(), fresh()
        decisions = serve(service)
        quality, cost = zip(*(outcome(d.id) for d in decisions), strict=True)
        router.partial_fit(X, [d.arm for d in decisions], quality, cost, arms=ARMS)
        np.testing.assert_allclose(
            service.router.predict_quality(X), router.predict_quality(X), atol=1e-9
        )
        assert service.counts.accepted == 60

    def test_decisions_are_those_of_the_router(self):
        service, router = live(router=fresh(LinTS)), fresh(LinTS)
        router.partial_fit(X[:1], ["a"], [0.0], [0.0], arms=ARMS)
        router._begin(list(ARMS), 2)  # as if the first feedback had never been
        for x in X[:20]:
            action, propensity = router.sample(x[None], (0.7, 0.3))
            decision = service.choose(x, (0.7, 0.3))
            assert (decision.arm, decision.propensity) == (action[0], propensity[0])

    def test_the_order_does_not_matter(self):
        forth, back = live(), live()
        for service, order in ((forth, 1), (back, -1)):
            decisions = [service.choose(x) for x in X]
            for decision in decisions[::order]:
                service.feedback(decision.id, *outcome(decision.id))
        assert_same(forth, back)

    def test_the_second_telling_is_ignored_and_counted(self):
        service = live()
        (decision,) = serve(service, [0])
        before = posterior(service)
        assert service.feedback(decision.id, *outcome(decision.id)) is Receipt.DUPLICATE
        for name, values in posterior(service).items():
            assert np.array_equal(values, before[name])
        assert service.counts.ignored[Receipt.DUPLICATE] == 1

    def test_a_contradiction_is_refused_and_the_first_outcome_stands(self):
        service = live()
        serve(service, [0])
        with pytest.raises(DataError, match="Decision 0 has a different outcome"):
            service.feedback(0, 0.123, 0.0)
        assert service.counts.ignored[Receipt.CONTRADICTION] == 1
        assert service.router.n_updates_ == 1

    def test_an_unknown_decision_is_refused(self):
        service = live()
        serve(service, [0])
        for number in (1, -1, 99):
            with pytest.raises(DataError, match=f"no decision {number}: quote the id"):
                service.feedback(number, 1.0, 0.0)
        with pytest.raises(DataError, match="no decision 'x'"):
            service.feedback("x", 1.0, 0.0)
        assert service.counts.ignored[Receipt.UNKNOWN] == 3

    def test_decisions_that_wait_too_long_make_room(self):
        service = live(max_pending=10)
        decisions = serve(service, range(25), skip=lambda number: True)
        assert service.counts.pending == 10
        assert service.counts.expired == 15
        receipts = [service.feedback(d.id, 1.0, 0.0) for d in decisions]
        assert receipts[15:] == [Receipt.ACCEPTED] * 10
        assert receipts[5:15] == [Receipt.EXPIRED] * 10
        assert receipts[:5] == [Receipt.FORGOTTEN] * 5
        assert service.router.n_updates_ == 10
        assert add_up(service.counts)

    def test_what_is_remembered_is_bounded(self):
        service = live(max_pending=5)
        for _ in range(20):
            serve(service, range(3))
        ledger = service._recorder.state.ledger
        assert len(ledger._settled) == 5
        assert len(ledger.pending) == 0
        assert service.feedback(0, *outcome(0)) is Receipt.FORGOTTEN

    def test_feedback_can_be_learned_in_batches(self):
        service, single = live(update_every=25), live()
        for one in (service, single):
            decisions = [one.choose(x, (1.0, 0.0)) for x in X]
            for decision in decisions:
                one.feedback(decision.id, *outcome(decision.id))
        assert service.router.n_updates_ == 50
        service.learn()
        assert_same(service, single)

    def test_a_router_without_costs_takes_none(self):
        service = LiveRouter.cold(fresh(), 4, has_cost=False)
        decision = service.choose(X[0])
        with pytest.raises(DataError, match="cost is given, but this router learns none"):
            service.feedback(decision.id, 1.0, 0.1)
        assert service.feedback(decision.id, 1.0) is Receipt.ACCEPTED

    @pytest.mark.parametrize(
        ("told", "message"),
        [
            ((np.nan, 0.1), "quality is NaN"),
            ((1.0, np.inf), "cost is NaN or infinite"),
            ((1.0, -0.1), "cost is negative"),
            ((1.0,), "cost is missing, but this router learns costs"),
            (("good", 0.1), "quality holds something that is not a number"),
        ],
    )
    def test_wrong_numbers_are_refused_and_the_decision_still_waits(self, told, message):
        service = live()
        decision = service.choose(X[0])
        with pytest.raises(DataError, match=message):
            service.feedback(decision.id, *told)
        assert service.feedback(decision.id, 1.0, 0.1) is Receipt.ACCEPTED


class TestArms:
    def test_decisions_for_an_arm_that_is_removed_are_void(self):
        service = live(router=fresh(RandomRouter))
        decisions = serve(service, skip=lambda number: True)
        service.remove_arm("b")
        for decision in decisions:
            expected = Receipt.VOID if decision.arm == "b" else Receipt.ACCEPTED
            assert service.feedback(decision.id, 1.0, 0.0) is expected
        counts = service.counts
        assert counts.void == sum(d.arm == "b" for d in decisions) == counts.ignored[Receipt.VOID]
        assert add_up(counts)

    def test_a_name_that_comes_back_is_another_arm(self):
        service = live(router=Constant("b", arms=ARMS, random_state=0))
        decision = service.choose(X[0])
        service.remove_arm("b")
        service.add_arm("b")
        assert service.feedback(decision.id, 1.0, 0.0) is Receipt.VOID

    def test_what_waits_for_its_batch_is_learned_before_its_arm_goes(self):
        service = live(update_every=100)
        serve(service)
        service.remove_arm("a")
        assert service.router.n_updates_ == 60

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda s: s.add_arm("a"), "'a' twice"),
            (lambda s: s.add_arm("d", like="e"), "'e'"),
            (lambda s: s.add_arm("d", weight=float("nan")), "weight is nan"),
            (lambda s: s.add_arm(("d", 1)), "neither text nor a whole number"),
            (lambda s: s.add_arm("d", like=1.5), "neither text nor a whole number"),
            (lambda s: s.remove_arm("d"), "'d'"),
        ],
    )
    def test_changes_that_mean_nothing_are_refused_and_not_written(self, change, message, tmp_path):
        with live(tmp_path) as service, pytest.raises(DataError, match=message):
            change(service)
        with LiveRouter.resume(tmp_path) as again:
            assert again.router.arms_ == list(ARMS)


class TestContexts:
    def test_a_context_is_a_row_however_it_is_given(self):
        for x in (X[0], X[:1], X[0].tolist(), X[0].astype(np.float32)):
            assert live().choose(x).id == 0

    def test_frames_of_one_row_keep_their_names(self):
        frame = pd.DataFrame(X, columns=list("wxyz"))
        router = LinUCB(random_state=0).fit(frame, X[:, :2])
        service = LiveRouter(router)
        service.feedback(service.choose(frame.iloc[[3]]).id, 1.0)
        assert router.n_updates_ == 61
        with pytest.raises(DataError, match=r"same order|feature names"):
            service.choose(frame.iloc[[3], ::-1])

    def test_a_context_that_is_changed_later_is_learned_as_it_was(self):
        service, other = live(), live()
        x = X[:1].copy()
        decision = service.choose(x)
        x[:] = 1e6
        service.feedback(decision.id, 1.0, 0.0)
        other.feedback(other.choose(X[0]).id, 1.0, 0.0)
        assert_same(service, other)

    @pytest.mark.parametrize(
        ("x", "preference", "message"),
        [
            (X[0, :3], None, "3 features"),
            (X[:2], None, "x has 2 rows; choose for one query at a time"),
            (X[0] * np.nan, None, "NaN"),
            (X[0], (0.9, 0.9), "give two weights"),
        ],
    )
    def test_queries_that_mean_nothing_are_refused_and_not_counted(self, x, preference, message):
        service = live()
        with pytest.raises(DataError, match=message):
            service.choose(x, preference)
        assert service.counts.decided == 0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: live(max_pending=0), "max_pending is 0"),
        (lambda: live(update_every=0), "update_every is 0"),
        (lambda: LiveRouter.cold(LinUCB(), 4), "does not know its arms"),
        (lambda: LiveRouter(LinUCB(arms=[(1, 2), "b"]).fit(X, X[:, :2])), "neither text nor"),
        (lambda: LiveRouter.cold(LinUCB().fit(X, X[:, :2]), 4), "has learned already"),
    ],
)
def test_routers_and_limits_that_cannot_serve_are_refused(make, message):
    with pytest.raises(DataError, match=message):
        make()


def test_a_router_that_was_never_fitted_is_refused():
    with pytest.raises(NotFittedError):
        LiveRouter(fresh())


def test_without_a_folder_there_is_no_checkpoint():
    with pytest.raises(RouterFileError, match="keeps no journal: give it a folder"):
        live().checkpoint()


def test_threads_get_numbers_of_their_own():
    service = live()
    with ThreadPoolExecutor(8) as pool:
        decisions = list(pool.map(lambda k: service.choose(X[k % 60]), range(400)))
    assert sorted(d.id for d in decisions) == list(range(400))


class TestArmsThatAreOut:
    def test_they_are_not_called_and_not_forgotten(self, tmp_path):
        live = LiveRouter.cold(
            LinUCB(arms=("a", "b"), random_state=0), 1, has_cost=False, journal=tmp_path
        )
        for _ in range(30):
            decision = live.choose([1.0])
            live.feedback(decision.id, quality=0.9 if decision.arm == "b" else 0.2)
        known = live.router.predict_quality([[1.0]])[0, 1]
        out = [live.choose([1.0], available=["a"]) for _ in range(5)]
        assert {decision.arm for decision in out} == {"a"}
        assert {decision.propensity for decision in out} == {1.0}
        assert live.router.predict_quality([[1.0]])[0, 1] == known
        after = [live.choose([1.0]).arm for _ in range(3)]
        live.close()
        with LiveRouter.resume(tmp_path) as resumed:
            assert resumed.counts == live.counts
            assert resumed.choose([1.0]).arm in after

    def test_no_offer_and_foreign_offers_are_refused(self):
        live = LiveRouter.cold(LinUCB(arms=("a", "b")), 1, has_cost=False)
        for available in ([], ["c"]):
            with pytest.raises(DataError, match="arm"):
                live.choose([1.0], available=available)

    def test_removing_an_arm_says_which_decisions_it_voids(self):
        live = LiveRouter.cold(LinUCB(arms=("a", "b"), random_state=0), 1, has_cost=False)
        decisions = [live.choose([1.0], available=[arm]) for arm in ("a", "b", "a")]
        assert live.remove_arm("a") == [decisions[0].id, decisions[2].id]
        assert live.feedback(decisions[0].id, quality=1.0).value == "void"
        assert live.feedback(decisions[1].id, quality=1.0).value == "accepted"
