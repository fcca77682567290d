"""Picture each task as it is and under three of its factors: docs/images/tasks_robosuite.png and tasks_metaworld.png.

python scripts/task_pictures.py [robosuite] [metaworld]
"""

import sys
from pathlib import Path

from PIL import Image, ImageDraw

from faultfield.envs.metaworld import Metaworld
from faultfield.envs.robosuite import Robosuite
from faultfield.variations import NOMINAL

SIZE, LINE = 160, 14
SHOWN: dict[str, dict[str, tuple[dict[str, object], ...]]] = {
    "robosuite": {
        "Lift": ({"cube_color": "blue"}, {"table_texture": "light-wood"}, {"light_intensity": 0.4}),
        "Stack": ({"base_color": "yellow"}, {"cube_size": [0.04, 0.01, 0.01]}, {"light_color": "red"}),
        "PickPlaceCan": ({"can_color": "green"}, {"bin_texture": "blue-wood"}, {"bin_size": [0.1, 0.1, 0.02]}),
        "NutAssemblySquare": ({"peg_color": "blue"}, {"peg_size": [0.03, 0.08]}, {"table_size": [0.8, 0.2, 0.025]}),
    },
    "metaworld": {
        "push-v3": ({"object_color": "blue"}, {"table_color": "green"}, {"camera_shift": [0.0, 0.0, 0.1]}),
        "pick-place-v3": ({"robot_color": "cyan"}, {"light_color": "red"}, {"camera_fov": 80.0}),
        "drawer-open-v3": ({"object_color": "red"}, {"table_color": "gray"}, {"light_intensity": 0.4}),
    },
}


def main() -> None:
    """Write the pictures of the simulators that are named, or of both."""
    for name in sys.argv[1:] or SHOWN:
        tasks = SHOWN[name]
        sheet = Image.new("RGB", (4 * SIZE, len(tasks) * (SIZE + LINE)), "white")
        pen = ImageDraw.Draw(sheet)
        for row, (task, changes) in enumerate(tasks.items()):
            env = Robosuite(task, size=SIZE) if name == "robosuite" else Metaworld(task, size=SIZE)
            for column, values in enumerate(({}, *changes)):
                variation = env.variation_space.variation(values) if values else NOMINAL
                observation = env.reset(seed=1, options={"variation": variation})[0]
                picture = next(value for key, value in observation.items() if "images" in key)
                place = (column * SIZE, row * (SIZE + LINE))
                words = ", ".join(f"{factor} {value}" for factor, value in values.items()) or task
                pen.text((place[0] + 2, place[1] + 1), words.replace("[", "").replace("]", "")[:27], fill="black")
                sheet.paste(Image.fromarray(picture), (place[0], place[1] + LINE))
            env.close()
        path = Path(__file__).parents[1] / "docs" / "images" / f"tasks_{name}.png"
        sheet.save(path, optimize=True)
        print(path, path.stat().st_size)


if __name__ == "__main__":
    main()
