"""A compiled model that can be painted, resized and reweighed while it runs, and made nominal again without a trace."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

_FIELDS = (
    "geom_rgba", "geom_matid", "geom_size", "geom_rbound", "geom_aabb", "geom_pos", "geom_sameframe", "geom_friction",
    "mat_rgba", "light_ambient", "light_diffuse", "light_specular", "light_dir", "light_dir0", "cam_pos",
    "cam_fovy", "body_mass", "body_inertia", "body_subtreemass", "body_invweight0", "dof_invweight0", "dof_M0",
    "cam_pos0", "cam_poscom0", "cam_mat0", "light_pos0", "light_poscom0", "actuator_acc0", "actuator_length0",
)  # fmt: skip
"""Everything in the model that an effect may touch: what is saved at the start and written back."""

_STATISTIC = ("meaninertia", "meanmass", "meansize", "extent", "center")
HEADLIGHT = ("ambient", "diffuse", "specular")

VISIBLE = 1
"""The geom group of what robosuite draws."""


class Scene:
    """A model and its nominal values.

    Args:
        model: A `mujoco.MjModel`, in its nominal form.
        camera: The camera that effects on "the camera" move.

    Attributes:
        model: The same.
        nominal: What its arrays were, by field.
        camera: Number of the camera.
    """

    def __init__(self, model: Any, camera: str) -> None:
        import mujoco

        self.model = model
        self.nominal: dict[str, NDArray[Any]] = {name: getattr(model, name).copy() for name in _FIELDS}
        self.camera: int = model.camera(camera).id
        self._headlight = {name: getattr(model.vis.headlight, name).copy() for name in HEADLIGHT}
        self._statistic = {name: np.copy(getattr(model.stat, name)) for name in _STATISTIC}
        self._scratch = mujoco.MjData(model)
        self._trees: dict[int, tuple[slice, NDArray[np.float64]]] = {}
        self._weights: dict[int, float] = {}

    def restore(self) -> None:
        """Make the model nominal again, bit for bit."""
        for name, saved in self.nominal.items():
            getattr(self.model, name)[:] = saved
        for nodes, saved in self._trees.values():
            self.model.bvh_aabb[nodes] = saved
        for name, saved in self._headlight.items():
            getattr(self.model.vis.headlight, name)[:] = saved
        for name in _STATISTIC:
            setattr(self.model.stat, name, self._statistic[name])
        self._weights.clear()

    def named(self, *prefixes: str) -> dict[str, int]:
        """Geoms whose names begin with one of these, by name."""
        names = {self.model.geom(i).name: i for i in range(self.model.ngeom)}
        return {name: i for name, i in names.items() if name.startswith(prefixes)}

    def shapes(self, body: str) -> list[int]:
        """The geoms of a body that collide."""
        return [i for i in self._geoms(body) if self.model.geom_contype[i] or self.model.geom_conaffinity[i]]

    def looks(self, body: str) -> list[int]:
        """The geoms of a body that are seen."""
        return [i for i in self._geoms(body) if self.model.geom_group[i] == VISIBLE]

    def _geoms(self, body: str) -> range:
        number = self.model.body(body).id
        first = int(self.model.body_geomadr[number])
        return range(first, first + int(self.model.body_geomnum[number]))

    def paint(self, geoms: list[int], rgb: tuple[float, float, float]) -> None:
        """Give geoms a plain colour in place of their texture."""
        self.model.geom_matid[geoms] = -1
        self.model.geom_rgba[geoms] = (*rgb, 1.0)

    def resize(self, geom: int, half: NDArray[np.float64]) -> None:
        """Make a box as large as these half-sizes, metres, with the bounds that MuJoCo looks for contacts in."""
        self.model.geom_size[geom] = half
        self.model.geom_rbound[geom] = np.linalg.norm(half)
        self.model.geom_aabb[geom, 3:] = half

    def cover(self, body: str) -> None:
        """Widen a body's collision tree to what its geoms now reach; else contacts at the new rim are missed."""
        model, number, geoms = self.model, self.model.body(body).id, list(self._geoms(body))
        if number not in self._trees:
            # The array of all trees holds every mesh and takes milliseconds to copy, so only those touched are kept.
            first = model.body_bvhadr[number]
            nodes = slice(first, first + model.body_bvhnum[number])
            self._trees[number] = (nodes, model.bvh_aabb[nodes].copy())
        offset = np.abs(model.geom_pos[geoms] - model.body_ipos[number])
        if abs(model.body_iquat[number, 0]) < 1.0:
            # The tree's axes are those of the body's inertia, which may lie askew.
            offset = np.linalg.norm(offset, axis=1, keepdims=True).repeat(3, axis=1)
        reach = offset.max(axis=0) + model.geom_rbound[geoms].max()
        model.bvh_aabb[self._trees[number][0]] = (0.0, 0.0, 0.0, *reach)

    def weigh(self, body: str, times: float = 1.0) -> None:
        """Have `settle` give a body the mass that its size and `times` make of its nominal one."""
        number = self.model.body(body).id
        self._weights[number] = self._weights.get(number, 1.0) * times

    def settle(self) -> None:
        """Set mass and inertia of all that was weighed: by the nominal density and the present size, times a factor."""
        import mujoco

        if not self._weights:
            return
        model = self.model
        for body, times in self._weights.items():
            geom, *others = self.shapes(model.body(body).name)
            # What is put together of several boxes is never resized.
            if not others and model.geom_type[geom] == mujoco.mjtGeom.mjGEOM_BOX:
                half = model.geom_size[geom]
                volume = np.prod(half) / np.prod(self.nominal["geom_size"][geom])
                mass = self.nominal["body_mass"][body] * volume * times
                squares = half**2
                model.body_inertia[body] = mass / 3.0 * (squares.sum() - squares)
            else:
                mass = self.nominal["body_mass"][body] * times
                model.body_inertia[body] = self.nominal["body_inertia"][body] * times
            model.body_mass[body] = mass
        mujoco.mj_setConst(model, self._scratch)
        # The extent sets the camera's clipping planes; a heavier object shall not move them.
        for name in ("meansize", "extent", "center"):
            setattr(model.stat, name, self._statistic[name])
