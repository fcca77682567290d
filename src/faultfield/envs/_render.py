"""Camera pictures straight from MuJoCo, with one context that lives as long as the environment."""

import atexit
import contextlib
import ctypes
import importlib
import importlib.util
import os
import weakref
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faultfield.errors import SetupError

NO_GL = (
    "MuJoCo cannot open an OpenGL context to render with; install the system packages libegl1 and libgl1-mesa-dri "
    "(apt-get install libegl1 libgl1-mesa-dri), or set MUJOCO_GL to a backend that this machine has."
)

_HIDDEN = 5
"""A geom group that MuJoCo does not draw by default."""

_OPEN: "weakref.WeakSet[Renderer]" = weakref.WeakSet()


class Renderer:
    """Pictures of a model's state from its cameras.

    Args:
        model: A `mujoco.MjModel`; meshes and textures are read now, everything else at each picture.
        camera: Name of the camera that is meant where none is named.
        size: Height and width of its picture in pixels.
        fast: No mirror images, no multisampling, and nothing drawn that lies outside the picture.

    Raises:
        SetupError: There is no OpenGL to render with.
    """

    def __init__(self, model: Any, camera: str, size: int, fast: bool) -> None:
        import mujoco

        self._model = model
        model.vis.global_.offwidth = model.vis.global_.offheight = size
        if fast:
            model.vis.quality.offsamples = 0
        self._size, self._fast = size, fast
        self._gl = _context(size)
        self._gl.make_current()
        self._scene = mujoco.MjvScene(model, maxgeom=model.ngeom + model.nsite + 50)
        try:
            self._context = mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_50)
        except mujoco.FatalError as error:
            raise SetupError(NO_GL) from error
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, self._context)
        self._scene.flags[mujoco.mjtRndFlag.mjRND_REFLECTION] = not fast
        self._options = mujoco.MjvOption()
        self._options.geomgroup[0] = 0
        self._camera = mujoco.MjvCamera()
        self._camera.type = mujoco.mjtCamera.mjCAMERA_FIXED
        self._default = model.camera(camera).id
        self._room = size
        if not _OPEN:
            # After MuJoCo's own registration, so that at exit contexts are freed before it shuts EGL down.
            atexit.register(_close_all)
        _OPEN.add(self)

    def render(self, data: Any, camera: str | None = None, size: int | None = None) -> NDArray[np.uint8]:
        """The picture of `data`, whose kinematics, camera and lights must be up to date.

        Args:
            data: A `mujoco.MjData` of the model.
            camera: Name of another camera.
            size: Another height and width of the picture, pixels.

        Returns:
            uint8 (size, size, 3), upright.
        """
        import mujoco

        size = self._size if size is None else size
        self._camera.fixedcamid = self._default if camera is None else self._model.camera(camera).id
        viewport = mujoco.MjrRect(0, 0, size, size)
        self._gl.make_current()
        if size > self._room:
            mujoco.mjr_resizeOffscreen(size, size, self._context)
            self._room = size
        group, nominal = self._model.geom_group, self._model.geom_group.copy()
        if self._fast:
            group[self._outside(data)] = _HIDDEN
        mujoco.mjv_updateScene(
            self._model, data, self._options, None, self._camera, mujoco.mjtCatBit.mjCAT_ALL, self._scene
        )
        group[:] = nominal
        mujoco.mjr_render(viewport, self._scene, self._context)
        pixels = np.empty((size, size, 3), dtype=np.uint8)
        mujoco.mjr_readPixels(pixels, None, viewport, self._context)
        return pixels[::-1].copy()

    def _outside(self, data: Any) -> NDArray[np.bool_]:
        """Which geoms lie wholly outside the picture: software OpenGL pays for their vertices all the same."""
        camera, radius = self._camera.fixedcamid, self._model.geom_rbound
        right, up, back = data.cam_xmat[camera].reshape(3, 3).T
        offset = data.geom_xpos - data.cam_xpos[camera]
        depth = -(offset @ back)
        half = np.radians(self._model.cam_fovy[camera]) / 2
        # How far a centre may lie beyond the edge of the view before its whole sphere is out; planes have no radius.
        margin = radius * (1.01 / np.cos(half)) + 0.01
        edge = depth * np.tan(half) + margin
        outside = (np.abs(offset @ right) > edge) | (np.abs(offset @ up) > edge) | (depth < -margin)
        return np.asarray(outside & (radius > 0))

    def close(self) -> None:
        """Give the context back; the renderer is of no use afterwards."""
        if self in _OPEN:
            _OPEN.discard(self)
            self._gl.make_current()
            self._context.free()
            self._gl.free()

    def __del__(self) -> None:
        self.close()


def _close_all() -> None:
    for renderer in list(_OPEN):
        renderer.close()


def _context(size: int) -> Any:
    """An OpenGL context: EGL unless the user chose otherwise, even where mujoco was imported before us."""
    backend = os.environ.setdefault("MUJOCO_GL", "egl").lower()
    _load_triton_first()
    try:
        if backend == "egl":
            os.environ.setdefault("PYOPENGL_PLATFORM", "egl")
        # Mesa's software renderer spreads even an 84-pixel picture over threads that then wait for one another.
        os.environ.setdefault("LP_NUM_THREADS", "0")
        module = importlib.import_module(f"mujoco.{backend if backend in ('egl', 'osmesa') else 'glfw'}")
        context = module.GLContext.__new__(module.GLContext)
        # MuJoCo's finalizer reads this even where its constructor failed, and would complain on standard error.
        context._context = None
        context.__init__(size, size)
        return context
    except (ImportError, AttributeError, RuntimeError, OSError) as error:
        raise SetupError(NO_GL) from error


def _load_triton_first() -> None:
    """Load triton's library before Mesa's: both carry an LLVM, and in the other order the process dies.

    Torch imports triton when the first optimizer is made, which may be long after the first picture.
    """
    triton = importlib.util.find_spec("triton")
    for folder in (triton.submodule_search_locations or ()) if triton else ():
        with contextlib.suppress(OSError):
            ctypes.CDLL(os.path.join(folder, "_C", "libtriton.so"))
