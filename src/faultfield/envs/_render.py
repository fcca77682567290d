"""One camera picture straight from MuJoCo, with one context that lives as long as the environment."""

import atexit
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

_OPEN: "weakref.WeakSet[Renderer]" = weakref.WeakSet()


class Renderer:
    """Pictures of a model's state from a fixed camera.

    Args:
        model: A `mujoco.MjModel`; meshes and textures are read now, everything else at each picture.
        camera: Name of a camera in the model.
        size: Height and width of the picture in pixels.
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
        self._size = size
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
        self._camera.fixedcamid = model.camera(camera).id
        self._viewport = mujoco.MjrRect(0, 0, size, size)
        if not _OPEN:
            # After MuJoCo's own registration, so that at exit contexts are freed before it shuts EGL down.
            atexit.register(_close_all)
        _OPEN.add(self)

    def render(self, data: Any) -> NDArray[np.uint8]:
        """The picture of `data`, whose kinematics, camera and lights must be up to date: uint8 (size, size, 3), upright."""
        import mujoco

        self._gl.make_current()
        mujoco.mjv_updateScene(
            self._model, data, self._options, None, self._camera, mujoco.mjtCatBit.mjCAT_ALL, self._scene
        )
        mujoco.mjr_render(self._viewport, self._scene, self._context)
        pixels = np.empty((self._size, self._size, 3), dtype=np.uint8)
        mujoco.mjr_readPixels(pixels, None, self._viewport, self._context)
        return pixels[::-1].copy()

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
    """An OpenGL context of MuJoCo's, EGL unless the user chose otherwise."""
    os.environ.setdefault("MUJOCO_GL", "egl")
    try:
        import mujoco

        return mujoco.GLContext(size, size)
    except (ImportError, AttributeError, RuntimeError, OSError) as error:
        raise SetupError(NO_GL) from error
