"""Colours and drawing shared by all plots; each plot is drawn once for light paper and once for dark screens."""

import base64
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Theme:
    """Colours of one scheme, the same as those in `report.css`.

    Blue and vermilion (after Okabe and Ito) stay apart under all common kinds of colour blindness; light and dark
    carry the same meaning once more.

    Attributes:
        paper: Background.
        ink: Text and lines.
        muted: Less important text, axes.
        rule: Grid lines.
        failure: Failure.
        success: Success.
        middle: Where failure and success are as likely.
    """

    paper: str
    ink: str
    muted: str
    rule: str
    failure: str
    success: str
    middle: str

    @property
    def diverging(self) -> "LinearSegmentedColormap":
        """From success over `middle` to failure."""
        from matplotlib.colors import LinearSegmentedColormap

        return LinearSegmentedColormap.from_list("failure", [self.success, self.middle, self.failure])

    @property
    def sequential(self) -> "LinearSegmentedColormap":
        """From paper to ink."""
        from matplotlib.colors import LinearSegmentedColormap

        return LinearSegmentedColormap.from_list("similarity", [self.paper, self.ink])


LIGHT = Theme("#ffffff", "#17202b", "#55606e", "#dde2e8", "#c94f12", "#1567a8", "#f7f4ee")
DARK = Theme("#12171e", "#e8ecf1", "#9fabb9", "#2b3643", "#f28a4b", "#5cadec", "#232b35")


def figure(theme: Theme, width: float, height: float) -> "Figure":
    """An empty figure of that size in inches, with a see-through background."""
    from matplotlib.figure import Figure

    made = Figure(figsize=(width, height), layout="constrained")
    made.patch.set_alpha(0.0)
    return made


def dress(axes: Any, theme: Theme, *, grid: str | None = None) -> None:
    """Give axes the theme's colours: no box, thin ticks, a grid along `grid` ("x", "y", "both") behind the data."""
    axes.patch.set_alpha(0.0)
    axes.tick_params(colors=theme.muted, labelsize=9, length=0, pad=4)
    for spine in axes.spines.values():
        spine.set_visible(False)
    if grid is not None:
        axes.grid(True, axis=grid, color=theme.rule, linewidth=0.8)
        axes.set_axisbelow(True)
    for text in (axes.xaxis.label, axes.yaxis.label, axes.title):
        text.set_color(theme.muted)
        text.set_fontsize(9.5)


def svg_uri(drawn: "Figure") -> str:
    """The figure as an SVG data URI: letters are outlines, and the same figure gives the same bytes."""
    import matplotlib

    stream = io.BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": "faultfield", "svg.fonttype": "path"}):
        drawn.savefig(
            stream, format="svg", bbox_inches="tight", pad_inches=0.04, metadata={"Date": None, "Creator": None}
        )
    return "data:image/svg+xml;base64," + base64.b64encode(stream.getvalue()).decode()


def picture_uri(picture: NDArray[np.uint8], largest: int = 256) -> str:
    """A picture, uint8 (height, width, 3), as a PNG data URI, shrunk to at most `largest` pixels a side."""
    from PIL import Image

    image = Image.fromarray(np.ascontiguousarray(picture))
    image.thumbnail((largest, largest), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    image.save(stream, format="PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode()


def photo_uri(picture: NDArray[np.uint8]) -> str:
    """A large picture, uint8 (height, width, 3), as a JPEG data URI: a tenth of a PNG."""
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(picture)).save(stream, format="JPEG", quality=80, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(stream.getvalue()).decode()
