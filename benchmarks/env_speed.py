"""How fast is the environment? Steps per second against robosuite as it comes, and variations against rewriting XML.

Both sides run in this one process, turn by turn, with the same camera, picture size and actions. CPU seconds are told
beside wall seconds: on a busy machine they are what can be compared.

    python benchmarks/env_speed.py [--steps 60] [--repeats 5] [--images docs/images] [--out FILE.json]
"""

import argparse
import json
import logging
import os
import platform
import statistics
import sys
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from faultfield.envs.robosuite import Robosuite

CAMERA, SIZE = "agentview", 84
IMAGE = f"observation.images.{CAMERA}"

SHEET: list[Mapping[str, object]] = [
    {}, {"cube_color": "green"}, {"cube_color": "blue"}, {"table_color": "green"}, {"table_color": "tan"},
    {"robot_color": "red"}, {"robot_color": "cyan"}, {"light_color": "red"}, {"light_color": "gray"},
    {"light_intensity": 0.2}, {"light_intensity": 2.0}, {"light_direction": [1, 0, -0.3]}, {"cube_size": 0.6},
    {"cube_size": [0.04, 0.04, 0.04]}, {"cube_size": [0.04, 0.01, 0.01]}, {"cube_visual_size": 2.0},
    {"table_size": [0.8, 0.2, 0.025]}, {"table_size": [0.2, 0.8, 0.025]}, {"camera_shift": [0.1, 0, 0]},
    {"camera_shift": [0, 0.1, 0]}, {"camera_shift": [0, 0, 0.1]}, {"camera_fov": 30}, {"camera_fov": 70},
    {"table_texture": "checker"}, {"table_texture": "red-wood"}, {"table_texture": "wood-tiles"},
    {"table_texture": "white-bricks"}, {"table_texture": "dirt"}, {"cube_friction": 0.3}, {"cube_mass": 5.0},
]  # fmt: skip


@dataclass(frozen=True)
class Ratio:
    """One side over the other, repeated: the median, and the smallest and largest seen."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, ours: list[float], theirs: list[float]) -> "Ratio":
        """Theirs over ours, turn by turn."""
        ratios = [b / a for a, b in zip(ours, theirs, strict=True)]
        return cls(statistics.median(ratios), min(ratios), max(ratios))


def as_it_comes() -> Any:
    import robosuite

    return robosuite.make(
        "Lift", robots="Panda", use_camera_obs=True, camera_names=CAMERA, camera_heights=SIZE, camera_widths=SIZE,
        has_renderer=False, has_offscreen_renderer=True, hard_reset=False, ignore_done=True, control_freq=20, seed=0,
    )  # fmt: skip


def seconds(function: Callable[[], object]) -> tuple[float, float]:
    """Wall and CPU seconds of one call."""
    wall, cpu = time.perf_counter(), time.process_time()
    function()
    return time.perf_counter() - wall, time.process_time() - cpu


def steps(reset: Callable[[], object], step: Callable[[Any], object], actions: Any) -> tuple[float, float]:
    """Wall and CPU seconds for all actions, after a reset and one step that warms up."""
    reset()
    step(actions[0])

    def run() -> None:
        for action in actions:
            step(action)

    return seconds(run)


def measure_steps(ours: Robosuite, theirs: Any, count: int, repeats: int) -> dict[str, Any]:
    actions = np.random.default_rng(0).uniform(-1, 1, (count, 7))
    mine, other = [], []
    for seed in range(repeats):
        # robosuite draws into whatever OpenGL context is current; ours would give it our simplified meshes.
        mine.append(steps(lambda seed=seed: ours.reset(seed=seed), ours.step, actions))  # type: ignore[misc]
        theirs.sim._render_context_offscreen.gl_ctx.make_current()
        other.append(steps(theirs.reset, theirs.step, actions))
    (wall, cpu), (wall_other, cpu_other) = zip(*mine, strict=True), zip(*other, strict=True)
    return {
        "steps_per_second": {
            "ours": count / statistics.median(wall), "robosuite": count / statistics.median(wall_other),
            "ours_per_cpu_second": count / statistics.median(cpu),
            "robosuite_per_cpu_second": count / statistics.median(cpu_other),
        },
        "ratio_wall": asdict(Ratio.of(list(wall), list(wall_other))),
        "ratio_cpu": asdict(Ratio.of(list(cpu), list(cpu_other))),
        "seeds": list(range(repeats)), "steps": count,
    }  # fmt: skip


def measure_variations(env: Robosuite, repeats: int) -> dict[str, float]:
    """Median CPU milliseconds in which each factor is applied to the model, over values and repetitions."""
    space, result = env.variation_space, {}
    for factor in space:
        variations = [space.variation({factor.name: value}) for value in factor.grid(5)]
        times = []
        for _ in range(repeats):
            for variation in variations:
                # CPU time: a millisecond by the wall clock is mostly waiting on a machine that does other things too.
                times.append(seconds(lambda v=variation: env._variations.apply(v))[1])  # type: ignore[misc]
        result[factor.name] = 1e3 * statistics.median(times)
    env._variations.restore()
    return result


def measure_rewriting(env: Any, repeats: int) -> float:
    """Median CPU milliseconds to colour the table by rewriting robosuite's XML and resetting from it."""
    times = []
    for repeat in range(repeats):

        def rewrite(shade: float = repeat / repeats) -> None:
            root = ElementTree.fromstring(env.sim.model.get_xml())
            for geom in root.iter("geom"):
                if geom.get("name") == "table_visual":
                    geom.set("rgba", f"{shade} 0.5 0.5 1")
            env.reset_from_xml_string(ElementTree.tostring(root, encoding="unicode"))

        times.append(seconds(rewrite)[1])
    return 1e3 * statistics.median(times)


def save_pictures(folder: Path) -> None:
    """Both pictures of the same state, enlarged, and one cell for every factor."""
    folder.mkdir(parents=True, exist_ok=True)
    downwards = np.array([0.3, 0, -1, 0, 0, 0, -1])
    for name, fast in (("lift_as_it_comes", False), ("lift_fast", True)):
        env = Robosuite(size=SIZE, fast=fast)
        env.reset(seed=4)
        for _ in range(12):
            observation = env.step(downwards)[0]
        Image.fromarray(observation[IMAGE]).resize((504, 504), Image.Resampling.NEAREST).save(folder / f"{name}.png")
        env.close()
    env, side, columns = Robosuite(size=168), 168, 6
    sheet = Image.new("RGB", (columns * (side + 4), -(-len(SHEET) // columns) * (side + 22)), "white")
    for index, values in enumerate(SHEET):
        env.reset(seed=4, options={"variation": env.variation_space.variation(values)})
        for _ in range(12):
            observation = env.step(downwards)[0]
        left, top = (index % columns) * (side + 4), (index // columns) * (side + 22)
        label = ", ".join(f"{name} {value}" for name, value in values.items()) or "nominal"
        ImageDraw.Draw(sheet).text((left + 2, top + 3), label, fill="black")
        sheet.paste(Image.fromarray(observation[IMAGE]), (left, top + 18))
    sheet.save(folder / "lift_factors.png", optimize=True)
    env.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--images", type=Path, help="also save the comparison pictures into this folder")
    parser.add_argument("--out", type=Path, help="also write the JSON to this file")
    arguments = parser.parse_args()
    ours = Robosuite(camera=CAMERA, size=SIZE, horizon=10**9)
    logging.disable(logging.WARNING)
    theirs = as_it_comes()
    result: dict[str, Any] = {
        "command": "python benchmarks/env_speed.py " + " ".join(sys.argv[1:]),
        "date": time.strftime("%Y-%m-%d"),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}",
        **measure_steps(ours, theirs, arguments.steps, arguments.repeats),
        "apply_milliseconds": measure_variations(ours, 20),
        "rewrite_milliseconds": measure_rewriting(theirs, 3),
    }
    slowest = max(result["apply_milliseconds"].items(), key=lambda item: item[1])
    rate, wall, cpu = result["steps_per_second"], result["ratio_wall"], result["ratio_cpu"]
    print(f"steps/s, one {SIZE}x{SIZE} camera: ours {rate['ours']:.1f}, robosuite {rate['robosuite']:.1f}")
    for clock, ratio in (("wall", wall), ("CPU", cpu)):
        print(f"ratio by {clock} time {ratio['median']:.1f} ({ratio['low']:.1f} to {ratio['high']:.1f})")
    for name, milliseconds in result["apply_milliseconds"].items():
        print(f"apply {name:<18} {milliseconds:7.3f} ms (CPU)")
    print(f"rewriting the XML and resetting {result['rewrite_milliseconds']:.0f} ms (CPU); slowest factor {slowest[0]}")
    text = json.dumps(result, indent=2)
    print(text)
    if arguments.out:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(text + "\n")
    if arguments.images:
        save_pictures(arguments.images)


if __name__ == "__main__":
    main()
