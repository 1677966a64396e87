from __future__ import annotations

from pathlib import Path

import pytest

from metarouter.utils.files import atomic_path, write_text


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
