"""Apply a variation to a compiled metaworld model while it runs, and take it back without a trace."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from faultfield.envs._metaworld_tasks import Task
from faultfield.variations import NOMINAL, Color, Value, Variation, VariationSpace

_FIELDS = (
    "geom_rgba", "geom_matid", "geom_friction", "site_rgba", "light_ambient", "light_diffuse", "light_specular",
    "cam_pos", "cam_pos0", "cam_fovy", "body_mass", "body_inertia", "body_subtreemass", "body_invweight0",
    "dof_invweight0", "dof_M0",
)  # fmt: skip
"""Everything in the model that a factor may touch: what is saved at the start and written back."""

_HEADLIGHT = ("ambient", "diffuse", "specular")
_COLLIDERS = 3
"""From this group of geoms on, MuJoCo draws nothing: metaworld keeps there what collides."""


class ModelVariations:
    """Applies variations to a metaworld model and restores it exactly.

    Colours take the texture off, so that the named colour is what is seen. `object_friction` scales every friction in
    the model, for MuJoCo uses the larger one of two bodies in contact; `object_mass` scales the object's mass and
    inertia, as rebuilding the model with them would.

    Args:
        model: A `mujoco.MjModel`, in its nominal form.
        task: Names of what is in the model.
        space: The factors, which know what their values mean.
        camera: The camera that `camera_shift` and `camera_fov` move.
    """

    def __init__(self, model: Any, task: Task, space: VariationSpace, camera: str) -> None:
        self._model, self._space = model, space
        self._saved: dict[str, NDArray[Any]] = {name: getattr(model, name).copy() for name in _FIELDS}
        self._headlight = {name: getattr(model.vis.headlight, name).copy() for name in _HEADLIGHT}
        self._inertia = float(model.stat.meaninertia)
        self._camera = model.camera(camera).id
        marks = [i for i in range(model.nsite) if model.site(i).name == task.shown]
        bodies = [i for i in range(model.nbody) if model.body(i).name == task.shown]
        # A mark may have the name of a body too, which then is what is handled.
        self._marks = [] if bodies else marks
        self._bodies = self._below(task.shown) if bodies else []
        self._painted = {
            "object_color": self._drawn(self._bodies),
            "table_color": self._drawn(self._below("tablelink")),
            "robot_color": self._drawn(self._below("right_arm_base_link")),
        }
        self.current = NOMINAL

    def _below(self, name: str) -> list[int]:
        """The body of that name and all that hang on it."""
        bodies = [self._model.body(name).id]
        for body in range(bodies[0] + 1, self._model.nbody):
            if self._model.body_parentid[body] in bodies:
                bodies.append(body)
        return bodies

    def _drawn(self, bodies: list[int]) -> NDArray[np.int64]:
        model = self._model
        seen = (model.geom_group < _COLLIDERS) & ((model.geom_rgba[:, 3] > 0) | (model.geom_matid >= 0))
        return np.flatnonzero(np.isin(model.geom_bodyid, bodies) & seen)

    def apply(self, variation: Variation) -> None:
        """Make the model show `variation`, whatever it showed before.

        Cameras are seen moved once the kinematics of the data are computed anew.
        """
        if variation == self.current:
            return
        self.restore()
        for name, value in variation.items():
            getattr(self, f"_apply_{name}")(value)
        self.current = variation

    def restore(self) -> None:
        """Make the model nominal again, bit for bit."""
        for name, saved in self._saved.items():
            getattr(self._model, name)[:] = saved
        for name, saved in self._headlight.items():
            getattr(self._model.vis.headlight, name)[:] = saved
        self._model.stat.meaninertia = self._inertia
        self.current = NOMINAL

    def _paint(self, name: str, value: Value) -> None:
        geoms = self._painted[name]
        self._model.geom_matid[geoms] = -1
        self._model.geom_rgba[geoms] = (*self._rgb(name, value), 1.0)

    def _rgb(self, name: str, value: Value) -> tuple[float, float, float]:
        factor = self._space.factor(name)
        assert isinstance(factor, Color)
        return factor.rgb(value)

    def _apply_object_color(self, value: Value) -> None:
        self._paint("object_color", value)
        self._model.site_rgba[self._marks, :3] = self._rgb("object_color", value)

    def _apply_table_color(self, value: Value) -> None:
        self._paint("table_color", value)

    def _apply_robot_color(self, value: Value) -> None:
        self._paint("robot_color", value)

    def _apply_light_color(self, value: Value) -> None:
        self._scale_lights(np.array(self._rgb("light_color", value)))

    def _apply_light_intensity(self, value: Value) -> None:
        self._scale_lights(np.asarray(value, dtype=np.float64))

    def _scale_lights(self, factor: NDArray[np.float64]) -> None:
        for field in ("light_ambient", "light_diffuse", "light_specular"):
            getattr(self._model, field)[:] *= factor
        for field in _HEADLIGHT:
            getattr(self._model.vis.headlight, field)[:] *= factor

    def _apply_camera_shift(self, value: Value) -> None:
        # A fixed camera stands at `cam_pos`; one that follows the hand keeps the distance `cam_pos0` from it.
        for field in ("cam_pos", "cam_pos0"):
            getattr(self._model, field)[self._camera] += np.asarray(value)

    def _apply_camera_fov(self, value: Value) -> None:
        self._model.cam_fovy[self._camera] = value

    def _apply_object_friction(self, value: Value) -> None:
        self._model.geom_friction[:] *= np.asarray(value, dtype=np.float64)

    def _apply_object_mass(self, value: Value) -> None:
        """A free body stands alone in the mass matrix, so what MuJoCo derives from its mass scales with it."""
        model, scale = self._model, float(np.asarray(value))
        root = self._bodies[0]
        dofs = slice(model.body_dofadr[root], model.body_dofadr[root] + model.body_dofnum[root])
        model.body_subtreemass[0] += (scale - 1.0) * model.body_subtreemass[root]
        for field in ("body_mass", "body_inertia", "body_subtreemass"):
            getattr(model, field)[self._bodies] *= scale
        model.body_invweight0[self._bodies] /= scale
        model.dof_invweight0[dofs] /= scale
        # The mean of the mass matrix's diagonal, by which the solver scales its tolerance.
        model.stat.meaninertia += (scale - 1.0) * model.dof_M0[dofs].sum() / model.nv
        model.dof_M0[dofs] *= scale
