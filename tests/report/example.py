"""A made-up diagnosis of a Lift policy, complete, with pictures: what the report's tests read and draw."""

import numpy as np
from numpy.typing import NDArray

from faultfield.diagnosis.result import (
    BlindFloor,
    Diagnosis,
    EnvironmentInfo,
    FactorInfo,
    FieldInfo,
    FieldMap,
    FieldQuality,
    Known,
    MapGrid,
    MapPoint,
    Measures,
    PolicyInfo,
    ProbeInfo,
    Ranked,
    Rate,
    RolloutInfo,
    Score,
    Selection,
    Similarity,
    StudyInfo,
    Verified,
    ranked,
)
from faultfield.report.words import label
from faultfield.variations import Categorical, Color, Continuous, Variation, VariationSpace
from faultfield.variations.colors import color_rgb

SPACE = VariationSpace(
    [
        Color("cube_color", "Change the cube color to {}.", nominal=(0.8, 0.1, 0.1)),
        Color("table_color", "Change the table color to {}.", nominal=(0.6, 0.6, 0.6)),
        Color("robot_color", "Change the robot color to {}.", nominal=(0.9, 0.9, 0.9)),
        Color("light_color", "Change the light color to {}.", nominal=(1.0, 1.0, 1.0)),
        Continuous(
            "light_intensity", "Dim the light to {}.", low=0.1, high=2.0, nominal=1.0, percent=True, unit="percent"
        ),
        Continuous("camera_shift", "Move the camera by {}.", low=-0.1, high=0.1, size=3, unit="m"),
        Continuous("cube_size", "Scale the cube to {}.", low=0.5, high=1.5, nominal=1.0, percent=True),
        Categorical("table_texture", "Cover the table with {}.", choices=("wood-light", "ceramic", "bricks")),
        Continuous("cube_friction", "Scale the friction of the cube to {}.", low=0.1, high=2.0, nominal=1.0,
                   percent=True, visible=False),
    ]
)  # fmt: skip

KNOWN = [
    *({"cube_color": c} for c in ("red", "green", "blue", "gray")),
    *({"table_color": c} for c in ("green", "blue", "red", "gray")),
    *({"robot_color": c} for c in ("red", "green", "cyan", "gray")),
    *({"light_color": c} for c in ("red", "green", "blue", "gray")),
    *({"cube_size": s} for s in (0.6, 0.8, 1.2)),
    {"light_intensity": 0.4},
    {"camera_shift": [0.0, 0.03, 0.0]},
]

UNSEEN = [
    *({"table_color": c} for c in ("black", "tan", "olive", "white", "purple", "teal")),
    *({"cube_color": c} for c in ("yellow", "cyan", "black", "orange", "pink")),
    *({"light_intensity": i} for i in (0.15, 0.3, 0.6, 1.5)),
    *({"table_texture": t} for t in ("wood-light", "ceramic", "bricks")),
    *({"camera_shift": s} for s in ([0.05, 0.0, 0.0], [0.0, -0.02, 0.01], [0.0, 0.0, 0.06])),
    *({"cube_friction": f} for f in (0.2, 0.5)),
    {"cube_size": 1.4},
    *({"table_color": c, "light_intensity": i} for c in ("black", "blue", "tan") for i in (0.3, 0.7)),
    *({"cube_color": c, "robot_color": "red"} for c in ("green", "orange")),
    {"table_color": [0.2, 0.5, 0.1]},
    {"cube_color": "teal", "table_color": "brown", "light_color": "blue"},
    *({"robot_color": c} for c in ("black", "orange")),
]


def example(seed: int = 0) -> Diagnosis:
    """A diagnosis in which every entry is filled."""
    rng = np.random.default_rng(seed)
    known_variations = [SPACE.variation(values) for values in KNOWN]
    unseen_variations = [SPACE.variation(values) for values in UNSEEN]
    truth = {v.key: _truth(v, rng) for v in [*known_variations, *unseen_variations]}
    known = [_known(v, truth[v.key], rng) for v in known_variations]
    ranking = ranked(_ranked(v, truth[v.key], place, rng) for place, v in enumerate(unseen_variations))
    return Diagnosis(
        study=StudyInfo(name="lift-demo", hash="5d1c09ab77e0f3c2", command="faultfield run studies/lift-demo.yaml"),
        policy=PolicyInfo(
            type="faultfield.policies.bc:VisualBC",
            fingerprint="a41fd0c27be98e15",
            arguments={"checkpoint": "models/lift"},
        ),
        environment=EnvironmentInfo(
            type="faultfield.envs.robosuite:Robosuite",
            fingerprint="0be713f29c6d4a88",
            arguments={"task": "Lift", "robot": "Panda", "camera": "agentview", "size": 84},
            instruction="Lift the cube.",
            factors=[FactorInfo.of(factor) for factor in SPACE],
        ),
        versions={"faultfield": "0.1.0", "mujoco": "3.3.0", "numpy": "1.26.4", "robosuite": "1.5.2", "torch": "2.15.0"},
        rollouts=[
            RolloutInfo(stage="nominal", variations=1, per_variation=40, seeds=list(range(40))),
            RolloutInfo(stage="known", variations=len(known), per_variation=10, seeds=list(range(10))),
            RolloutInfo(stage="expert", variations=len(known), per_variation=10, seeds=list(range(10))),
            RolloutInfo(stage="blind", variations=len(known), per_variation=10, seeds=list(range(10))),
            RolloutInfo(stage="verify", variations=24, per_variation=30, seeds=list(range(1000, 1030))),
        ],
        nominal=Rate.of(1, 40),
        known=known,
        ranking=ranking,
        selection=Selection(
            estimator="probe",
            reason="The probe had the lowest Brier score on known variations held out of its fit, by more than its "
            "standard error.",
            metric="brier",
            scores=[
                Score(estimator="probe", metrics={"brier": 0.061, "spearman": 0.9, "pairwise": 0.98, "coverage": 0.9}),
                Score(estimator="field", metrics={"brier": 0.17, "spearman": 0.52, "pairwise": 0.77, "coverage": 0.81}),
                Score(estimator="density", metrics={"brier": 0.21, "spearman": 0.4, "pairwise": 0.7, "coverage": None}),
            ],
        ),
        measures=Measures(entropy=2.41, nfm=sum(k.rate > 0.5 and not k.infeasible for k in known), fsi=1.12,
                          threshold=0.5),
        floor=BlindFloor(variations=len(known), policy=0.44, blind=0.93, low=0.35, high=0.63),
        field=_field(known, rng),
        map=_map(known, ranking, rng),
        probe=ProbeInfo(moments=24, by_phase={"far": 4, "near": 8, "close": 8, "lift": 4}),
        settings={"rollouts": {"per_variation": 10, "seed": 0}, "field": {"dim": 512, "inputs": ["vision", "text"]}},
        caveats=["The policy was trained in the same simulator; a real camera was never tried."],
    )  # fmt: skip


def pictures(diagnosis: Diagnosis) -> dict[str, NDArray[np.uint8]]:
    """A painted scene for every variation, uint8 (84, 84, 3), by key."""
    return {entry.key: scene(dict(entry.variation)) for entry in [*diagnosis.known, *diagnosis.ranking]}


def scene(values: dict[str, str | float | list[float]]) -> NDArray[np.uint8]:
    """A table with a cube and an arm, uint8 (84, 84, 3)."""
    rows, columns = np.mgrid[0:84, 0:84]
    shift = values.get("camera_shift", [0.0, 0.0, 0.0])
    dx, dy = (int(100 * shift[1]), int(-100 * shift[2])) if isinstance(shift, list) else (0, 0)
    picture = np.full((84, 84, 3), 0.82)
    picture[40 + dy :] = _color(values, "table_color", (0.62, 0.6, 0.58))
    if "table_texture" in values:
        picture[40 + dy :] *= 0.75 + 0.25 * ((rows[40 + dy :] // 5 + columns[40 + dy :] // 9) % 2)[..., None]
    arm = (abs(columns - 42 - dx - (rows - 20) // 6) < 5) & (rows < 46 + dy)
    picture[arm] = _color(values, "robot_color", (0.95, 0.95, 0.93))
    half = 5 * (values["cube_size"] if isinstance(values.get("cube_size"), float) else 1.0)
    cube = (abs(columns - 50 - dx) < half) & (abs(rows - 60 - dy) < half)
    picture[cube] = _color(values, "cube_color", (0.8, 0.12, 0.1))
    light = values.get("light_intensity", 1.0)
    picture *= np.array(_color(values, "light_color", (1.0, 1.0, 1.0))) * 0.6 + 0.4
    picture *= 0.25 + 0.75 * light if isinstance(light, float) else 1.0
    return (255 * picture.clip(0, 1)).astype(np.uint8)


def _color(values: dict[str, str | float | list[float]], name: str, nominal: tuple[float, float, float]):
    value = values.get(name)
    return color_rgb(value) if isinstance(value, str | list) else nominal


def _truth(variation: Variation, rng: np.random.Generator) -> float:
    weight = {"table_color": 0.75, "cube_color": 0.45, "robot_color": 0.3, "camera_shift": 0.8, "table_texture": 0.95,
              "light_intensity": 0.2, "light_color": 0.35, "cube_size": 0.3, "cube_friction": 0.3}  # fmt: skip
    clean = 1.0
    for name in variation:
        clean *= 1 - np.clip(rng.normal(weight[name], 0.3), 0.0, 1.0)
    return float(1 - clean)


def _known(variation: Variation, truth: float, rng: np.random.Generator) -> Known:
    infeasible = variation.get("cube_size") == 1.2
    failures = 10 if infeasible else int(rng.binomial(10, truth))
    return Known.counted(
        variation, failures, 10, expert=(10, 10) if infeasible else (0, 10), blind=(int(rng.binomial(10, 0.96)), 10),
        infeasible=infeasible, failure_probability=float(np.clip(truth + rng.normal(0, 0.1), 0.01, 0.99)),
    )  # fmt: skip


def _ranked(variation: Variation, truth: float, place: int, rng: np.random.Generator) -> Ranked:
    mean = float(np.clip(truth + rng.normal(0, 0.09), 0.004, 0.996))
    infeasible = variation.get("cube_size") == 1.4
    rolled = place % 2 == 0 or infeasible
    seen = "cube_friction" not in variation
    failures = 30 if infeasible else int(rng.binomial(30, truth))
    return Ranked.estimated(
        variation, mean, mean - 0.17, mean + 0.17, float(rng.uniform(0.1 if len(variation) > 1 else 0.4, 0.95)),
        visible=seen, infeasible=infeasible or (False if rolled else None),
        verified=Verified.counted(failures, 30, expert=(30 if infeasible else 0, 30)) if rolled else None,
        note="" if seen else "Rests on factor values alone: no picture shows it.",
    )  # fmt: skip


def _field(known: list[Known], rng: np.random.Generator) -> FieldInfo:
    points = rng.normal(size=(len(known), 6)) + 2 * np.array([[k.rate, -k.rate, 0, 0, 0, 1] for k in known])
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    return FieldInfo(
        settings={"encoder": "pocket", "inputs": ["vision", "text"], "dim": 512, "contrast": "outcome"},
        quality=FieldQuality(mse=0.1742, frobenius=7.41, knn={1: 0.97, 5: 0.9, 15: 0.74}),
        similarity=Similarity(labels=[label(k.variation) for k in known], values=(points @ points.T).tolist()),
    )


def _map(known: list[Known], ranking: list[Ranked], rng: np.random.Generator) -> FieldMap:
    def spot(failure: float) -> dict[str, float]:
        x, y = 6 * (failure - 0.5) + rng.normal(0, 0.9), rng.normal(0, 1.6)
        return {"x": float(x), "y": float(y), "failure": failure}

    x, y = np.linspace(-5, 5, 40), np.linspace(-5, 5, 32)
    potential = 0.9 * x[None, :] + 0.5 * np.sin(y)[:, None]
    points = [MapPoint(key="", text="Change nothing.", kind="nominal", x=-3.2, y=0.2, failure=0.02)]
    points += [MapPoint(key=k.key, text=k.text, kind="known", **spot(k.rate)) for k in known]
    points += [MapPoint(key=r.key, text=r.text, kind="ranked", **spot(r.failure_probability)) for r in ranking]
    grid = MapGrid(x=x.tolist(), y=y.tolist(), potential=potential.tolist())
    return FieldMap(method="First two principal components (62% of the variance).", points=points, grid=grid)
