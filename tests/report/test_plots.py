from collections import defaultdict

import numpy as np
import pytest

from faultfield.diagnosis.result import Diagnosis, FieldMap, MapGrid, MapPoint
from faultfield.report import chart, plots
from faultfield.report.theme import DARK, LIGHT, svg_uri
from tests.report.example import example


@pytest.fixture(scope="module")
def diagnosis() -> Diagnosis:
    return example()


def test_factors_pool_all_episodes_of_single_changes(diagnosis: Diagnosis) -> None:
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for variation, rate, infeasible in [
        *((k.variation, k, k.infeasible) for k in diagnosis.known),
        *((r.variation, r.verified, r.infeasible) for r in diagnosis.ranking if r.verified is not None),
    ]:
        if not infeasible:
            name = next(iter(variation)).replace("_", " ") if len(variation) == 1 else "combinations"
            counts[name][0] += rate.failures
            counts[name][1] += rate.episodes
    rows = plots.by_factor(diagnosis)
    assert {row.name: [row.pooled.failures, row.pooled.episodes] for row in rows} == counts
    rates = [row.pooled.rate for row in rows]
    assert rates == sorted(rates, reverse=True)


def test_bars_are_as_long_as_the_rates(diagnosis: Diagnosis) -> None:
    rows = plots.by_factor(diagnosis)
    axes = plots.factor_bars(rows, LIGHT).axes[0]
    assert [bar.get_width() for bar in axes.patches] == [row.pooled.rate for row in rows]


def test_radius_is_the_failure_rate(diagnosis: Diagnosis) -> None:
    axes = plots.polar(diagnosis.known, LIGHT).axes[0]
    assert sorted(bar.get_height() for bar in axes.patches) == sorted(entry.rate for entry in diagnosis.known)
    assert tuple(axes.get_ylim()) == (0.0, 1.0)


def test_calibration_marks_what_its_interval_missed(diagnosis: Diagnosis) -> None:
    rolled = [entry for entry in diagnosis.ranking if entry.verified is not None]
    axes = plots.calibration(rolled, LIGHT).axes[0]
    squares = {(line.get_xdata()[0], line.get_ydata()[0]) for line in axes.lines if line.get_marker() == "s"}
    missed = [entry for entry in rolled if not entry.low <= entry.verified.rate <= entry.high]
    assert squares == {(entry.failure_probability, entry.verified.rate) for entry in missed}


def test_similarity_shows_the_matrix(diagnosis: Diagnosis) -> None:
    matrix = diagnosis.field.similarity
    axes = plots.similarity(matrix, LIGHT).axes[0]
    np.testing.assert_array_equal(axes.images[0].get_array(), np.array(matrix.values))
    assert [tick.get_text() for tick in axes.get_yticklabels()] == matrix.labels


def test_map_numbers_the_worst_apart_from_each_other() -> None:
    points = [MapPoint(key=str(i), text="", kind="ranked", x=0.001 * i, y=0.0, failure=0.9) for i in range(8)]
    points += [MapPoint(key="far", text="", kind="known", x=5.0, y=5.0, failure=0.1)]
    drawn = chart.field_map(FieldMap(points=points), {str(i): i + 1 for i in range(8)}, LIGHT)
    drawn.draw_without_rendering()
    texts = drawn.axes[0].texts
    assert sorted(text.get_text() for text in texts) == [str(i) for i in range(1, 9)]
    centres = np.array([text.get_bbox_patch().get_window_extent().get_points().mean(axis=0) for text in texts])
    gaps = np.linalg.norm(centres[:, None] - centres[None], axis=-1) + 1e9 * np.eye(len(centres))
    assert gaps.min() > 9 * drawn.dpi / 72, "two numbers overlap"


def test_map_line_is_where_the_potential_changes_sign() -> None:
    x, y = np.linspace(-1, 1, 21), np.linspace(-1, 1, 11)
    grid = MapGrid(x=x.tolist(), y=y.tolist(), potential=np.tile(4 * (x - 0.3), (11, 1)).tolist())
    axes = chart.field_map(FieldMap(grid=grid), {}, LIGHT).axes[0]
    line = axes.collections[-1].get_paths()[0].vertices
    np.testing.assert_allclose(line[:, 0], 0.3, atol=0.01)


def test_the_same_plot_gives_the_same_bytes(diagnosis: Diagnosis) -> None:
    rows = plots.by_factor(diagnosis)
    light = svg_uri(plots.factor_bars(rows, LIGHT))
    assert svg_uri(plots.factor_bars(rows, LIGHT)) == light
    assert svg_uri(plots.factor_bars(rows, DARK)) != light


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_text_has_contrast(theme) -> None:
    def luminance(color: str) -> float:
        channels = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)]) / 255
        linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
        return float(linear @ [0.2126, 0.7152, 0.0722])

    paper = luminance(theme.paper)
    for color in (theme.ink, theme.muted, theme.success):
        light, dark = sorted([luminance(color), paper], reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5, color
