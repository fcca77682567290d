"""The plots of the report, each a function of what it shows and a theme; none touches pyplot's global state."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from faultfield.diagnosis.result import Diagnosis, Known, Ranked, Rate, Similarity
from faultfield.report.theme import Theme, dress, figure
from faultfield.report.words import feasible, label, shorten

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COMBINED = "combinations"
"""Stands in the place of a factor for variations of several factors."""


@dataclass(frozen=True)
class FactorRate:
    """Failures pooled over the rolled-out variations of one factor.

    Attributes:
        name: The factor, in words.
        pooled: Failures over episodes of all its variations, with the Wilson interval.
        rates: Failure rate of each variation.
    """

    name: str
    pooled: Rate
    rates: tuple[float, ...]


def by_factor(diagnosis: Diagnosis) -> list[FactorRate]:
    """Known and verified variations by the one factor that they change, highest failure rate first.

    Infeasible ones stay out, and what was sought; variations of several factors are pooled as `combinations`.
    """
    counts: dict[str, list[Rate]] = {}
    rolled: list[tuple[Sequence[str], Rate]] = [(list(e.variation), e) for e in feasible(diagnosis)]
    rolled += [(e.factors, e.verified) for e in diagnosis.ranking if e.verified is not None and not e.infeasible]
    for factors, rate in rolled:
        if factors and rate.episodes:
            name = factors[0].replace("_", " ") if len(factors) == 1 else COMBINED
            counts.setdefault(name, []).append(rate)
    pooled = []
    for name, rates in counts.items():
        together = Rate.of(sum(rate.failures for rate in rates), sum(rate.episodes for rate in rates))
        pooled.append(FactorRate(name, together, tuple(rate.rate for rate in rates)))
    return sorted(pooled, key=lambda row: (-row.pooled.rate, row.name))


def factor_bars(rows: Sequence[FactorRate], theme: Theme) -> "Figure":
    """Failure by factor: a bar for the pooled rate, its interval, and a dot for every variation."""
    drawn = figure(theme, 5.0, 0.9 + 0.46 * len(rows))
    axes = drawn.subplots()
    dress(axes, theme, grid="x")
    where = np.arange(len(rows))
    rates = [row.pooled.rate for row in rows]
    axes.barh(where, rates, height=0.56, color=theme.failure, alpha=0.55)
    for y, row in zip(where, rows, strict=True):
        axes.plot([row.pooled.low, row.pooled.high], [y, y], color=theme.ink, linewidth=1.6, solid_capstyle="butt")
        axes.scatter(row.rates, np.full(len(row.rates), y), s=26, facecolor=theme.paper, edgecolor=theme.ink, zorder=3)
    counts = [f"{row.name}\n{row.pooled.failures} of {row.pooled.episodes}" for row in rows]
    axes.set_yticks(where, counts, color=theme.ink, fontsize=9)
    axes.invert_yaxis()
    _shares(axes.xaxis)
    axes.set_xlim(-0.02, 1.02)
    axes.set_xlabel("episodes that fail")
    return drawn


def polar(entries: Sequence[Known], theme: Theme) -> "Figure":
    """Failure of every known variation, radius in proportion (RoboMD, Fig. 7); the rings are 25, 50, 75, 100%."""
    ordered = sorted(entries, key=lambda entry: ([*entry.variation], -entry.rate))
    drawn = figure(theme, 6.4, 6.2)
    axes: Any = drawn.add_subplot(projection="polar")
    axes.patch.set_alpha(0.0)
    axes.set_theta_zero_location("N")
    axes.set_theta_direction(-1)
    angles = 2 * np.pi * np.arange(len(ordered)) / max(len(ordered), 1)
    rates = np.array([entry.rate for entry in ordered])
    shades = [theme.rule if entry.infeasible else theme.diverging(0.5 + 0.5 * entry.rate) for entry in ordered]
    edges = [theme.muted if entry.infeasible else theme.failure for entry in ordered]
    wide = 0.82 * 2 * np.pi / max(len(ordered), 1)
    axes.bar(angles, rates, width=wide, color=shades, edgecolor=edges, linewidth=0.8)
    for angle, entry in zip(angles, ordered, strict=True):
        axes.plot([angle, angle], [entry.low, entry.high], color=theme.ink, linewidth=1.3, alpha=0.8)
        if entry.failure_probability is not None:
            axes.plot(angle, entry.failure_probability, marker="D", markersize=4.5, color=theme.success,
                      markeredgecolor=theme.paper, linestyle="none")  # fmt: skip
        _spoke(axes, angle, shorten(label(entry.variation), 30), theme, 8.0 if len(ordered) <= 30 else 6.0)
    axes.set_ylim(0, 1.0)
    axes.set_yticks([0.25, 0.5, 0.75, 1.0], ["", "50%", "", "100%"], color=theme.muted, fontsize=8)
    # Ring labels stand where the bars leave most room.
    axes.set_rlabel_position(float(np.degrees(angles[np.argmin(rates)])) if len(ordered) else 0.0)
    axes.set_xticks([])
    axes.grid(True, color=theme.rule, linewidth=0.8)
    axes.spines["polar"].set_color(theme.rule)
    return drawn


def calibration(entries: Sequence[Ranked], theme: Theme) -> "Figure":
    """Predicted against verified failure rates of the ranked variations that were rolled out, with both intervals."""
    drawn = figure(theme, 5.4, 5.2)
    axes = drawn.subplots()
    dress(axes, theme, grid="both")
    axes.plot([0, 1], [0, 1], color=theme.muted, linewidth=1.0, linestyle=(0, (4, 3)))
    for entry in entries:
        if entry.verified is None:
            continue
        x, y = entry.failure_probability, entry.verified.rate
        covered = entry.low <= y <= entry.high
        shade = theme.success if covered else theme.failure
        axes.plot([entry.low, entry.high], [y, y], color=shade, linewidth=1.1, alpha=0.45)
        axes.plot([x, x], [entry.verified.low, entry.verified.high], color=shade, linewidth=1.1, alpha=0.45)
        axes.plot(x, y, marker="o" if covered else "s", markersize=6, color=shade, markeredgecolor=theme.paper,
                  zorder=3)  # fmt: skip
    for axis in (axes.xaxis, axes.yaxis):
        _shares(axis)
    axes.set_xlim(-0.03, 1.03)
    axes.set_ylim(-0.03, 1.03)
    axes.set_aspect("equal")
    axes.set_xlabel("predicted failure probability, 90% interval")
    axes.set_ylabel("failure rate when rolled out, 95% interval")
    return drawn


def similarity(matrix: Similarity, theme: Theme) -> "Figure":
    """Cosine similarity of the known variations in the field (RoboMD, Fig. 8)."""
    count = len(matrix.labels)
    drawn = figure(theme, 6.2, 5.6)
    axes = drawn.subplots()
    dress(axes, theme)
    values = np.array(matrix.values, dtype=np.float64).reshape(count, count)
    low = min(0.0, float(values.min(initial=0.0)))
    shown = axes.imshow(values, cmap=theme.sequential, vmin=low, vmax=1.0, interpolation="nearest")
    if count <= 40:
        labels = [shorten(name, 28) for name in matrix.labels]
        axes.set_xticks(range(count), labels, rotation=90, fontsize=7, color=theme.ink)
        axes.set_yticks(range(count), labels, fontsize=7, color=theme.ink)
    else:
        axes.set_xticks([])
        axes.set_yticks([])
    bar = drawn.colorbar(shown, ax=axes, fraction=0.035, pad=0.02)
    bar.outline.set_visible(False)
    bar.ax.tick_params(colors=theme.muted, labelsize=8, length=0)
    bar.set_label("cosine similarity", color=theme.muted, fontsize=9)
    return drawn


def _spoke(axes: Any, angle: float, text: str, theme: Theme, size: float) -> None:
    # Left of the vertical the text is turned round, so that nothing stands on its head.
    degrees = 90 - np.degrees(angle)
    left = np.sin(angle) < -1e-9
    axes.text(
        angle, 1.05, text, rotation=degrees + 180 if left else degrees, rotation_mode="anchor", fontsize=size,
        ha="right" if left else "left", va="center", color=theme.ink,
    )  # fmt: skip


def _shares(axis: Any) -> None:
    axis.set_ticks([0, 0.25, 0.5, 0.75, 1.0], labels=["0", "25", "50", "75", "100%"])
