"""Apply a variation to a compiled robosuite model while it runs, and take it back without a trace."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from faultfield.envs._robosuite_model import MATERIAL_PREFIX
from faultfield.envs._robosuite_tasks import BoxSize, Task
from faultfield.variations import NOMINAL, Color, Value, Variation, VariationSpace

_FIELDS = (
    "geom_rgba", "geom_matid", "geom_size", "geom_rbound", "geom_aabb", "geom_pos", "geom_sameframe", "geom_friction",
    "mat_rgba", "light_ambient", "light_diffuse", "light_specular", "light_dir", "light_dir0", "cam_pos",
    "cam_fovy", "body_mass", "body_inertia", "body_subtreemass", "body_invweight0", "dof_invweight0", "dof_M0",
    "cam_pos0", "cam_poscom0", "cam_mat0", "light_pos0", "light_poscom0", "actuator_acc0", "actuator_length0",
)  # fmt: skip
"""Everything in the model that a factor may touch: what is saved at the start and written back."""

_STATISTIC = ("meaninertia", "meanmass", "meansize", "extent", "center")
_HEADLIGHT = ("ambient", "diffuse", "specular")


def _number(value: Value) -> float:
    assert isinstance(value, float)
    return value


class ModelVariations:
    """Applies variations to a model and restores it exactly.

    Colours take the texture off, so that the named colour is what is seen; a table colour together with a texture tints
    it. A changed size changes the shape that collides and the one that is seen, and, at constant density, mass and
    inertia, as rebuilding the model with that size would. `cube_mass` multiplies the mass after that. `cube_friction`
    scales the cube and what it touches (gripper, table), for MuJoCo uses the larger friction of two bodies in contact.

    Args:
        model: A `mujoco.MjModel`, in its nominal form.
        task: Names of what is in the model.
        space: The factors, which know what their values mean.
        camera: The camera that `camera_shift` and `camera_fov` move.
    """

    def __init__(self, model: Any, task: Task, space: VariationSpace, camera: str) -> None:
        import mujoco

        self._model, self._task, self._space = model, task, space
        self._saved: dict[str, NDArray[Any]] = {name: getattr(model, name).copy() for name in _FIELDS}
        self._headlight = {name: getattr(model.vis.headlight, name).copy() for name in _HEADLIGHT}
        self._scratch = mujoco.MjData(model)
        self._statistic = {name: np.copy(getattr(model.stat, name)) for name in _STATISTIC}
        self._camera = model.camera(camera).id
        names = {model.geom(i).name: i for i in range(model.ngeom)}
        self._cube = names[f"{task.target}_g0"]
        self._cube_visual = names[f"{task.target}_g0_vis"]
        self._cube_body = model.body(f"{task.target}_main").id
        self._table, self._table_visual = names["table_collision"], names["table_visual"]
        self._table_body = model.body("table").id
        self._legs = [i for name, i in names.items() if name.startswith("table_leg")]
        skin = ("robot0_g", "gripper0_")
        self._robot = [i for n, i in names.items() if n.startswith(skin) and ("_vis" in n) and model.geom_group[i] == 1]
        touching = [i for n, i in names.items() if n.startswith("gripper0_") and "collision" in n]
        self._touching = [self._cube, self._table, *touching]
        # Only these two collision trees are touched; the whole array holds every mesh and takes milliseconds to copy.
        self._trees = {body: self._tree(body) for body in (self._cube_body, self._table_body)}
        self.current = NOMINAL

    def _tree(self, body: int) -> tuple[slice, NDArray[np.float64]]:
        first = self._model.body_bvhadr[body]
        nodes = slice(first, first + self._model.body_bvhnum[body])
        return nodes, self._model.bvh_aabb[nodes].copy()

    @property
    def half_sizes(self) -> NDArray[np.float64]:
        """Half-sizes of the cube that collides, as it is now, shape (3,), metres."""
        return np.array(self._model.geom_size[self._cube])

    def apply(self, variation: Variation) -> None:
        """Make the model show `variation`, whatever it showed before.

        Lights and cameras are seen moved once the kinematics of the data are computed anew.
        """
        if variation == self.current:
            return
        self.restore()
        for name, value in variation.items():
            getattr(self, f"_apply_{name}")(value)
        if "cube_size" in variation or "cube_mass" in variation:
            self._settle_inertia(variation)
        self.current = variation

    def restore(self) -> None:
        """Make the model nominal again, bit for bit."""
        for name, saved in self._saved.items():
            getattr(self._model, name)[:] = saved
        for nodes, saved in self._trees.values():
            self._model.bvh_aabb[nodes] = saved
        for name, saved in self._headlight.items():
            getattr(self._model.vis.headlight, name)[:] = saved
        for name in _STATISTIC:
            setattr(self._model.stat, name, self._statistic[name])
        self.current = NOMINAL

    def _rgb(self, name: str, value: Value) -> tuple[float, float, float]:
        factor = self._space.factor(name)
        assert isinstance(factor, Color)
        return factor.rgb(value)

    def _paint(self, geoms: list[int], rgb: tuple[float, float, float]) -> None:
        self._model.geom_matid[geoms] = -1
        self._model.geom_rgba[geoms] = (*rgb, 1.0)

    def _apply_cube_color(self, value: Value) -> None:
        self._paint([self._cube_visual], self._rgb("cube_color", value))

    def _apply_table_color(self, value: Value) -> None:
        self._paint([self._table_visual], self._rgb("table_color", value))

    def _apply_robot_color(self, value: Value) -> None:
        self._paint(self._robot, self._rgb("robot_color", value))

    def _apply_table_texture(self, value: Value) -> None:
        # Names come in alphabetical order, so the colour, if any, is already on the geom.
        model, table = self._model, self._table_visual
        material = model.material(f"{MATERIAL_PREFIX}{value}").id
        if model.geom_matid[table] < 0:
            model.mat_rgba[material] = model.geom_rgba[table]
            model.geom_rgba[table] = self._saved["geom_rgba"][table]
        model.geom_matid[table] = material

    def _apply_light_color(self, value: Value) -> None:
        self._scale_lights(np.array(self._rgb("light_color", value)))

    def _apply_light_intensity(self, value: Value) -> None:
        self._scale_lights(_number(value))

    def _scale_lights(self, factor: float | NDArray[np.float64]) -> None:
        for field in ("light_ambient", "light_diffuse", "light_specular"):
            getattr(self._model, field)[:] *= factor
        for field in _HEADLIGHT:
            getattr(self._model.vis.headlight, field)[:] *= factor

    def _apply_light_direction(self, value: Value) -> None:
        direction = np.asarray(value) / np.linalg.norm(value)
        self._model.light_dir[:] = direction
        self._model.light_dir0[:] = direction

    def _apply_camera_shift(self, value: Value) -> None:
        self._model.cam_pos[self._camera] += np.asarray(value)

    def _apply_camera_fov(self, value: Value) -> None:
        self._model.cam_fovy[self._camera] = value

    def _apply_cube_visual_size(self, value: Value) -> None:
        self._resize(self._cube_visual, np.array(self._box("cube_visual_size").half_sizes(value)))

    def _apply_cube_size(self, value: Value) -> None:
        half = np.array(self._box("cube_size").half_sizes(value))
        # `cube_visual_size`, if any, comes later in the alphabet and has the last word on the looks.
        for geom in (self._cube, self._cube_visual):
            self._resize(geom, half)
        self._cover(self._cube_body)

    def _apply_table_size(self, value: Value) -> None:
        model, task = self._model, self._task
        half = np.asarray(value) / 2
        drop = task.table_size[2] / 2 - half[2]
        for geom in (self._table, self._table_visual):
            self._resize(geom, half)
            model.geom_pos[geom, 2] += drop
            # Else MuJoCo takes the body's frame for the geom's and never reads the new position.
            model.geom_sameframe[geom] = 0
        self._cover(self._table_body)
        # The legs stand 0.1 m in from the corners, or under the middle of a narrow top, as robosuite places them.
        for leg in self._legs:
            side = np.sign(self._saved["geom_pos"][leg, :2])
            model.geom_pos[leg, :2] = np.where(half[:2] > 0.2, side * (half[:2] - 0.1), 0.0)

    def _apply_cube_friction(self, value: Value) -> None:
        self._model.geom_friction[self._touching] *= _number(value)

    def _apply_cube_mass(self, value: Value) -> None:
        """Mass comes last, in `_settle_inertia`."""

    def _box(self, name: str) -> BoxSize:
        factor = self._space.factor(name)
        assert isinstance(factor, BoxSize)
        return factor

    def _resize(self, geom: int, half: NDArray[np.float64]) -> None:
        model = self._model
        model.geom_size[geom] = half
        model.geom_rbound[geom] = np.linalg.norm(half)
        model.geom_aabb[geom, 3:] = half

    def _cover(self, body: int) -> None:
        """Widen the body's collision tree to what its geoms now reach; else contacts at the new rim are missed."""
        model = self._model
        first, count = model.body_geomadr[body], model.body_geomnum[body]
        geoms = slice(first, first + count)
        reach = np.abs(model.geom_pos[geoms] - model.body_ipos[body]).max(axis=0) + model.geom_rbound[geoms].max()
        model.bvh_aabb[self._trees[body][0]] = (0.0, 0.0, 0.0, *reach)

    def _settle_inertia(self, variation: Variation) -> None:
        """Mass and inertia of a box of the present size at the nominal density, times `cube_mass`."""
        import mujoco

        model, body = self._model, self._cube_body
        half = model.geom_size[self._cube]
        volume = np.prod(half) / np.prod(self._saved["geom_size"][self._cube])
        mass = self._saved["body_mass"][body] * volume * _number(variation.get("cube_mass", 1.0))
        squares = half**2
        model.body_mass[body] = mass
        model.body_inertia[body] = mass / 3.0 * (squares.sum() - squares)
        mujoco.mj_setConst(model, self._scratch)
        # The extent sets the camera's clipping planes; a heavier cube shall not move them.
        for name in ("meansize", "extent", "center"):
            setattr(model.stat, name, self._statistic[name])
