"""The paper's tables at the paper's size of network, within a time budget: for a GPU.

    python benchmarks/paper_size.py DATA --budget 200 --work WORK

DATA holds nam12 and camera_rgb as pairs NAME_noisy.tif and NAME_reference.tif, in any folder. One
command goes as far as the budget in seconds lets it. What was measured is kept in
WORK/results.json and WORK/*.aprrd, so that the same command with another budget goes on from there;
the first teacher gets as many steps as fit, and the page says how many. At the end of a run the
section of docs/reproduction.md and its figure are written anew (--report: only that).
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import paper_tables
import torch
from photographs import Photographs, read

from napari_aprrd.core.atomic_files import write_atomically
from napari_aprrd.core.config import ALL_SHIFTS, DenoiseConfig, DistillConfig, TrainConfig
from napari_aprrd.core.jobs import STOP, Progress, Signal, run
from napari_aprrd.core.model.denoiser import load
from napari_aprrd.core.model.hardware import pick_device
from napari_aprrd.core.training import targets as distillation_targets
from napari_aprrd.core.training.distill import distill
from napari_aprrd.core.training.train import train

TEACHERS: dict[str, dict[str, Any]] = {
    "APR": {},
    "no APR": {"replace": False},
    **{f"lambda {value}": {"regularization": value} for value in (0, 1, 2, 8, 16, 32)},
}
# The first two are Table 3.
STUDENTS = ("RD 6", "D 6", "RD 4", "RD 5", "RD 7", "RD 8", "D 4", "D 5", "D 8")
_TOGETHER: dict[str, Any] = {"channels": "together"}  # one network for the three colours
# What the two students of Table 3 and the scores take, in shares of the teacher's time: so much of
# a budget is left for them.
REST = 0.4
PILOT = 5.0  # seconds, in which the time of a step is measured
TARGETS_IN_MEMORY = 2e9  # bytes: those of eight shifts for all photographs


Row = dict[str, Any]


def main() -> None:
    options = _options()
    options.work.mkdir(parents=True, exist_ok=True)
    store = options.work / "results.json"
    results = json.loads(store.read_text()) if store.exists() else {}
    if not options.report:
        _measure(options, results, store)
    paper_tables.write(results, options.docs)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--budget", type=float, default=7200, help="Seconds for all.")
    parser.add_argument("--steps", type=int, default=10_000, help="Of the students' teacher.")
    parser.add_argument("--distill-steps", type=int, default=5_000, help="Of each student.")
    parser.add_argument(
        "--ablation-steps", type=int, help="Of the teachers of Table 2 and Figure 8; as --steps."
    )
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--patch", type=int, default=128)
    parser.add_argument("--rate", type=float, default=1e-3, help="Learning rate.")
    parser.add_argument("--width", type=int, default=48)
    parser.add_argument("--depth", type=int, default=5)
    parser.add_argument("--side", type=int, default=512, help="Of the central crops, pixels.")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--work", type=Path, default=Path("paper_size"))
    parser.add_argument("--docs", type=Path, default=Path(__file__).parents[1] / "docs")
    parser.add_argument("--report", action="store_true", help="Measure nothing.")
    return parser.parse_args()


def _measure(options: argparse.Namespace, results: dict[str, Row], store: Path) -> None:
    """Measure what is not in the results, the important first, until the budget is spent."""
    # So that the targets of every student are computed once, whatever its number of shifts.
    distillation_targets.TARGETS_IN_MEMORY = TARGETS_IN_MEMORY
    photographs = read(options.data, options.side)
    settings = _settings(options, photographs)
    if results.setdefault("settings", settings) | {"device": ""} != settings | {"device": ""}:
        raise SystemExit(f"{store} holds results of other settings: {results['settings']}.")
    results.setdefault("noisy", {"mean": photographs.scores(photographs.noisy)})
    jobs = Jobs(options, photographs, results)
    for key, measure in jobs.in_order():
        if key in results:
            continue
        row = measure()
        if row is not None:
            results[key] = row
            write_atomically(store, partial(Path.write_text, data=json.dumps(results, indent=1)))
            print(f"{key}: {row['steps']} steps, {row['seconds']} s", flush=True)


def _settings(options: argparse.Namespace, photographs: Photographs) -> dict[str, Any]:
    on_gpu = pick_device(options.device).type == "cuda"
    names = ("batch", "patch", "rate", "width", "depth", "side")
    return {
        **{name: getattr(options, name) for name in names},
        "counts": photographs.counts,
        "pictures": len(photographs.planes.images),
        "device": torch.cuda.get_device_name() if on_gpu else "the processor",
    }


class Jobs:
    """What is measured within a budget; a job that does not fit into it gives None."""

    def __init__(
        self, options: argparse.Namespace, photographs: Photographs, results: dict[str, Row]
    ) -> None:
        self._options, self._photographs, self._results = options, photographs, results
        self._end = time.perf_counter() + options.budget
        # Seconds of a step, by what was measured before.
        self._step: dict[str, float] = {}
        for key, row in results.items():
            if "seconds" in row:
                self._learnt("student" if key.startswith(STUDENTS) else "teacher", row)

    def in_order(self) -> Iterator[tuple[str, Callable[[], Row | None]]]:
        """Names of the rows, and what measures them."""
        for seed in range(self._options.seeds):
            yield f"teacher/seed {seed}", partial(self._teacher_of_students, seed)
            for name in STUDENTS[:2]:
                yield f"{name}/seed {seed}", partial(self._student, name, seed)
            for name in TEACHERS:
                yield f"{name}/seed {seed}", partial(self._teacher, name, seed)
            for name in STUDENTS[2:]:
                yield f"{name}/seed {seed}", partial(self._student, name, seed)

    def _teacher_of_students(self, seed: int) -> Row | None:
        """The first one gets as many steps as fit, those of other seeds as many as the first."""
        options, first = self._options, self._results.get("teacher/seed 0")
        steps = options.steps if first is None else first["steps"]
        if first is None:
            if "teacher" not in self._step:
                self._step["teacher"] = self._pilot()
            steps = min(steps, int(self._left / (1 + REST) / max(self._step["teacher"], 1e-6)))
        return self._learn("APR", seed, max(steps, 1), keep=True)

    def _teacher(self, name: str, seed: int) -> Row | None:
        """One for Table 2 and Figure 8; with as many steps, that of the students serves, too."""
        of_students = self._results.get(f"teacher/seed {seed}")
        if of_students is None:
            return None
        steps = self._options.ablation_steps or of_students["steps"]
        if name == "APR" and steps == of_students["steps"]:
            return of_students
        return self._learn(name, seed, steps)

    def _learn(self, name: str, seed: int, steps: int, *, keep: bool = False) -> Row | None:
        """Scores of a teacher at every shift, and of the mean over the paper's six."""
        if not self._fits("teacher", steps):
            return None
        config = TrainConfig.of(**_TOGETHER, **TEACHERS[name], **self._given(seed), steps=steps)
        teacher = run(train(self._photographs.planes, config), self._listen)
        done = self._learnt("teacher", teacher.record["train"])
        if done["stopped"] and not keep:  # without the students' teacher there would be nothing
            return None
        if keep:
            teacher.save(self._kept(seed))
        at, tiles = paper_tables.SHIFTS, DenoiseConfig(device=self._options.device)
        targets = [
            teacher.targets(y, teacher.targets_at(at), tiles) for y in self._photographs.noisy
        ]
        outputs = {str(shift): [t[number] for t in targets] for number, shift in enumerate(at)}
        outputs["mean"] = [t[: len(ALL_SHIFTS)].mean(0) for t in targets]
        undo, score = teacher.normalisation.undo, self._photographs.scores
        return {at: score([undo(x) for x in images]) for at, images in outputs.items()} | done

    def _student(self, name: str, seed: int) -> Row | None:
        kept, steps = self._kept(seed), self._options.distill_steps
        if not kept.exists() or not self._fits("student", steps):
            return None
        kind, j = name.split()
        method: dict[str, Any] = {"recharge": kind == "RD", "shifts": tuple(range(int(j)))}
        config = DistillConfig.of(**self._given(seed), **method, steps=steps)
        student = run(distill(load(kept), self._photographs.planes, config), self._listen)
        done = self._learnt("student", student.record["distill"])
        if done["stopped"]:
            return None
        # The paper has no calibration.
        raw = DenoiseConfig(calibrate=False, device=self._options.device)
        outputs = [student.predict(y, raw) for y in self._photographs.noisy]
        return {"mean": self._photographs.scores(outputs), **done}

    def _given(self, seed: int) -> dict[str, Any]:
        """The paper's settings, with a rate for a short schedule."""
        names = ("batch", "patch", "width", "depth", "device")
        given = {name: getattr(self._options, name) for name in names}
        schedule = {"learning_rate": self._options.rate, "warmup": 0.05, "precision": "auto"}
        return {"preset": "paper", "seed": seed, **schedule, **given}

    def _kept(self, seed: int) -> Path:
        work: Path = self._options.work
        return work / f"teacher_{seed}.aprrd"

    # --- The budget ---

    @property
    def _left(self) -> float:
        return self._end - time.perf_counter()

    def _fits(self, kind: str, steps: int) -> bool:
        """Whether so many steps fit, by what such steps took so far."""
        return self._left > steps * self._step.get(kind, 0.0)

    def _listen(self, _: Progress) -> Signal | None:
        """Tell a job to stop where the budget is spent all the same."""
        return STOP if self._left < 0 else None

    def _learnt(self, kind: str, record: Row) -> Row:
        """What a job took, which is also what the next of its kind will take."""
        self._step[kind] = record["seconds"] / record["steps"]
        return {name: record[name] for name in ("steps", "seconds", "stopped")}

    def _pilot(self) -> float:
        """Seconds of a step of the teacher, from the first steps of a job that is given up."""
        config = TrainConfig.of(**_TOGETHER, **self._given(0), steps=self._options.steps)
        job = train(self._photographs.planes, config)
        seen = []
        for progress in job:
            if progress.loss is not None:
                seen.append((progress.step, time.perf_counter()))
                if seen[-1][1] - seen[0][1] > PILOT or self._left < 0:
                    break
        job.close()
        (step, begun), (last_step, ended) = seen[0], seen[-1]
        return (ended - begun) / max(last_step - step, 1)


if __name__ == "__main__":
    main()
