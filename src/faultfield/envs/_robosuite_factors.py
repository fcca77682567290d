"""Apply a variation to a compiled robosuite model while it runs, and take it back without a trace."""

from typing import Any

from faultfield.envs._robosuite_scene import Scene
from faultfield.envs._robosuite_tasks import Task
from faultfield.variations import NOMINAL, Variation, VariationSpace


class ModelVariations:
    """Applies variations to a model and restores it exactly.

    What each factor does is told by the task's effects. Mass comes last: at constant density it follows from the size,
    as if the model were rebuilt, and a factor on the mass multiplies it after that.

    Args:
        model: A `mujoco.MjModel`, in its nominal form.
        task: What is in the model, and which effect each factor has.
        space: The factors, which know what their values mean.
        camera: The camera that `camera_shift` and `camera_fov` move.
    """

    def __init__(self, model: Any, task: Task, space: VariationSpace, camera: str) -> None:
        self._scene = Scene(model, camera)
        self._effects = {factor.name: effect for factor, effect in task.offers}
        self._space = space
        self.current = NOMINAL

    def apply(self, variation: Variation) -> None:
        """Make the model show `variation`, whatever it showed before.

        Lights and cameras are seen moved once the kinematics of the data are computed anew.
        """
        if variation == self.current:
            return
        self.restore()
        for name, value in variation.items():
            self._effects[name].apply(self._scene, self._space.factor(name), value)
        self._scene.settle()
        self.current = variation

    def restore(self) -> None:
        """Make the model nominal again, bit for bit."""
        self._scene.restore()
        self.current = NOMINAL
