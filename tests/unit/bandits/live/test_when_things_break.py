"""Disks that fail or are full, calls that are interrupted, forks: memory and journal never part."""

from __future__ import annotations

import os
import resource
import signal
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from live_service import ARMS, X, assert_same, fresh, live, outcome, serve
from scipy.sparse import csr_matrix

from bandits import LinUCB, OracleRouter
from bandits.live import LiveRouter, Receipt
from bandits.live import _journal as journal_module
from bandits.live._journal import Journal
from metarouter.exceptions import DataError, RouterFileError


@pytest.fixture
def room(tmp_path):
    """Set how many bytes any file may have, as a disk does that is nearly full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    def give(size):
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))

    yield give
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, handler)


def journal_of(folder):
    return max(folder.glob("journal-*"))


class TestFullDisk:
    @pytest.mark.parametrize("spare", [0, 1, 40])
    def test_a_line_that_is_written_in_part_never_happened(self, spare, tmp_path, room):
        service = live(tmp_path)
        decisions = serve(service, range(10), skip=lambda number: number == 9)
        room(journal_of(tmp_path).stat().st_size + spare)
        with pytest.raises(RouterFileError, match=r"has stopped: .* could not be written .*"):
            service.feedback(decisions[9].id, 1.0, 0.0)
        with pytest.raises(RouterFileError, match="resume from its folder"):
            service.choose(X[0])
        service.close()
        room(10**9)
        with LiveRouter.resume(tmp_path) as again:
            assert again.router.n_updates_ == 9
            assert again.feedback(9, 1.0, 0.0) is Receipt.ACCEPTED

    def test_a_checkpoint_that_finds_no_room_leaves_the_one_before(self, tmp_path, room):
        service = live(tmp_path)
        serve(service)
        room(100)
        with pytest.raises(RouterFileError, match="could not be written"):
            service.checkpoint()
        service.close()
        room(10**9)
        with LiveRouter.resume(tmp_path) as again:
            assert_same(again, service)
            again.checkpoint()

    def test_a_folder_without_room_is_refused_and_the_router_is_as_it_was(self, tmp_path, room):
        router = fresh()
        room(100)
        with pytest.raises(RouterFileError, match=r"cannot be used \(File too large\): make room"):
            LiveRouter.cold(router, 4, journal=tmp_path)
        room(10**9)
        assert not hasattr(router, "arms_")
        LiveRouter.cold(router, 4, journal=tmp_path).close()


class TestFailingDisk:
    def test_what_could_not_be_made_durable_never_seems_to_be(self, tmp_path, monkeypatch):
        journal = Journal(tmp_path / "journal", link="", fsync=True)
        lines = [journal.append(event) for event in live()._recorder.state.head("", "") * 2]

        def fail(handle):
            raise OSError("Input/output error")

        monkeypatch.setattr(journal_module.os, "fsync", fail)
        with pytest.raises(OSError, match="Input/output"):
            lines[0].wait()
        monkeypatch.undo()  # Linux says that all is well at the second attempt
        for line in lines:
            with pytest.raises(OSError, match="the disk failed before"):
                line.wait()
        with pytest.raises(OSError, match="the disk failed before"):
            journal.close()
        assert journal._file.closed

    def test_threads_whose_lines_are_lost_all_hear_of_it(self, tmp_path, monkeypatch):
        service = live(tmp_path)

        def fail(handle):
            raise OSError("Input/output error")

        monkeypatch.setattr(journal_module.os, "fsync", fail)

        def ask(k):
            with pytest.raises(RouterFileError, match="has stopped"):
                service.choose(X[k])

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(ask, range(16)))
        monkeypatch.undo()
        service.close()  # nothing is said twice, and the folder is free
        LiveRouter.resume(tmp_path).close()

    def test_closing_says_so_where_the_last_lines_are_lost(self, tmp_path, monkeypatch):
        service = live(tmp_path)
        service._recorder.store.append(service._recorder.state.head("", "")[0]._replace(ledger={}))

        def fail(handle):
            raise OSError("Input/output error")

        monkeypatch.setattr(journal_module.os, "fsync", fail)
        with pytest.raises(RouterFileError, match="could not be written"):
            service.close()
        service.close()


class TestInterruptions:
    @pytest.mark.parametrize("what", ["choose", "feedback", "add_arm"])
    def test_one_between_memory_and_journal_stops_the_router(self, what, tmp_path, monkeypatch):
        service = live(tmp_path)
        decisions = serve(service, range(10), skip=lambda number: number == 9)

        def interrupt(event):
            raise KeyboardInterrupt

        monkeypatch.setattr(service._recorder.store, "append", interrupt)
        with pytest.raises(KeyboardInterrupt):
            {
                "choose": lambda: service.choose(X[0]),
                "feedback": lambda: service.feedback(decisions[9].id, 1.0, 0.0),
                "add_arm": lambda: service.add_arm("new"),
            }[what]()
        with pytest.raises(RouterFileError, match="interrupted halfway"):
            service.choose(X[0])
        service.close()
        with LiveRouter.resume(tmp_path) as again:
            assert again.counts.decided == 10
            assert again.router.n_updates_ == 9
            assert again.router.arms_ == list(ARMS)

    def test_one_after_a_checkpoint_stops_it_lest_it_write_to_the_old_journal(
        self, tmp_path, monkeypatch
    ):
        service = live(tmp_path)
        serve(service, range(5))

        def interrupt(*arguments, **options):
            raise KeyboardInterrupt

        monkeypatch.setattr("bandits.live._store.Journal", interrupt)
        with pytest.raises(KeyboardInterrupt):
            service.checkpoint()
        monkeypatch.undo()
        assert journal_of(tmp_path).name == "journal-000001.jsonl"
        with pytest.raises(RouterFileError, match="interrupted halfway"):
            service.feedback(0, *outcome(0))
        service.close()
        with LiveRouter.resume(tmp_path) as again:
            assert_same(again, service)


class TestFolders:
    @pytest.mark.parametrize("folder", ["/proc/nowhere", __file__])
    def test_one_that_cannot_be_written_to_is_refused_in_one_sentence(self, folder):
        with pytest.raises(RouterFileError, match="cannot be used"):
            live(folder)

    def test_a_read_only_one_is_refused(self, tmp_path):
        live(tmp_path).close()
        tmp_path.chmod(0o500)
        (tmp_path / "lock").chmod(0o400)
        try:
            if os.access(tmp_path, os.W_OK):
                pytest.skip("whoever runs the tests may write everywhere")
            with pytest.raises(RouterFileError, match="cannot be used"):
                LiveRouter.resume(tmp_path)
        finally:
            tmp_path.chmod(0o700)

    def test_strange_files_beside_the_journals_are_left_alone(self, tmp_path):
        with live(tmp_path) as service:
            serve(service, range(5))
        (tmp_path / "journal-old.jsonl").write_text("?")
        (tmp_path / "journal-000000 (copy).jsonl").write_text("?")
        with LiveRouter.resume(tmp_path) as again:
            assert again.counts.decided == 5

    def test_a_second_beginning_within_a_journal_is_damage(self, tmp_path):
        with live(tmp_path) as service:
            serve(service, range(5))
        path = journal_of(tmp_path)
        path.write_bytes(path.read_bytes() + path.read_bytes())
        with pytest.raises(RouterFileError, match=r"Line 12 .* follows from those before it"):
            LiveRouter.resume(tmp_path)

    def test_a_fork_can_neither_write_nor_keep_others_out(self, tmp_path):
        service = live(tmp_path)
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                service.choose(X[0])
            except RouterFileError as error:
                os.write(write, str(error).encode())
            os.read(read, 1)  # stay until the parent is done
            os._exit(0)
        try:
            assert b"is a fork of the one that holds" in os.read(read, 1000)
            decision = service.choose(X[0])
            service.close()
            with LiveRouter.resume(tmp_path) as again:  # though the child is still there
                assert again.feedback(decision.id, 1.0, 0.0) is Receipt.ACCEPTED
        finally:
            os.write(write, b"!")
            os.waitpid(child, 0)
            os.close(read)
            os.close(write)


def test_names_that_come_from_numpy_are_written_as_they_are(tmp_path):
    with live(tmp_path) as service:
        service.add_arm(np.int64(7), like=np.str_("a"))
        service.add_arm("7")
        service.remove_arm(np.int64(7))
    with LiveRouter.resume(tmp_path) as again:
        assert again.router.arms_ == [*ARMS, "7"]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: live(max_pending=2.5), "max_pending is 2.5; give a whole number"),
        (lambda: live(update_every="3"), "update_every is '3'"),
        (lambda: live(max_pending=True), "max_pending is True"),
        (lambda: LiveRouter.cold(fresh(), -1), "n_features is -1"),
        (lambda: LiveRouter.cold(LinUCB, 3), "is no bandit router"),
        (lambda: LiveRouter(OracleRouter().fit(X, X[:, :2])), "OracleRouter is no bandit router"),
        (lambda: live().add_arm("d", weight="much"), "weight is 'much'"),
        (lambda: live().remove_arm(["a"]), "neither text nor a whole number"),
        (lambda: live().choose(csr_matrix(X[:1])), "X is sparse"),
        (lambda: live().choose(X[0] * 1e200), "so large"),
        (lambda: live().choose(None), "X has 1 features"),
    ],
)
def test_what_means_nothing_is_refused_in_one_sentence(make, message):
    with pytest.raises(DataError, match=message) as caught:
        make()
    assert "\n" not in str(caught.value)
