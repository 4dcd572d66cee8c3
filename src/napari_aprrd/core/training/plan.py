"""What is settled before the first step, as typed values, and how records keep it.

The record of a model is for people and for resuming: it is written from a plan, and parsed here
alone when a checkpoint is resumed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..config import SettledDistillation, SettledTraining
from ..noise.report import NoiseReport

Record = dict[str, Any]


@dataclass(frozen=True)
class TrainingPlan:
    """Settings and noise of a training.

    Parameters
    ----------
    config : SettledTraining
    noise : NoiseReport or None
        None where it was not or could not be measured.
    """

    config: SettledTraining
    noise: NoiseReport | None

    @classmethod
    def resumed(cls, record: Record, device: str) -> TrainingPlan:
        """The plan of a record; the device may be another one now."""
        config = SettledTraining.of(**record["train"]["config"] | {"device": device})
        noise = record.get("noise")
        return cls(config, NoiseReport.model_validate(noise) if noise is not None else None)


@dataclass(frozen=True)
class DistillationPlan:
    """Settings and number of targets of a distillation.

    Parameters
    ----------
    config : SettledDistillation
    targets : int or None
        Number of planes whose targets were computed; None before, and where they are computed
        per crop.
    """

    config: SettledDistillation
    targets: int | None = None

    @classmethod
    def resumed(cls, record: Record, device: str) -> DistillationPlan:
        """The plan of a record; the device may be another one now."""
        stage = record["distill"]
        config = SettledDistillation.of(**stage["config"] | {"device": device})
        return cls(config, stage.get("targets"))


def with_facts(record: Record, stage: str, facts: Record) -> Record:
    """A record with more facts about one of its stages, "train" or "distill"."""
    return {**record, stage: {**record[stage], **facts}}
