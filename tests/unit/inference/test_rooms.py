"""The rooms of inference, from the ground up: each imports from those below, by their doors."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import metarouter.inference as inference

HOUSE = "metarouter.inference."
# Rooms on one floor know nothing of each other.
FLOORS = (
    {"intervals"},
    {"labels"},
    {"bias", "guarantees", "planning"},
    {"bands", "diagnostics", "monitoring"},
    {"comparisons"},
)
ROOMS = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
FOLDER = Path(inference.__file__).parent


def imported(folder: Path) -> set[str]:
    """What the files of a folder import of inference, such as ``labels`` or ``labels._enough``."""
    nodes = [node for path in folder.glob("*.py") for node in ast.walk(ast.parse(path.read_text()))]
    modules = {n.module or "" for n in nodes if isinstance(n, ast.ImportFrom)}
    return {module.removeprefix(HOUSE) for module in modules if module.startswith(HOUSE)}


def test_every_room_has_its_floor():
    assert {path.parent.name for path in FOLDER.glob("*/__init__.py")} == set(ROOMS)


@pytest.mark.parametrize("room", sorted(ROOMS))
def test_rooms_import_from_the_floors_below_and_by_the_door(room):
    others = {name for name in imported(FOLDER / room) if name.split(".")[0] != room}
    on_the_ground = {name for name in others if name.startswith("_")}
    for name in others - on_the_ground:
        assert name in ROOMS, f"{room} enters {name} past the door"
        assert ROOMS[name] < ROOMS[room], f"{room} imports upwards, from {name}"


def test_what_lies_on_the_ground_needs_no_room():
    ground = [path for path in FOLDER.glob("_*.py") if path.name != "__init__.py"]
    assert ground
    for path in ground:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(HOUSE):
                assert node.module.removeprefix(HOUSE).startswith("_"), path.name
