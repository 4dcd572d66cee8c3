"""How soon work begins, and whether it ends in time: each row in fresh processes.

    python benchmarks/start_up.py
    python benchmarks/start_up.py --against ../another-checkout/src

Each row is run twice, so that the second process finds what the first has kept in the cache; the
second counts. "Call" is the function alone, "process" includes Python and all imports. With
`--against`, processes of both checkouts alternate, and a column gives the ratio of their times.
Nothing else should run meanwhile.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SRC = Path(__file__).resolve().parents[1] / "src"
SIDE = 512
IMAGE = """
import sys, time
import numpy as np
waves = 20 + 10 * np.sin(np.indices((512, 512)).sum(0) / 9)
image = np.random.default_rng(0).poisson(waves).astype(np.uint16)
"""
# What a process does before the call, and the call.
TRAIN = "from napari_aprrd import train_apr", "train_apr(image, steps=5, progress=False)"
DISTILL = (
    "from napari_aprrd import load, distill_rd; teacher = load(sys.argv[1])",
    "distill_rd(teacher, image, steps=5, progress=False)",
)
MAIN = "import sys; from napari_aprrd.cli import main; main()"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--against", type=Path, help="The src folder of another checkout.")
    parser.add_argument("--minutes", type=float, nargs="*", default=[0.1, 0.5])
    options = parser.parse_args()
    sources = [SRC] + ([options.against.resolve()] if options.against else [])
    columns = ["row", "call, s", "process, s"]
    if options.against:
        columns += ["other: call, s", "process, s", "ratio of calls", "of processes"]
    print(f"| {' | '.join(columns)} |\n|{' --- |' * len(columns)}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        code = f"{IMAGE}\nnp.save({str(work / 'noisy.npy')!r}, image)\n"
        code += f"{TRAIN[0]}\n{TRAIN[1]}.save({str(work / 'teacher.aprrd')!r})"
        _run([sys.executable, "-c", code], SRC, work)
        rows = {"train_apr, 5 steps": TRAIN, "distill_rd, 5 steps": DISTILL}
        for name, row in rows.items():
            _print(name, [_call(*row, source, work) for source in _twice(sources)], len(sources))
        for minutes in options.minutes:
            name = f"napari-aprrd denoise --minutes {minutes:g}"
            _print(name, [_command(minutes, s, work) for s in _twice(sources)], len(sources))


def _twice(sources: list[Path]) -> list[Path]:
    """One process of each, then another one of each."""
    return [*sources, *sources]


def _call(before: str, call: str, source: Path, work: Path) -> tuple[float, float]:
    """Seconds of a call, and of its process."""
    code = f"{IMAGE}\n{before}\nstart = time.perf_counter()\n{call}\n"
    code += "print(time.perf_counter() - start)"
    command = [sys.executable, "-c", code, str(work / "teacher.aprrd")]
    seconds, printed = _run(command, source, work)
    return float(printed.split()[-1]), seconds


def _command(minutes: float, source: Path, work: Path) -> tuple[float, float]:
    """The same of a whole command, which is its own call."""
    (work / "clean.npy").unlink(missing_ok=True)
    files = [str(work / "noisy.npy"), str(work / "clean.npy")]
    command = [sys.executable, "-c", MAIN, "denoise", files[0], "-o", files[1]]
    seconds, _ = _run([*command, "--minutes", str(minutes)], source, work)
    return seconds, seconds


def _run(command: list[str], source: Path, work: Path) -> tuple[float, str]:
    """Seconds of a process that uses this source, and what it prints."""
    cache = work / f"cache-{abs(hash(source))}"
    environment = {**os.environ, "PYTHONPATH": str(source), "NAPARI_APRRD_CACHE": str(cache)}
    start = time.perf_counter()
    ran = subprocess.run(command, env=environment, capture_output=True, text=True)
    seconds = time.perf_counter() - start
    if ran.returncode:
        raise SystemExit(ran.stderr)
    return seconds, ran.stdout


def _print(name: str, times: list[tuple[float, float]], count: int) -> None:
    """A row of the second round."""
    latest = times[-count:]
    cells = [f"{seconds:.1f}" for pair in latest for seconds in pair]
    if count > 1:
        cells += [f"{latest[0][i] / latest[1][i]:.2f}" for i in range(2)]
    print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
