from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from metarouter.utils.files import atomic_path, exclusive, write_text


def test_a_failed_write_keeps_what_existed(tmp_path: Path) -> None:
    target = tmp_path / "areas.csv"
    target.write_text("old")

    def write_half() -> None:
        with atomic_path(target) as temporary:
            temporary.write_text("half of the n")
            raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        write_half()
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_write_replaces_in_one_step_and_leaves_nothing_behind(tmp_path: Path) -> None:
    target = tmp_path / "new folder" / "report.md"
    write_text(target, "Δ\n")
    assert target.read_bytes() == "Δ\n".encode()
    assert list(target.parent.iterdir()) == [target]


def test_a_block_that_writes_nothing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), atomic_path(tmp_path / "a.csv"):
        pass
    assert not list(tmp_path.iterdir())


def test_the_file_gets_the_permissions_of_an_ordinary_one(tmp_path: Path) -> None:
    (tmp_path / "ordinary").write_text("")
    write_text(tmp_path / "atomic", "")
    assert (tmp_path / "atomic").stat().st_mode == (tmp_path / "ordinary").stat().st_mode


def test_a_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("old")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    write_text(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "new"


def test_bytes_of_a_name_that_are_no_characters_are_written_as_escapes(tmp_path: Path) -> None:
    write_text(tmp_path / "report.md", "gr\udcf6sse – größe\r\n")
    assert (tmp_path / "report.md").read_bytes() == "gr\\udcf6sse – größe\r\n".encode()


def test_a_file_that_is_replaced_keeps_its_permissions(tmp_path: Path) -> None:
    target = tmp_path / "router.skops"
    target.write_text("old")
    target.chmod(0o640)
    write_text(target, "new")
    assert target.stat().st_mode & 0o777 == 0o640
    assert target.read_text() == "new"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_a_device_or_a_folder_is_refused_and_stays(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(tmp_path / "pipe")
    for path, kind in (
        (tmp_path / "pipe", "a named pipe"),
        (tmp_path / "link", "a named pipe"),
        (tmp_path, "a folder"),
        (Path(os.devnull), "a device"),
    ):
        with pytest.raises(ValueError, match=f"is {kind}; give the path of an ordinary file"):
            write_text(path, "text")
    assert (tmp_path / "pipe").is_fifo()


def test_what_a_killed_writer_left_behind_is_removed_by_the_next(tmp_path: Path) -> None:
    for name, age in ((".writing-old", 7200), (".writing-now", 0)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "half").write_text("")
        os.utime(tmp_path / name, times=(time.time() - age,) * 2)
    write_text(tmp_path / "report.md", "")
    assert {path.name for path in tmp_path.iterdir()} == {"report.md", ".writing-now"}


def test_one_process_at_a_time_is_let_in_and_nothing_is_left(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    with exclusive(lock, "wait."):
        with pytest.raises(ValueError, match=r"wait\."), exclusive(lock, "wait."):
            pass
        assert lock.exists()
    with exclusive(lock, "wait."):
        pass
    assert not list(tmp_path.iterdir())
