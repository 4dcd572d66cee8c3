"""How good is it on real noise, against its peers, in the same minutes on the same machine?

    python benchmarks/quality.py DATA --peers PEERS/bin/python

DATA is a folder with pairs NAME_noisy.tif and NAME_reference.tif, at any depth. To these come
synthetic cells, and the photographs of `camera_noise.camera_like` (group camera_like). Each method
runs as a user would run it: this package through its command line with automatic settings, the
peers through `peers.py`, in their own environment. The peers start from random weights; this
package starts from those that come with it, and with `--start scratch` from random ones, too. What
was measured is kept in results.json, so that an interrupted benchmark goes on where it was; delete
it to measure anew.

    python benchmarks/quality.py DATA --stacks --peers PEERS/bin/python

compares stacks of `stack_pairs.py`: planes with their neighbours, as automatic settings choose,
planes alone (--neighbours 0), and Noise2Void in 3-D; each in the minutes that are noted there.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tifffile
from numpy.typing import NDArray
from stack_pairs import Stack, find_stacks

from napari_aprrd.cli.demo import side_by_side
from napari_aprrd.core.data.camera_noise import camera_like
from napari_aprrd.core.data.synthetic import noisy_cells
from napari_aprrd.metrics import evaluate

OURS = "ours"  # automatic settings decide which steps of APR-RD run
STARTS = {"starter": "from the starting weights", "scratch": "from scratch"}
METHODS = (OURS, "nlm", "bm3d", "n2v", "structn2v", "n2v2")
STACKS = ("confocal_bpae_b_50frames",)  # of these, all planes are denoised; of all others the first
# How stacks are denoised: the options of the command line, or a peer.
STACKED = {"planes alone": ["--neighbours", 0], "automatic": [], "n2v3d": None}
_STACK_SCORES = ("psnr_fitted", "ssim")
SYNTHETIC = ("white", "blobby", "line-x", "line-y")
CAMERA_LIKE = "camera_like"  # group of the photographs with the noise of a small camera


class Pair(NamedTuple):
    name: str
    group: str
    axes: str
    noisy: NDArray[Any]
    reference: NDArray[Any]


def main() -> None:
    options = _options()
    work = options.work
    work.mkdir(parents=True, exist_ok=True)
    store = work / "results.json"
    results = json.loads(store.read_text()) if store.exists() else {}
    if options.stacks:
        _compare_stacks(options, results, store)
        return
    pairs = find_pairs(options.data, options.only)
    for method in () if options.table else options.methods:
        for pair in pairs:
            for seed in range(options.seeds if method == OURS else 1):
                name = _ours(options.start) if method == OURS else method
                key = f"{pair.name}/{name}/{options.minutes:g} min/seed {seed}"
                if key not in results:
                    results[key] = _measure(pair, method, seed, options)
                    store.write_text(json.dumps(results, indent=1))
                print(key, {k: round(v, 3) for k, v in results[key].items()}, flush=True)
    (work / "table.md").write_text(_table(pairs, results, options))
    print((work / "table.md").read_text())
    for pair in pairs:
        _crops(pair, options)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--peers", default=sys.executable, help="Python of the peers.")
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--only", nargs="*", help="Names of images.")
    parser.add_argument("--methods", nargs="*", default=METHODS)
    parser.add_argument("--start", choices=STARTS, default="starter", help="Of this package.")
    parser.add_argument("--stacks", action="store_true", help="Compare stacks instead.")
    parser.add_argument("--table", action="store_true", help="Only write the table anew.")
    parser.add_argument("--work", type=Path, default=Path("quality"), help="Folder for results.")
    return parser.parse_args()


def _compare_stacks(options: argparse.Namespace, results: dict[str, Any], store: Path) -> None:
    """Mean PSNR of the scored planes of each stack, each after an affine fit, by each way."""
    ways = [way for way in STACKED if way in options.methods] or list(STACKED)
    stacks = find_stacks(options.data, options.only)
    for stack in () if options.table else stacks:
        for way in ways:
            key = f"{stack.name}/{way}/{stack.minutes:g} min"
            if key not in results:
                results[key] = _measure_stack(stack, way, options)
                store.write_text(json.dumps(results, indent=1))
            print(key, {k: round(v, 3) for k, v in results[key].items()}, flush=True)
    lines = [["", "minutes", "noisy", *ways], ["---"] * (3 + len(ways))]
    for stack in stacks:
        noisy = _plane_by_plane(stack.noisy[stack.scored], stack.reference)["psnr_fitted"]
        found = [results.get(f"{stack.name}/{way}/{stack.minutes:g} min") for way in ways]
        cells = [f"{one['psnr_fitted']:.2f}" if one else "" for one in found]
        lines.append([stack.name, f"{stack.minutes:g}", f"{noisy:.2f}", *cells])
    table = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    (options.work / "stacks.md").write_text(table)
    print(table)


def _measure_stack(stack: Stack, way: str, options: argparse.Namespace) -> dict[str, float]:
    noisy = options.work / f"{stack.name}.tif"
    clean = options.work / f"{stack.name}_{way.replace(' ', '-')}.tif"
    tifffile.imwrite(noisy, stack.noisy, photometric="minisblack")
    more = STACKED[way]
    if more is None:
        script = Path(__file__).with_name("peers.py")
        command = [options.peers, script, way, noisy, clean, stack.minutes]
    else:
        command = [Path(sys.executable).with_name("napari-aprrd"), "denoise", noisy, "-o", clean]
        command += ["--minutes", stack.minutes, "--axes", stack.axes, "--dtype", "float32", *more]
    seconds = _run(command)
    scores = _plane_by_plane(tifffile.imread(clean)[stack.scored], stack.reference)
    return {**scores, "seconds": seconds}


def _plane_by_plane(planes: NDArray[Any], reference: NDArray[Any]) -> dict[str, float]:
    """Mean scores of planes, each with a fit of its own: exposures may differ in brightness."""
    peak = 255.0 if reference.dtype == np.uint8 else float(np.ptp(reference))
    pairs = zip(planes, reference, strict=True)
    scores = [evaluate(plane, truth, data_range=peak) for plane, truth in pairs]
    return {name: float(np.mean([getattr(s, name) for s in scores])) for name in _STACK_SCORES}


def _run(command: list[Any]) -> float:
    """Run a command: its seconds."""
    begun = time.perf_counter()
    done = subprocess.run(map(str, command), capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stdout}\n{done.stderr}")
    return time.perf_counter() - begun


def find_pairs(data: Path, only: Sequence[str] | None = None) -> list[Pair]:
    """The first plane of each noisy image, whole stacks, synthetic images, and photographs."""
    pairs = []
    for path in sorted(data.rglob("*_noisy.tif")):
        noisy = tifffile.imread(path)
        reference = tifffile.imread(path.with_name(path.name.replace("_noisy", "_reference")))
        name, group = path.name.removesuffix("_noisy.tif"), path.parent.name
        if name in STACKS:
            pairs.append(Pair(name, "stack", "TYX", noisy, reference))
            name += "_first"
        reference = reference[0] if reference.ndim == noisy.ndim else reference
        pairs.append(Pair(name, group, "YXS"[: noisy.ndim - 1], noisy[0], reference))
    for kind in SYNTHETIC:
        noisy, truth = noisy_cells((256, 256), kind=kind)
        pairs.append(Pair(f"synthetic_{kind}", "synthetic", "YX", noisy, truth))
    for name, noisy, clean, _ in camera_like():
        pairs.append(Pair(name, CAMERA_LIKE, "YXS", noisy, clean))
    return [pair for pair in pairs if not only or pair.name in only]


def _measure(pair: Pair, method: str, seed: int, options: argparse.Namespace) -> dict[str, float]:
    made_by = _ours(options.start) if method == OURS else method
    noisy, clean = (_file(pair, name, options) for name in ("noisy", made_by))
    rgb = pair.axes.endswith("S")
    tifffile.imwrite(noisy, pair.noisy, photometric="rgb" if rgb else "minisblack")
    if method == OURS:
        command = [Path(sys.executable).with_name("napari-aprrd"), "denoise", noisy, "-o", clean]
        command += ["--minutes", options.minutes, "--seed", seed]
        command += ["--axes", pair.axes, "--start", options.start]
    else:
        script = Path(__file__).with_name("peers.py")
        command = [options.peers, script, method, noisy, clean, options.minutes]
    seconds = _run(command)
    scores = evaluate(tifffile.imread(clean), pair.reference, rgb=rgb).as_dict()
    return {**{k: v for k, v in scores.items() if v is not None}, "seconds": seconds}


def _table(pairs: list[Pair], results: dict[str, Any], options: argparse.Namespace) -> str:
    """Per image and per group: PSNR after an affine fit / as it is, SSIM, seconds."""
    methods = _columns(results, options)
    head = ["", "noisy", *methods]
    lines = [head, ["---"] * len(head)]
    for group in dict.fromkeys(pair.group for pair in pairs):
        members = [pair for pair in pairs if pair.group == group]
        rows = [
            [_noisy(pair), *(_median(pair, m, results, options) for m in methods)]
            for pair in members
        ]
        lines += [[f"{p.name}", *map(_cell, row)] for p, row in zip(members, rows, strict=True)]
        if len(members) > 1:
            means = np.array(rows, dtype=np.float64).mean(axis=0)
            lines.append([f"**{group}, mean**", *map(_cell, means)])
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _columns(results: dict[str, Any], options: argparse.Namespace) -> list[str]:
    """The methods, and for this package each start that was measured."""
    ours = [name for name in map(_ours, STARTS) if any(f"/{name}/" in key for key in results)]
    return [n for m in options.methods for n in (ours if m == OURS else [m])]


def _ours(start: str) -> str:
    return f"napari-aprrd, {STARTS[start]}"


def _file(pair: Pair, name: str, options: argparse.Namespace) -> Path:
    return Path(options.work / f"{pair.name}_{name.replace(',', '').replace(' ', '-')}.tif")


def _noisy(pair: Pair) -> list[float]:
    s = evaluate(pair.noisy, pair.reference, rgb=pair.axes.endswith("S"))
    return [s.psnr_fitted, s.psnr, s.ssim, 0.0]


def _median(
    pair: Pair, method: str, results: dict[str, Any], options: argparse.Namespace
) -> list[float]:
    start = f"{pair.name}/{method}/{options.minutes:g} min/"
    runs = [v for k, v in results.items() if k.startswith(start)]
    names = ("psnr_fitted", "psnr", "ssim", "seconds")
    return [float(np.median([run[name] for run in runs])) if runs else np.nan for name in names]


def _cell(values: Any) -> str:
    fitted, psnr, ssim, seconds = values
    if np.isnan(fitted):
        return ""  # not measured
    return f"{fitted:.2f} / {psnr:.2f}, {ssim:.3f}" + (f", {seconds:.0f} s" if seconds else "")


def _crops(pair: Pair, options: argparse.Namespace, side: int = 160) -> None:
    """A picture of the middle of the image, all methods side by side, reference last."""
    ours = list(map(_ours, STARTS)) if OURS in options.methods else []
    names = ("noisy", *ours, *(m for m in options.methods if m != OURS))
    files = {name: _file(pair, name, options) for name in names}
    images = {m: tifffile.imread(f) for m, f in files.items() if f.exists()}
    images["reference"] = pair.reference
    panels = [(name, _middle(image, side)) for name, image in images.items()]
    picture = side_by_side(panels)
    import imageio.v3

    imageio.v3.imwrite(options.work / f"{pair.name}.png", picture)


def _middle(image: NDArray[Any], side: int) -> NDArray[Any]:
    if image.ndim == 3:
        image = image.mean(axis=-1) if image.shape[-1] == 3 else image[0]
    top, left = ((n - side) // 2 for n in image.shape)
    return image[top : top + side, left : left + side]


if __name__ == "__main__":
    main()
