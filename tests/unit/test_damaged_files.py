"""A file with one bit flipped is refused in one sentence, or read as if it were whole."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression

from bandits import LinUCB, load_bandit
from bandits.evaluation._parts import PartsFolder
from bandits.evaluation._test_rows import RouterOutcome
from bandits.live import LiveRouter
from metarouter.evaluation._checkpoint import StudyFolder
from metarouter.evaluation._rounds import RoundOutcome
from metarouter.exceptions import RouterFileError
from metarouter.inference import RouterMonitor
from metarouter.routing import ThresholdRouter, load_router, save_router
from metarouter.utils.archives import ArchiveError, read_arrays, write_arrays

X = np.random.default_rng(0).normal(size=(20, 2))
OUTCOME = RoundOutcome(
    area=np.ones((2, 1)),
    efficiency_gain=np.ones((2, 1, 3)),
    n_test=5,
    n_train=7,
    fits=1,
    reused=0,
    rows=7,
    seconds_inside=0.5,
    seconds=1.0,
)
PART = RouterOutcome(np.ones((2, 3), dtype=int), np.ones((2, 3)), 4)


class Format(NamedTuple):
    """How a file comes to be, and what it says."""

    write: Callable[[Path], None]  # into a folder
    read: Callable[[Path], Any]  # from it: comparable, None for what is to be made again


def write_live(folder: Path) -> None:
    with LiveRouter.cold(
        LinUCB(arms=("a", "b"), random_state=0), 2, journal=folder, fsync=False
    ) as live:
        for row in X[:4]:
            live.feedback(live.choose(row).id, 1.0, 0.5)


def read_live(folder: Path) -> Any:
    with LiveRouter.resume(folder, fsync=False) as live:
        return state_of(live.router), str(live.counts), live.choose(X[0])


def write_bandit(folder: Path) -> None:
    LinUCB(random_state=0).fit(X, X > 0, np.abs(X)).save(folder / "router.npz")


def state_of(router: Any) -> str:
    scores = router.decision_function(X[:3]).tolist()
    return repr((router.get_params(), router.arms_, scores, router.sample(X[:5])[0].tolist()))


def write_router(folder: Path) -> None:
    router = ThresholdRouter(LinearRegression(), w=0.1).fit(X, X[:, 0])
    save_router(router, folder / "router.skops")


def read_router(folder: Path) -> Any:
    router = load_router(folder / "router.skops")
    return repr(router), router.decision_function(X).tolist()


def write_monitor(folder: Path) -> None:
    monitor = RouterMonitor(max_share=0.5).update(routed_to_primary=np.arange(20) % 2)
    monitor.save(folder / "monitor.npz")


def read_monitor(folder: Path) -> Any:
    return repr(RouterMonitor.load(folder / "monitor.npz").to_frame().to_dict())


def read_round(folder: Path) -> Any:
    found = StudyFolder(folder, {"study": 1}).load(3)
    return None if found is None else repr(vars(found))


def read_part(folder: Path) -> Any:
    made: list[None] = []
    found = PartsFolder(folder, RouterOutcome).recall(
        "router", "key", lambda: made.append(None) or PART
    )
    return None if made else repr(found)


FORMATS = {
    "router": Format(write_router, read_router),
    "bandit": Format(write_bandit, lambda folder: state_of(load_bandit(folder / "router.npz"))),
    "live folder": Format(write_live, read_live),
    "monitor": Format(write_monitor, read_monitor),
    "round of a study": Format(
        lambda folder: StudyFolder(folder, {"study": 1}).save(3, OUTCOME), read_round
    ),
    "part of a study of bandits": Format(
        lambda folder: PartsFolder(folder, RouterOutcome).recall("router", "key", lambda: PART),
        read_part,
    ),
}


def flips(file: Path, n: int | None) -> list[tuple[int, int]]:
    """Bytes and bits: of every byte one of its bits, or `n` of them spread over the file."""
    size = file.stat().st_size
    places = range(size) if n is None else np.linspace(0, size - 1, min(n, size)).astype(int)
    return [(int(place), int(place * 5 + 3) % 8) for place in places]


def damage_every(kind: str, tmp_path: Path, n: int | None) -> None:
    whole = tmp_path / "whole"
    whole.mkdir()
    FORMATS[kind].write(whole)
    for file in sorted(path for path in whole.iterdir() if path.stat().st_size):
        for place, bit in flips(file, n):
            folder = tmp_path / "damaged"
            shutil.copytree(whole, folder)
            content = bytearray(file.read_bytes())
            content[place] ^= 1 << bit
            (folder / file.name).write_bytes(content)
            where = f"bit {bit} of byte {place} of {file.name}"
            try:
                found = FORMATS[kind].read(folder)
            except ValueError as error:
                sentence = str(error)
                assert "\n" not in sentence, (where, sentence)
                assert sentence.endswith("."), (where, sentence)
            else:
                if found is not None:
                    if kind not in EXPECTED:
                        shutil.copytree(whole, tmp_path / "copy")
                        EXPECTED[kind] = FORMATS[kind].read(tmp_path / "copy")
                    assert found == EXPECTED[kind], where
            shutil.rmtree(folder)


EXPECTED: dict[str, Any] = {}


@pytest.mark.filterwarnings("ignore:.*was written with scikit-learn")
@pytest.mark.parametrize("kind", FORMATS)
def test_one_flipped_bit_is_seen_or_changes_nothing(kind: str, tmp_path: Path) -> None:
    damage_every(kind, tmp_path, 40)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*was written with scikit-learn")
@pytest.mark.parametrize("kind", FORMATS)
def test_one_flipped_bit_of_any_byte_is_seen_or_changes_nothing(kind: str, tmp_path: Path) -> None:
    damage_every(kind, tmp_path, None)


def test_a_round_under_another_number_is_done_again(tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path, {"study": 1})
    folder.save(3, OUTCOME)
    shutil.copy(tmp_path / "round_00003.npz", tmp_path / "round_00004.npz")
    assert folder.load(4) is None
    assert folder.load(3) is not None


def test_a_round_whose_numbers_were_edited_is_done_again(tmp_path: Path) -> None:
    folder, file = StudyFolder(tmp_path, {"study": 1}), tmp_path / "round_00003.npz"
    folder.save(3, OUTCOME)
    with np.load(file) as stored:
        edited = dict(stored) | {"area": np.full((2, 1), 9.0)}
    np.savez(file, **edited)
    assert folder.load(3) is None


def test_a_part_under_the_name_of_another_is_made_again(tmp_path: Path) -> None:
    folder = PartsFolder(tmp_path, RouterOutcome)
    folder.recall("router", "one", lambda: PART)
    shutil.copy(tmp_path / "router-one.npz", tmp_path / "router-two.npz")
    other = PART._replace(n_revealed=9)
    assert folder.recall("router", "two", lambda: other).n_revealed == 9


@pytest.mark.parametrize("claim", [b"(9, 1)", b"(9e9,)", b"(99999999999999999999,)"])
def test_a_header_that_asks_for_memory_that_its_file_has_not_is_refused(
    claim: bytes, tmp_path: Path
) -> None:
    write_arrays(tmp_path / "a.npz", {"a": np.zeros((3, 1))})
    content = (tmp_path / "a.npz").read_bytes()
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        start = content.index(b"\x93NUMPY")
        member = content[start : start + 128 + 24].replace(b"(3, 1)", claim.ljust(6))
        archive.writestr("a.npy", member)
        archive.writestr("digest.npy", member)
    with pytest.raises(ArchiveError, match=r"a\.npz is damaged .*; write it again\.$"):
        read_arrays(tmp_path / "a.npz")


@pytest.mark.parametrize("compression", [zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA])
def test_arrays_that_would_inflate_are_refused_unread(compression: int, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.npz", "w", compression) as archive:
        archive.writestr("a.npy", bytes(2**20))
    with pytest.raises(ArchiveError, match="a member is compressed"):
        read_arrays(tmp_path / "a.npz")


def test_a_router_file_that_would_inflate_without_bound_is_refused_unread(tmp_path: Path) -> None:
    write_router(tmp_path)
    file = tmp_path / "router.skops"
    with zipfile.ZipFile(file, "a", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        archive.writestr("1234567.npy", bytes(2**27))
    with pytest.raises(RouterFileError, match="bytes would inflate to"):
        load_router(file)


def test_a_member_that_no_router_file_has_is_refused(tmp_path: Path) -> None:
    write_router(tmp_path)
    with zipfile.ZipFile(tmp_path / "router.skops", "a") as archive:
        archive.writestr("../\x1b[2Jevil", b"")
    with pytest.raises(RouterFileError, match="which no router file has") as raised:
        load_router(tmp_path / "router.skops")
    assert "\x1b" not in str(raised.value)


def test_an_update_that_would_undo_another_is_refused(tmp_path: Path) -> None:
    write_monitor(tmp_path)
    first, second = (RouterMonitor.load(tmp_path / "monitor.npz") for _ in range(2))
    first.update(routed_to_primary=[1, 0]).save(tmp_path / "monitor.npz")
    with pytest.raises(ValueError, match="was written by another monitor since"):
        second.update(routed_to_primary=[0, 0]).save(tmp_path / "monitor.npz")
    first.update(routed_to_primary=[1, 1]).save(tmp_path / "monitor.npz")
    assert [path.name for path in tmp_path.iterdir()] == ["monitor.npz"]
