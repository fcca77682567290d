"""The map of the field: potential as filled contours, variations as points, the worst of them by number."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from faultfield.diagnosis.result import FieldMap, MapGrid, MapPoint
from faultfield.report.theme import Theme, dress, figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MARKERS = {"known": ("o", 58), "ranked": ("^", 46), "nominal": ("*", 210)}
"""Marker and size in points² by kind of point."""

_AROUND = (
    (1, 1),
    (1, -1),
    (-1, 1),
    (-1, -1),
    (1.5, 0),
    (-1.5, 0),
    (0, 1.6),
    (0, -1.6),
    (2, 2),
    (-2, 2),
    (2, -2),
    (-2, -2),
)


def field_map(chart: FieldMap, ranks: Mapping[str, int], theme: Theme) -> "Figure":
    """Draw the field in two dimensions.

    Args:
        chart: Points and grid.
        ranks: Variation key to rank, of the points that get their number.
        theme: Colours.
    """
    drawn = figure(theme, 6.4, 4.9)
    axes = drawn.subplots()
    dress(axes, theme)
    axes.set_xticks([])
    axes.set_yticks([])
    if chart.grid is not None:
        _potential(drawn, axes, chart.grid, theme)
    for kind, (marker, size) in MARKERS.items():
        points = [point for point in chart.points if point.kind == kind]
        if points:
            axes.scatter(
                [p.x for p in points], [p.y for p in points], marker=marker, s=size, linewidth=1.0, zorder=3,
                c=[theme.muted if p.failure is None else theme.diverging(p.failure) for p in points],
                edgecolor=theme.ink, label=f"{kind} ({len(points)})" if kind != "nominal" else kind,
            )  # fmt: skip
    axes.margins(0.06)
    _number(drawn, axes, chart.points, ranks, theme)
    if chart.points:
        legend = axes.legend(
            loc="upper center", bbox_to_anchor=(0.5, -0.01), ncols=3, frameon=False, fontsize=9, labelcolor=theme.ink
        )
        for handle in legend.legend_handles:
            if handle is not None:
                handle.set(facecolor=theme.muted)
    return drawn


def _potential(drawn: "Figure", axes: Any, grid: MapGrid, theme: Theme) -> None:
    logits = np.clip(np.array(grid.potential, dtype=np.float64), -50.0, 50.0)
    failure = 1.0 / (1.0 + np.exp(-logits))
    filled = axes.contourf(grid.x, grid.y, failure, levels=np.linspace(0, 1, 11), cmap=theme.diverging, alpha=0.8)
    if failure.min() < 0.5 < failure.max():
        axes.contour(grid.x, grid.y, failure, levels=[0.5], colors=[theme.ink], linewidths=1.2)
    bar = drawn.colorbar(filled, ax=axes, fraction=0.035, pad=0.02, ticks=[0, 0.25, 0.5, 0.75, 1.0])
    bar.ax.set_yticklabels(["0", "25", "50", "75", "100%"])
    bar.outline.set_visible(False)
    bar.ax.tick_params(colors=theme.muted, labelsize=8, length=0)
    bar.set_label("failure probability in the field", color=theme.muted, fontsize=9)


def _number(drawn: "Figure", axes: Any, points: list[MapPoint], ranks: Mapping[str, int], theme: Theme) -> None:
    """Write ranks beside their points, each where it covers neither another number nor a point."""
    drawn.draw_without_rendering()
    pixels = axes.transData.transform([(p.x, p.y) for p in points]) if points else np.empty((0, 2))
    scale = drawn.dpi / 72.0
    taken: list[np.ndarray[Any, Any]] = []
    numbered = sorted((ranks[p.key], i) for i, p in enumerate(points) if p.kind == "ranked" and p.key in ranks)
    for rank, index in numbered:
        others = np.concatenate([np.delete(pixels, index, axis=0), *(spot[None] for spot in taken)])
        spots = [pixels[index] + 11 * scale * np.array(step) for step in _AROUND]
        free = [np.linalg.norm(others - spot, axis=1).min(initial=np.inf) for spot in spots]
        roomy = [i for i, room in enumerate(free) if room > 13 * scale]
        best = roomy[0] if roomy else int(np.argmax(free))
        taken.append(spots[best])
        axes.annotate(
            str(rank), (points[index].x, points[index].y), xytext=11 * np.array(_AROUND[best]),
            textcoords="offset points", ha="center", va="center", fontsize=9, fontweight="bold", color=theme.paper,
            bbox={"boxstyle": "circle,pad=0.22", "facecolor": theme.ink, "edgecolor": "none"}, zorder=5,
            arrowprops={"arrowstyle": "-", "color": theme.ink, "linewidth": 0.8, "shrinkB": 3},
        )  # fmt: skip
