"""The registry of networks is complete: every kind is there, every student can be chosen."""

from __future__ import annotations

from typing import get_args

from napari_aprrd.core.config import StudentKind
from napari_aprrd.core.model.architecture import NETWORKS, NetworkKind


def test_every_kind_is_in_the_registry_and_every_student_can_be_chosen() -> None:
    students = {kind for kind, facts in NETWORKS.items() if not facts.is_teacher}
    assert NETWORKS.keys() == set(get_args(NetworkKind))
    assert students == {f"student-{name}" for name in get_args(StudentKind)}


def test_each_network_is_recognised_by_its_weights() -> None:
    for kind, facts in NETWORKS.items():
        state = facts.make(1, 4, 2).state_dict()
        recognised = next(name for name, each in NETWORKS.items() if each.mark in state)
        assert recognised == kind
        assert state[facts.first].shape[1] == 1
