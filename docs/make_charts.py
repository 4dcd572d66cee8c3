"""Draws the charts of docs/benchmarks.md from the tables of that page.

A line `<!-- chart NAME -->` in the page marks a chart; the next table holds its numbers. After
a number in the page has changed, run this script again, and the chart follows.

Run from the repository's folder: python docs/make_charts.py
"""

from __future__ import annotations

import math
import re
from html import escape
from pathlib import Path

DOCS = Path(__file__).parent
WIDTH, LEFT, ROW = 720, 250, 24  # pixels: the chart, its labels, the height of a line
# Colours by P. Tol ("bright" and "vibrant" schemes), which any colour vision tells apart.
OURS, OURS_FROM_SCRATCH = "#cc3311", "#ee9988"
OTHERS = ("#4477aa", "#66ccee", "#228833", "#ccbb44", "#aa3377", "#777777")
Table = list[list[str]]


def main(folder: Path = DOCS / "images") -> None:
    for name, svg in charts((DOCS / "benchmarks.md").read_text(encoding="utf-8")).items():
        (folder / f"benchmark_{name}.svg").write_text(svg, encoding="utf-8")


def charts(page: str) -> dict[str, str]:
    """The charts of a page, by name: bars of the last column, or dots for each column."""
    found = re.findall(r"<!-- chart (\w+) -->\n(?:(?!\|).*\n)+((?:\|.*\n)+)", page)
    tables = {name: [_cells(line) for line in text.splitlines()] for name, text in found}
    return {n: dots(t) if t[2][0] == "noisy" else bars(t) for n, t in tables.items()}


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def bars(table: Table) -> str:
    """One bar for each row: the number in its last column."""
    head, _, *rows = table
    most = max(float(row[-1]) for row in rows)
    parts = [_text(LEFT, 18, head[-1], "start", bold=True)]
    for y, row in enumerate(rows):
        top, length = 28 + y * ROW, float(row[-1]) / most * (WIDTH - LEFT - 60)
        parts += [
            _text(LEFT - 8, top + 14, f"{row[0]} {head[0]}", "end"),
            f'<rect x="{LEFT}" y="{top + 3}" width="{length:.1f}" height="{ROW - 8}" '
            f'fill="{OTHERS[0]}"/>',
            _text(LEFT + length + 6, top + 14, row[-1], "start"),
        ]
    return _svg(parts, 36 + len(rows) * ROW)


def dots(table: Table) -> str:
    """One line for each column: what each row gains over the first row, as dots."""
    head, _, noisy, *rows = table
    names = head[1:]
    gains = [
        [float(a) - float(b) if a else None for a, b in zip(row[1:], noisy[1:], strict=True)]
        for row in rows
    ]
    known = [gain for row in gains for gain in row if gain is not None]
    low, high = min(0.0, *known), max(known)
    right, bottom = WIDTH - 30, 28 + len(names) * ROW

    def at(gain: float) -> float:
        return 120 + (gain - low) / (high - low) * (right - 120)

    parts = [_text(120, 18, "dB gained over the noisy image", "start", bold=True)]
    for tick in range(5 * math.ceil(low / 5), int(high) + 1, 5):
        x = at(tick)
        parts.append(f'<path d="M{x:.1f} 28V{bottom}" stroke="#ccc"/>')
        parts.append(_text(x, bottom + 16, f"{tick:+d}" if tick else "0", "middle"))
    for y, name in enumerate(names):
        middle = 28 + y * ROW + ROW // 2
        parts.append(_text(108, middle + 4, name, "end"))
        for row, values, colour in zip(rows, gains, _colours(rows), strict=True):
            if values[y] is not None:
                size = 6.5 if colour == OURS else 5
                title = f"<title>{escape(row[0])}: {row[y + 1]} dB</title>"
                parts.append(
                    f'<circle cx="{at(values[y]):.1f}" cy="{middle}" r="{size}" '
                    f'fill="{colour}">{title}</circle>'
                )
    for y, (row, colour) in enumerate(zip(rows, _colours(rows), strict=True)):
        top = bottom + 38 + y // 2 * 20
        x = 128 + y % 2 * 290
        parts.append(f'<circle cx="{x - 12}" cy="{top - 4}" r="5" fill="{colour}"/>')
        parts.append(_text(x, top, row[0], "start"))
    return _svg(parts, bottom + 38 + (len(rows) + 1) // 2 * 20)


def _colours(rows: Table) -> list[str]:
    """The last row is ours; one that ends with "from scratch" is ours, too, and paler."""
    names = [row[0] for row in rows]
    scratch = [name for name in names if name.endswith("from scratch")]
    ours = [name for name in names if name not in scratch][-1]
    special = {ours: OURS, **dict.fromkeys(scratch, OURS_FROM_SCRATCH)}
    others = iter(OTHERS)
    return [special.get(name) or next(others) for name in names]


def _text(x: float, y: float, text: str, anchor: str, *, bold: bool = False) -> str:
    weight = ' font-weight="bold"' if bold else ""
    return f'<text x="{x:.1f}" y="{y}" text-anchor="{anchor}"{weight}>{escape(text)}</text>'


def _svg(parts: list[str], height: int) -> str:
    lines = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" '
        f'height="{height}" font-family="sans-serif" font-size="13" fill="#222">\n'
        f'<rect width="100%" height="100%" fill="white"/>\n{lines}\n</svg>\n'
    )


if __name__ == "__main__":
    main()
