"""The report: one HTML file that needs nothing else, neither network nor fonts nor scripts from elsewhere."""

import base64
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from faultfield import files
from faultfield.diagnosis.result import Diagnosis
from faultfield.errors import StudyError
from faultfield.report import chart, plots, words
from faultfield.report.agreement import agreement
from faultfield.report.theme import DARK, LIGHT, Theme, photo_uri, picture_uri, svg_uri

if TYPE_CHECKING:
    from jinja2 import Template
    from matplotlib.figure import Figure

NUMBERED = 8
"""How many of the worst ranked variations carry their number on the map."""

FOLDED = 30
"""Rows of the ranking that are shown before the reader asks for all."""


@dataclass(frozen=True)
class Drawing:
    """One plot, drawn for light paper and for dark screens, as data URIs."""

    light: str
    dark: str


@dataclass(frozen=True)
class Mended:
    """What the report tells of a repair.

    Attributes:
        statement: Before and after, in words.
        page: Where its own page lies, from the report.
        failures: Failure rate of every variation before and after, where it is shown here too.
    """

    statement: str
    page: str
    failures: Drawing | None = None


def write_report(
    diagnosis: Diagnosis,
    pictures: Mapping[str, NDArray[np.uint8]],
    nominal_picture: NDArray[np.uint8] | None,
    out: str | Path,
    watched: Mapping[str, NDArray[np.uint8]] | None = None,
    mended: Sequence[Mended] = (),
) -> None:
    """Write the report of a diagnosis, whole or not at all.

    What the diagnosis lacks (field, map, verification, expert, …) is left out. The same arguments give the same bytes.

    Args:
        diagnosis: What was found.
        pictures: The scene under each variation by variation key, uint8 (height, width, 3); keys may be missing.
        nominal_picture: The scene with nothing changed, uint8 (height, width, 3), or None.
        out: The HTML file.
        watched: Frames of the episode whose reason the detector tells, as one picture by variation key, uint8 (height,
            width, 3); keys may be missing.
        mended: Repairs of the policy, the newest first.

    Raises:
        StudyError: A picture is not uint8 (height, width, 3).
    """
    files.write_text(out, render(diagnosis, pictures, nominal_picture, watched, mended))


def render(
    diagnosis: Diagnosis,
    pictures: Mapping[str, NDArray[np.uint8]],
    nominal_picture: NDArray[np.uint8] | None,
    watched: Mapping[str, NDArray[np.uint8]] | None = None,
    mended: Sequence[Mended] = (),
) -> str:
    """The report as text; arguments as in `write_report`."""
    script = source("report.js")
    return template("report.html.j2").render(
        d=diagnosis,
        style=source("report.css"),
        script=script,
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        uris={key: _uri(picture, key) for key, picture in sorted(pictures.items())},
        watched={key: _uri(picture, key, photo_uri) for key, picture in sorted((watched or {}).items())},
        nominal_uri=None if nominal_picture is None else _uri(nominal_picture, "nominal"),
        drawings=_drawings(diagnosis),
        mended=mended,
        verdict=words.verdict(diagnosis),
        failing=words.failing(diagnosis),
        feasible=words.feasible(diagnosis),
        threshold=words.threshold(diagnosis),
        weaknesses=words.weaknesses(diagnosis),
        infeasible=words.infeasible(diagnosis),
        why_infeasible=words.why_infeasible,
        detector_counts=words.detector_counts,
        floor=words.floor,
        caveats=words.caveats(diagnosis),
        agreement=agreement(diagnosis.ranking),
        settings=json.dumps(diagnosis.settings, indent=2, ensure_ascii=False),
        folded=FOLDED,
        numbered=NUMBERED,
    )


def _drawings(diagnosis: Diagnosis) -> dict[str, Drawing]:
    """All plots that the diagnosis has the numbers for, by name."""
    factors = plots.by_factor(diagnosis)
    verified = [entry for entry in diagnosis.ranking if entry.verified is not None]
    similarity = diagnosis.field.similarity if diagnosis.field is not None else None
    worst = words.weaknesses(diagnosis)[:NUMBERED]
    ranks = {entry.key: place for place, entry in enumerate(worst, start=1)}
    drawers: dict[str, Callable[[Theme], Figure]] = {}
    if factors:
        drawers["factors"] = lambda theme: plots.factor_bars(factors, theme)
    if named := [entry for entry in diagnosis.known if not entry.sought]:
        drawers["polar"] = lambda theme: plots.polar(named, theme)
    if verified:
        drawers["calibration"] = lambda theme: plots.calibration(verified, theme)
    if similarity is not None and similarity.labels:
        drawers["similarity"] = lambda theme: plots.similarity(similarity, theme)
    if diagnosis.map is not None and (diagnosis.map.points or diagnosis.map.grid):
        drawn = diagnosis.map
        drawers["map"] = lambda theme: chart.field_map(drawn, ranks, theme)
    return {name: Drawing(svg_uri(draw(LIGHT)), svg_uri(draw(DARK))) for name, draw in drawers.items()}


def _uri(picture: NDArray[np.uint8], key: str, encode: Callable[[NDArray[np.uint8]], str] = picture_uri) -> str:
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3 or 0 in picture.shape:
        raise StudyError(
            f"The picture of '{key}' has shape {picture.shape} and dtype {picture.dtype}; "
            "the report needs uint8 (height, width, 3)."
        )
    return encode(picture)


def template(name: str) -> "Template":
    """One of our pages, ready to be rendered."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    # Everything from a study (names, texts, notes) is escaped; the policy in the page's head forbids foreign scripts.
    environment = Environment(
        loader=PackageLoader("faultfield.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"percent": words.percent, "number": words.number, "spans": words.spans}
    environment.globals["span"] = words.span
    return environment.get_template(name)


def source(name: str) -> str:
    """A file that is put into the page."""
    return resources.files("faultfield.report").joinpath(name).read_text(encoding="utf-8").strip()
