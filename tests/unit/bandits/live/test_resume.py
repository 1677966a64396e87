"""A live router that was stopped or killed goes on as one that never was."""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from hashlib import blake2b

import numpy as np
import pytest
from live_service import ARMS, X, add_up, assert_same, fresh, live, outcome, serve

from bandits import BetaTS, EpsilonGreedy, LinTS, LinUCB, RandomRouter, SquareCB
from bandits.live import LiveRouter, Receipt, read_history
from bandits.live import _journal as journal_module
from metarouter.exceptions import DataError, RouterFileError

FIRST = "journal-000000.jsonl"


def append(path, text):
    """Add a line that is linked to those before it, whatever it says."""
    journal = path.read_bytes()
    before = journal[-35:-3]
    link = blake2b(before + text, digest_size=16).hexdigest().encode()
    path.write_bytes(journal + text[:-1] + b', "link": "' + link + b'"}\n')


@pytest.mark.parametrize(
    "router",
    [
        fresh(), fresh(LinTS), fresh(EpsilonGreedy), fresh(SquareCB), fresh(RandomRouter),
        fresh(BetaTS), fresh(LinUCB, fit_intercept=False), fresh(LinTS, discount=0.99),
    ],
    ids=repr,
)  # fmt: skip
def test_a_router_that_resumes_goes_on_as_one_that_never_stopped(router, tmp_path):
    steady = live(router=type(router)(**router.get_params()))
    stopped = live(tmp_path, router=router)
    for service in (steady, stopped):
        serve(service, range(30), skip=lambda number: number % 5 == 0)
    stopped.close()
    stopped = LiveRouter.resume(tmp_path)
    assert asdict(stopped.counts) == asdict(steady.counts)
    ahead = [[service.choose(x) for x in X] for service in (steady, stopped)]
    assert [d.arm for d in ahead[0]] == [d.arm for d in ahead[1]]
    np.testing.assert_allclose(*([d.propensity for d in side] for side in ahead), atol=1e-9)
    for service in (steady, stopped):
        for decision in ahead[0]:
            service.feedback(decision.id, *outcome(decision.id))
        assert service.feedback(5, *outcome(5)) is Receipt.ACCEPTED  # decided before the stop
        assert service.feedback(6, *outcome(6)) is Receipt.DUPLICATE
    if hasattr(router, "prior_precision"):
        assert_same(steady, stopped)
    stopped.close()


class TestCheckpoint:
    def test_it_makes_no_difference_to_what_follows(self, tmp_path):
        plain, saved = live(), live(tmp_path, update_every=7)
        for service in (plain, saved):
            serve(service, range(30), skip=lambda number: number % 3 == 0)
            service.add_arm("new", like="a", weight=0.5)
        for _ in range(3):
            saved.checkpoint()
            saved.close()
            saved = LiveRouter.resume(tmp_path)
        for service in (plain, saved):
            service.remove_arm("c")
            for number in range(0, 30, 3):
                service.feedback(number, *outcome(number))
            service.learn()
        assert_same(plain, saved)
        assert asdict(plain.counts) == asdict(saved.counts)
        assert add_up(saved.counts)
        saved.close()

    def test_settled_decisions_are_remembered_over_it(self, tmp_path):
        with live(tmp_path, router=fresh(RandomRouter)) as service:
            decisions = serve(service, range(20), skip=lambda number: number >= 10)
            service.remove_arm("a")
            service.checkpoint()
        with LiveRouter.resume(tmp_path) as again:
            assert again.feedback(3, *outcome(3)) is Receipt.DUPLICATE
            with pytest.raises(DataError, match="Decision 4 has a different outcome"):
                again.feedback(4, 0.5, 0.5)
            for number in range(10, 20):
                expected = Receipt.VOID if decisions[number].arm == "a" else Receipt.ACCEPTED
                assert again.feedback(number, 1.0, 0.0) is expected

    def test_old_journals_are_kept_and_old_routers_are_not(self, tmp_path):
        with live(tmp_path) as service:
            for _ in range(3):
                serve(service, range(5))
                service.checkpoint()
        names = sorted(path.name for path in tmp_path.iterdir())
        assert names == [
            *(f"journal-00000{k}.jsonl" for k in range(4)), "lock", "router-000003.npz",
        ]  # fmt: skip

    def test_a_crash_while_it_is_written_leaves_the_one_before(self, tmp_path, monkeypatch):
        service = live(tmp_path)
        serve(service)

        def crash(*arguments):
            raise KeyboardInterrupt

        monkeypatch.setattr("bandits.live._store.encode", crash)
        with pytest.raises(KeyboardInterrupt):
            service.checkpoint()
        monkeypatch.undo()
        assert (tmp_path / "router-000001.npz").exists()  # an orphan, without its journal
        service.close()
        with LiveRouter.resume(tmp_path) as again:
            assert_same(again, service)
            again.checkpoint()
        with LiveRouter.resume(tmp_path) as again:
            assert_same(again, service)


class TestFolder:
    def test_a_folder_is_begun_once(self, tmp_path):
        live(tmp_path).close()
        with pytest.raises(RouterFileError, match="holds a live router already"):
            live(tmp_path)
        LiveRouter.resume(tmp_path).close()

    def test_a_folder_is_held_by_one_at_a_time(self, tmp_path):
        with live(tmp_path), pytest.raises(RouterFileError, match="in use by another live router"):
            LiveRouter.resume(tmp_path)
        LiveRouter.resume(tmp_path).close()

    def test_a_folder_without_one_is_refused_and_left_alone(self, tmp_path):
        with pytest.raises(RouterFileError, match="holds no live router"):
            LiveRouter.resume(tmp_path / "absent")
        assert not (tmp_path / "absent").exists()

    def test_a_closed_one_says_so(self, tmp_path):
        service = live(tmp_path)
        service.close()
        service.close()
        for call in (
            lambda: service.choose(X[0]), lambda: service.feedback(0, 1.0, 0.0), service.checkpoint,
            lambda: service.add_arm("d"), lambda: service.remove_arm("a"), service.learn,
        ):  # fmt: skip
            with pytest.raises(RouterFileError, match="was closed; resume from its folder"):
                call()

    def test_neither_keys_nor_prompts_are_written(self, tmp_path):
        with live(tmp_path) as service:
            serve(service, range(3))
            service.choose(X[0], request="r-1", version="v")
        lines = (tmp_path / FIRST).read_text().splitlines()
        assert {name for line in lines for name in json.loads(line)} == {
            "event", "format", "arms", "max_pending", "update_every", "ledger",
            "id", "arm", "propensity", "preference", "x", "quality", "cost", "latency",
            "router", "after", "link", "request", "version",
        }  # fmt: skip


class TestDurability:
    @pytest.fixture
    def sizes(self, tmp_path, monkeypatch):
        """The size of the journal at every wait for the disk."""
        seen, fsync = [], os.fsync

        def watched(handle):
            fsync(handle)
            if (tmp_path / FIRST).exists():
                seen.append((tmp_path / FIRST).stat().st_size)

        monkeypatch.setattr(journal_module.os, "fsync", watched)
        return seen

    def test_every_line_is_on_the_disk_before_it_is_acknowledged(self, tmp_path, sizes):
        with live(tmp_path) as service:
            sizes.clear()
            decision = service.choose(X[0])
            assert sizes == [(tmp_path / FIRST).stat().st_size]
            service.feedback(decision.id, 1.0, 0.0)
            assert sizes[1:] == [(tmp_path / FIRST).stat().st_size]

    def test_lines_that_are_there_share_one_wait(self, tmp_path, sizes):
        with live(tmp_path) as service:
            sizes.clear()
            lines = [
                service._recorder.store.append(event)
                for event in service._recorder.state.head("", "") * 5
            ]
            for line in lines:
                line.wait()
            assert len(sizes) == 1

    def test_threads_never_wait_more_than_once_for_a_line(self, tmp_path, sizes):
        with live(tmp_path) as service, ThreadPoolExecutor(8) as pool:
            sizes.clear()
            list(pool.map(lambda k: service.choose(X[k % 60]), range(200)))
            assert len(sizes) <= 200

    def test_without_fsync_nothing_waits_for_the_disk(self, tmp_path, sizes):
        with live(tmp_path, fsync=False) as service:
            sizes.clear()
            serve(service)
        assert not sizes
        with LiveRouter.resume(tmp_path, fsync=False) as again:
            assert again.router.n_updates_ == 60


class TestDamage:
    @pytest.mark.parametrize("cut", [1, 20, 100])
    def test_a_torn_last_line_never_happened(self, cut, tmp_path):
        with live(tmp_path) as service:
            serve(service, range(10))
            service.choose(X[10])
        path = tmp_path / FIRST
        path.write_bytes(path.read_bytes()[:-cut])
        with LiveRouter.resume(tmp_path) as again:
            assert again.counts.decided == 10
            assert again.choose(X[10]).id == 10
        with LiveRouter.resume(tmp_path) as again:
            assert again.counts.decided == 11

    @pytest.mark.parametrize(
        ("line", "message"),
        [
            (b"{}", "Line 22 of .* holds no event"),
            (b"\xff\xfe}", "Line 22 of .* holds no event"),
            (b"[]}", "Line 22 of .* holds no event"),
            (b'{"event": "FeedbackAccepted", "id": 1}', "Line 22 of .* holds no event"),
            (
                b'{"event": "FeedbackAccepted", "id": 77, "quality": 1.0, "cost": 0.1}',
                "Line 22 .* not follow",
            ),
            (b'{"event": "ArmRemoved", "arm": "z"}', "Line 22 .* does not follow"),
            (
                b'{"event": "DecisionMade", "id": 20, "arm": "a", "propensity": 1.0, '
                b'"preference": "", "x": ""}',
                "Line 22 .* does not follow from those before it .this router decides otherwise",
            ),
            (
                b'{"event": "FeedbackAccepted", "id": 1, "quality": NaN, "cost": 0.1}',
                "Line 22 .* does not follow from those before it .quality is NaN",
            ),
        ],
    )
    def test_a_damaged_line_is_refused(self, line, message, tmp_path):
        with live(tmp_path) as service:
            serve(service, range(10))
        path = tmp_path / FIRST
        append(path, line)
        for _ in range(2):  # the folder is let go each time
            with pytest.raises(RouterFileError, match=message):
                LiveRouter.resume(tmp_path)

    def journal(self, tmp_path):
        with live(tmp_path) as service:
            serve(service, range(10))
        path = tmp_path / FIRST
        return path, path.read_bytes().splitlines(keepends=True)

    @pytest.mark.parametrize(
        "edit",
        [
            lambda line: line.replace(b'"quality": ', b'"quality": 1'),
            lambda line: line.replace(b'"id": 4', b'"id": 5'),
            lambda line: b"",
            lambda line: line + line,
            lambda line: line.replace(b'"link": "', b'"link": "0', 1),
        ],
        ids=["an edited quality", "another decision", "dropped", "doubled", "another link"],
    )
    def test_a_changed_line_is_refused_with_its_number(self, edit, tmp_path):
        path, lines = self.journal(tmp_path)
        number = next(k for k, line in enumerate(lines) if b'"FeedbackAccepted", "id": 4,' in line)
        lines[number] = edit(lines[number])
        path.write_bytes(b"".join(lines))
        for read in (LiveRouter.resume, read_history):
            with pytest.raises(RouterFileError, match=rf"^Line ({number + 1}|{number + 2}) of "):
                read(tmp_path)

    def test_an_edited_arm_or_propensity_is_refused(self, tmp_path):
        path, lines = self.journal(tmp_path)
        for old, new in ((b'"propensity": ', b'"propensity": 0'), (b'"arm": "', b'"arm": "x')):
            path.write_bytes(b"".join([*lines[:9], lines[9].replace(old, new), *lines[10:]]))
            with pytest.raises(RouterFileError, match=r"^Line 10 of"):
                LiveRouter.resume(tmp_path)

    def test_a_journal_beside_the_router_of_another_folder_is_refused(self, tmp_path):
        live(tmp_path / "one").close()
        live(tmp_path / "two", router=fresh(alpha=7.0)).close()
        router = "router-000000.npz"
        (tmp_path / "one" / router).write_bytes((tmp_path / "two" / router).read_bytes())
        with pytest.raises(RouterFileError, match="begins with another router"):
            LiveRouter.resume(tmp_path / "one")

    def test_a_past_journal_that_lost_its_end_is_refused(self, tmp_path):
        with live(tmp_path) as service:
            serve(service, range(10))
            service.checkpoint()
            serve(service, range(10, 12))
        path = tmp_path / FIRST
        path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-2]))
        with pytest.raises(RouterFileError, match=f"does not go on where {FIRST} ends"):
            read_history(tmp_path)

    def test_a_lock_that_is_a_link_is_refused_and_what_it_points_to_is_kept(self, tmp_path):
        live(tmp_path / "folder").close()
        (tmp_path / "precious").write_text("kept")
        (tmp_path / "folder" / "lock").unlink()
        (tmp_path / "folder" / "lock").symlink_to(tmp_path / "precious")
        with pytest.raises(RouterFileError, match="cannot be used"):
            LiveRouter.resume(tmp_path / "folder")
        assert (tmp_path / "precious").read_text() == "kept"

    def test_a_router_and_a_journal_that_do_not_belong_together_are_refused(self, tmp_path):
        live(tmp_path).close()
        LinUCB(arms=("x", "y"), random_state=0).fit(X, X[:, :2]).save(
            tmp_path / "router-000000.npz"
        )
        with pytest.raises(RouterFileError, match="begins with another router"):
            LiveRouter.resume(tmp_path)

    def test_a_journal_of_another_version_is_refused(self, tmp_path):
        live(tmp_path).close()
        path = tmp_path / FIRST
        path.write_bytes(path.read_bytes().replace(b"live-router-3", b"live-router-9"))
        says = r"written by another version \(live-router-9, where .*: resume with the version"
        with pytest.raises(RouterFileError, match=says):
            LiveRouter.resume(tmp_path)


class TestHistory:
    def test_the_journals_are_a_log_for_evaluation_off_policy(self, tmp_path):
        service = live(tmp_path)
        decisions = serve(service, range(20), skip=lambda number: number % 4 == 0)
        service.add_arm("d")
        service.checkpoint()
        service.feedback(0, *outcome(0))
        decisions += serve(service, range(20, 30))
        log = read_history(tmp_path)  # while it is in use
        numbers = [n for n in range(30) if n % 4 or n == 0 or n >= 20]
        assert log.n == len(numbers)
        assert log.arms == (*ARMS, "d")
        assert [log.arms[k] for k in log.arm] == [decisions[n].arm for n in numbers]
        assert np.array_equal(log.X, X[numbers])
        quality, cost = np.array([outcome(n) for n in numbers]).T
        np.testing.assert_allclose(log.reward, 0.7 * quality - 0.3 * cost / cost.max())
        assert log.adaptive
        service.close()

    def test_a_log_without_feedback_is_none(self, tmp_path):
        with live(tmp_path) as service:
            service.choose(X[0])
            with pytest.raises(RouterFileError, match="without any feedback yet"):
                read_history(tmp_path)

    def test_feedback_whose_decision_was_lost_is_refused(self, tmp_path):
        with live(tmp_path) as service:
            serve(service, range(3))
        path = tmp_path / FIRST
        lines = path.read_bytes().splitlines(keepends=True)
        kept = [line for line in lines if b'"DecisionMade", "id": 1,' not in line]
        path.write_bytes(b"".join(kept))
        with pytest.raises(RouterFileError, match=r"Line 3 of .* follows from those before it"):
            read_history(tmp_path)
