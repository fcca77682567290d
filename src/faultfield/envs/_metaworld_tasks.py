"""What the adapter must know of each metaworld task: the instruction, what lies there, and what may change."""

from dataclasses import dataclass

from faultfield.errors import EnvError
from faultfield.variations import Color, Continuous, Factor


@dataclass(frozen=True)
class Task:
    """A metaworld task as the adapter sees it.

    Attributes:
        name: metaworld's name of it.
        instruction: What is asked, in words.
        objects: What matters in the scene, in words: first what is handled, then where it goes, if anywhere.
        shown: What `object_color` paints: the body of that name with all that hangs on it, or the mark (site).
        color: Roughly what colour that is, red, green, blue in 0–1.
        horizon: Control steps after which an episode is cut: what metaworld's expert needs, and room for
            a second try.
        loose: Whether the object lies free, so that its friction and mass decide something.
    """

    name: str
    instruction: str
    objects: tuple[str, ...]
    shown: str
    color: tuple[float, float, float]
    horizon: int
    loose: bool = True

    def factors(self, fov: float) -> tuple[Factor, ...]:
        """What may change, for a camera of that vertical field of view in degrees."""
        thing = self.objects[0]
        return (
            Color("object_color", f"Change the color of the {thing} to {{}}.", nominal=self.color),
            Color("table_color", "Change the table color to {}.", nominal=(0.48, 0.37, 0.3)),
            Color("robot_color", "Change the robot color to {}.", nominal=(0.5, 0.1, 0.1)),
            Color("light_color", "Change the light color to {}.", nominal=(1.0, 1.0, 1.0)),
            Continuous("light_intensity", "Change the light to {} of its brightness.", low=0.1, high=2.0, nominal=1.0,
                       percent=True, looks_only=True),
            Continuous("camera_shift", "Shift the camera by {}.", low=-0.2, high=0.2, nominal=0.0, size=3, unit="m",
                       looks_only=True),
            Continuous("camera_fov", "Change the camera's field of view to {}.", low=20.0, high=100.0, nominal=fov,
                       unit="degrees", looks_only=True),
            *(self._physics(thing) if self.loose else ()),
        )  # fmt: skip

    def _physics(self, thing: str) -> tuple[Factor, ...]:
        friction, mass = f"Change the friction of the {thing} to {{}}.", f"Change the mass of the {thing} to {{}}."
        return (
            Continuous("object_friction", friction, low=0.1, high=3.0, nominal=1.0, percent=True, visible=False),
            Continuous("object_mass", mass, low=0.1, high=10.0, nominal=1.0, percent=True, visible=False),
        )


RED, GREEN, BLUE, ORANGE = (0.5, 0.0, 0.0), (0.3, 1.0, 0.3), (0.0, 0.0, 1.0), (0.9, 0.4, 0.1)
PALE_GREEN, WHITE, BLACK = (0.5, 0.85, 0.5), (0.9, 0.9, 0.9), (0.2, 0.2, 0.2)
BROWN, DARK_RED = (0.35, 0.22, 0.1), (0.35, 0.2, 0.2)

TASKS = {
    task.name: task
    for task in (
        Task("reach-v3", "Reach the red ball with the gripper.", ("red ball",), "goal", (0.8, 0.0, 0.0), 120,
             loose=False),
        Task("push-v3", "Push the red puck to the green ball.", ("red puck", "green ball"), "obj", RED, 120),
        Task("pick-place-v3", "Pick up the red puck and bring it to the blue ball.", ("red puck", "blue ball"), "obj",
             RED, 120),
        Task("shelf-place-v3", "Put the blue cube on the shelf.", ("blue cube", "shelf"), "obj", BLUE, 300),
        Task("bin-picking-v3", "Move the green cube from the red bin into the blue bin.",
             ("green cube", "blue bin"), "obj", GREEN, 300),
        Task("basketball-v3", "Put the basketball into the hoop.", ("basketball", "hoop"), "bsktball", ORANGE, 160),
        Task("assembly-v3", "Put the ring onto the peg.", ("ring", "peg"), "RoundNut", (0.3, 0.5, 0.3), 160),
        Task("peg-insert-side-v3", "Insert the green peg into the hole in the box.", ("green peg", "hole"), "peg",
             GREEN, 300),
        Task("coffee-push-v3", "Push the mug under the coffee machine.", ("mug", "coffee machine"), "obj", WHITE, 120),
        Task("drawer-open-v3", "Open the drawer.", ("drawer",), "drawer", PALE_GREEN, 160, loose=False),
        Task("drawer-close-v3", "Close the drawer.", ("drawer",), "drawer", PALE_GREEN, 120, loose=False),
        Task("door-open-v3", "Open the door of the safe.", ("door",), "door", (0.2, 0.2, 0.25), 160, loose=False),
        Task("button-press-topdown-v3", "Press the red button from above.", ("red button",), "button", (0.9, 0.1, 0.1),
             120, loose=False),
        Task("coffee-pull-v3", "Pull the mug to the green ball.", ("mug", "green ball"), "obj", WHITE, 200),
        Task("sweep-into-v3", "Sweep the brown cube into the hole.", ("brown cube", "hole"), "obj", BROWN, 160),
        Task("plate-slide-v3", "Slide the black puck into the hockey goal.", ("black puck", "hockey goal"),
             "puck_channel", BLACK, 120, loose=False),
        Task("plate-slide-side-v3", "Slide the black puck sideways into the hockey goal.",
             ("black puck", "hockey goal"), "puck_channel", BLACK, 120, loose=False),
        Task("hand-insert-v3", "Put the brown cube into the hole.", ("brown cube", "hole"), "obj", BROWN, 160),
        Task("pick-out-of-hole-v3", "Take the red puck out of the hole and bring it to the blue ball.",
             ("red puck", "blue ball"), "obj", (1.0, 0.1, 0.1), 240),
        Task("pick-place-wall-v3", "Bring the red puck over the wall to the blue ball.", ("red puck", "blue ball"),
             "obj", RED, 200),
        Task("window-open-v3", "Open the window.", ("window",), "windowb_a", DARK_RED, 160, loose=False),
        Task("faucet-open-v3", "Open the faucet.", ("faucet",), "faucet_link2", RED, 120, loose=False),
        Task("handle-press-v3", "Press the red handle down.", ("red handle",), "handle_link", RED, 100, loose=False),
        Task("button-press-v3", "Press the red button from the front.", ("red button",), "button", (0.9, 0.1, 0.1),
             120, loose=False),
        Task("coffee-button-v3", "Press the button of the coffee machine.", ("button",), "cmbutton", WHITE, 100,
             loose=False),
    )
}  # fmt: skip


def task_named(name: str) -> Task:
    """The task of that name.

    Raises:
        EnvError: There is none.
    """
    if name not in TASKS:
        raise EnvError(f"There is no metaworld task '{name}' here; there is {', '.join(TASKS)}.")
    return TASKS[name]
