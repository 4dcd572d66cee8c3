"""The trust report as one self-contained HTML file."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable, Iterator, Sequence
from html import escape
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..core.errors import UserError
from ..core.model.methods_text import methods
from ..core.trust.report import PlaneMaps, TrustReport
from .explained import LEFT, PLOTS, REMOVED, RESIDUAL, Plot

_WIDTH, _HEIGHT, _LEFT, _BOTTOM = 320, 200, 52, 40  # pixels of a plot, and of its margins
_COLOURS = ("#0072b2", "#e69f00", "#999999", "#555555")  # distinguishable with any colour vision
_MARKS = {"good": ("✓", "#1a7f5a"), "warn": ("!", "#b35900"), "bad": ("✗", "#b00020")}
_TITLES = {
    "good": "No problems found.",
    "warn": "Check this result before you use it.",
    "bad": "Do not use this result as it is.",
}
_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 66rem; padding: 0 1rem;
  color: #222; background: #fff }
h1 { font-size: 1.5rem; margin-bottom: 0 } h2 { font-size: 1.1rem; margin-top: 2rem }
ul { list-style: none; padding: 0 } li { margin: .4rem 0; padding-left: 2.2rem; position: relative }
li b { position: absolute; left: 0; width: 1.5rem; text-align: center; color: #fff;
  border-radius: .3rem }
.row { display: flex; flex-wrap: wrap; gap: 1rem } figure { margin: 0; width: 20rem }
figcaption { font-size: .85rem; color: #555 } img { width: 100%; image-rendering: pixelated }
pre { white-space: pre-wrap; background: #f5f5f5; padding: 1rem; font-size: .85rem }
"""

_FRAME = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}: trust report</title>
<style>{style}</style></head>
{body}
</html>
"""


_Place = Callable[[float, float], tuple[float, float]]  # from values to pixels of a plot


class Curve(NamedTuple):
    """A line of a plot."""

    name: str
    x: Sequence[float]
    y: Sequence[float]
    colour: int = 0  # in `_COLOURS`
    dashed: bool = False


_Shown = tuple[list[Curve], tuple[float, float]]  # curves, and the least range of a plot


def page(name: str, report: TrustReport, seen: PlaneMaps, record: dict[str, Any]) -> str:
    """Write the page.

    Parameters
    ----------
    name : str
        Name of the denoised image.
    report : TrustReport
    seen : PlaneMaps
        The part of the image to show.
    record : dict
        Record of how the image was made; may be empty.
    """
    parts = [
        f"<h1>{escape(name)}: {_TITLES[report.status]}</h1>",
        _sentences(report),
        "<h2>Part of it</h2>",
        f'<div class="row">{"".join(_pictures(seen, report))}</div>',
        "<h2>Measurements</h2>",
        f'<div class="row">{"".join(_plots(report))}</div>',
        "<h2>Noise of the source</h2>",
        f"<p>{escape(' '.join((*report.noise.advice, *report.noise.details)))}</p>",
        *_history(record),
    ]
    return _FRAME.format(title=escape(name), style=_STYLE, body="\n".join(parts))


def _sentences(report: TrustReport) -> str:
    items = []
    for verdict in report.verdicts:
        mark, colour = _MARKS[verdict.status]
        items.append(
            f'<li><b style="background:{colour}">{mark}</b>{escape(verdict.check)}: '
            f"{escape(f'{verdict.sentence} {verdict.details}'.rstrip())}</li>"
        )
    return f"<ul>{''.join(items)}</ul>"


def _pictures(seen: PlaneMaps, report: TrustReport) -> list[str]:
    low, high = np.nanpercentile(seen.noisy, [0.5, 99.8])
    noise = 4 * report.noise.sigma
    shown = [
        (seen.noisy, low, high, "Noisy"),
        (seen.clean, low, high, "Denoised, on the same grey scale"),
        (seen.residual, -noise, noise, f"Residual. {RESIDUAL}"),
        (seen.removed, 0.0, 3.0, f"Removed structure. {REMOVED}"),
        (seen.left, 0.0, 1.0, f"Noise left. {LEFT}"),
    ]
    return [
        f'<figure><img alt="{text}" src="data:image/png;base64,{_png(image, a, b)}">'
        f"<figcaption>{text}</figcaption></figure>"
        for image, a, b, text in shown
    ]


def _png(image: NDArray[Any], low: float, high: float) -> str:
    from PIL import Image

    grey = np.nan_to_num((image - low) / max(high - low, 1e-12) * 255).clip(0, 255)
    data = io.BytesIO()
    Image.fromarray(grey.astype(np.uint8)).save(data, "PNG")
    return base64.b64encode(data.getvalue()).decode()


def _plots(report: TrustReport) -> list[str]:
    found = (_correlation(report), _bias(report), _variance(report))
    return [plot(curves, least, how) for (curves, least), how in zip(found, PLOTS, strict=True)]


def _correlation(report: TrustReport) -> _Shown:
    lags = range(5)
    found = ((report.correlation, False), (report.noise.correlation, True))
    curves = [
        Curve("" if dashed else f"along {axis}", lags, (1.0, *of[axis]), colour, dashed)
        for colour, axis in enumerate(("x", "y"))
        for of, dashed in found
    ]
    return curves, (0, 1)


def _bias(report: TrustReport) -> _Shown:
    several = len(report.biases) > 1
    curves = [
        Curve(f"channel {c}" if several else "", b.brightness, b.bias, c)
        for c, b in enumerate(report.biases[: len(_COLOURS)])
    ]
    noise, ends = report.noise.sigma, (curves[0].x[0], curves[0].x[-1])
    limits = [Curve("", ends, (level, level), -1, True) for level in (noise, -noise)]
    return [*curves, *limits], (-noise, noise)


def _variance(report: TrustReport) -> _Shown:
    sizes = [scale.size for scale in report.scales]
    curves = [
        Curve("", sizes, [scale.excess for scale in report.scales]),
        Curve("", sizes, [1.0] * len(sizes), -1, True),
    ]
    return curves, (0, 2)


def plot(curves: Sequence[Curve], least: tuple[float, float], how: Plot) -> str:
    """A line plot as an SVG figure, at least over the range `least`, and how it is read."""
    xs = [float(v) for curve in curves for v in curve.x]
    ys = [float(v) for curve in curves for v in curve.y]
    left, right = min(xs), max(xs)
    bottom, top = min(*ys, least[0]), max(*ys, least[1])
    margin = 0.05 * (top - bottom)

    def place(x: float, y: float) -> tuple[float, float]:
        across = (x - left) / ((right - left) or 1.0)
        up = (y - (bottom - margin)) / (top - bottom + 2 * margin)
        inner = _WIDTH - _LEFT - 10, _HEIGHT - _BOTTOM - 10
        return _LEFT + across * inner[0], 10 + (1 - up) * inner[1]

    middle = (_LEFT + _WIDTH) / 2
    drawn = [
        _axis(place, (left, right), (bottom, top)),
        *_lines(place, curves),
        f'<text x="{middle}" y="{_HEIGHT - 6}" text-anchor="middle">{how.bottom}</text>',
    ]
    box = f'viewBox="0 0 {_WIDTH} {_HEIGHT}" font-size="11" fill="#333"'
    above = f"<figcaption><b>{escape(how.title)}</b></figcaption>"
    below = f"<figcaption>{escape(how.good)}</figcaption>"
    return f"<figure>{above}<svg {box}>{''.join(drawn)}</svg>{below}</figure>"


def _lines(place: _Place, curves: Sequence[Curve]) -> Iterator[str]:
    """Draw the curves, and their names at the right."""
    named = [curve.name for curve in curves if curve.name]
    for curve in curves:
        colour, dash = _COLOURS[curve.colour], ' stroke-dasharray="6 4"' if curve.dashed else ""
        points = " ".join(
            "{:.1f},{:.1f}".format(*place(x, y)) for x, y in zip(curve.x, curve.y, strict=True)
        )
        yield (
            f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"{dash}/>'
        )
        if curve.name:
            yield (
                f'<text x="{_WIDTH - 12}" y="{24 + 14 * named.index(curve.name)}" '
                f'fill="{colour}" text-anchor="end">{escape(curve.name)}</text>'
            )


def _axis(place: _Place, across: tuple[float, float], up: tuple[float, float]) -> str:
    """Draw a line at zero, and numbers at the ends of both axes."""
    (x0, y0), (x1, _) = place(across[0], 0.0), place(across[1], 0.0)
    drawn = [f'<line x1="{x0:.1f}" x2="{x1:.1f}" y1="{y0:.1f}" y2="{y0:.1f}" stroke="#bbb"/>']
    below = _HEIGHT - _BOTTOM + 14
    for value, x, anchor in ((across[0], x0, "start"), (across[1], x1, "end")):
        drawn.append(f'<text x="{x:.1f}" y="{below}" text-anchor="{anchor}">{value:.4g}</text>')
    for value in up:
        _, y = place(across[0], value)
        drawn.append(f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{value:.2g}</text>')
    return "".join(drawn)


def _history(record: dict[str, Any]) -> list[str]:
    if not record:
        return ["<h2>How it was made</h2><p>The file holds no record.</p>"]
    try:
        text = methods(record)
    except UserError as error:
        text = str(error)
    return [
        "<h2>For the methods section</h2>",
        f"<pre>{escape(text)}</pre>",
        "<h2>How it was made</h2>",
        f"<details><summary>All settings, hashes and versions</summary><pre>"
        f"{escape(json.dumps(record, indent=1))}</pre></details>",
    ]
