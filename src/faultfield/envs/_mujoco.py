"""What environments on a MuJoCo model share: the form of an action, the state there and back, pictures of it."""

from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import gymnasium
import numpy as np
from numpy.typing import NDArray

from faultfield.envs._render import Renderer
from faultfield.envs.base import IMAGE_PREFIX, PRIVILEGED, STATE, VariableEnv
from faultfield.errors import EnvError
from faultfield.variations import Variation

OTHERS = "The snapshot was taken in another environment and cannot be pictured here."

_WORDS = {4: "four", 7: "seven"}


class Variations(Protocol):
    """Changes a model as a variation says."""

    current: Variation

    def apply(self, variation: Variation) -> None:
        """Set everything that varies, what the variation does not name to what it is nominally."""
        ...


class MujocoEnv(VariableEnv):
    """An environment that owns a MuJoCo model.

    A subclass sets `_model`, `_data`, `_scratch` (data of its own for stored states) and `_variations`.

    Args:
        camera: Name of the policy's camera.
        size: Height and width of its picture, pixels.
        horizon: Control steps after which an episode is cut.
        fast: Whether pictures are simplified.
        images: Whether observations have a picture.

    Raises:
        EnvError: A number is out of range.
    """

    _model: Any
    _data: Any
    _scratch: Any
    _variations: Variations

    def __init__(self, camera: str, size: int, horizon: int, fast: bool, images: bool) -> None:
        if size < 8 or horizon < 1:
            raise EnvError(f"The size must be at least 8 and the horizon 1, not {size} and {horizon}.")
        self._camera, self._size, self._horizon, self._fast, self._images = camera, size, horizon, fast, images
        self.render_mode = "rgb_array"
        self._renderer: Renderer | None = None
        self._steps: int | None = None

    def render(self) -> NDArray[np.uint8]:
        """The picture of the present state, uint8 (size, size, 3).

        Raises:
            EnvError: The environment was made without pictures.
        """
        if not self._images:
            raise EnvError("This environment was made with images=False and has nothing to render with.")
        return self._open_renderer().render(self._data)

    def close(self) -> None:
        """Free the render context."""
        if self._renderer is not None:
            self._renderer.close()
            self._renderer = None

    @abstractmethod
    def _open_renderer(self) -> Renderer:
        """The renderer, made when the first picture is asked for: one context for all cameras and sizes."""

    def _declare_spaces(self, actions: int, state: int, truth: int) -> None:
        """Set the spaces, from the numbers in an action, in what the robot feels and in the simulator's truth."""
        self.action_space = gymnasium.spaces.Box(-1.0, 1.0, (actions,), np.float32)
        spaces: dict[str, gymnasium.Space[Any]] = {
            STATE: gymnasium.spaces.Box(-np.inf, np.inf, (state,), np.float32),
            PRIVILEGED: gymnasium.spaces.Box(-np.inf, np.inf, (truth,), np.float32),
        }
        if self._images:
            spaces[IMAGE_PREFIX + self._camera] = gymnasium.spaces.Box(0, 255, (self._size, self._size, 3), np.uint8)
        self.observation_space = gymnasium.spaces.Dict(spaces)  # type: ignore[assignment]

    def _command(self, action: NDArray[Any], dtype: type[np.floating[Any]]) -> NDArray[Any]:
        """The action, if there is an episode and it has the form that `_declare_spaces` gave it."""
        if self._steps is None:
            raise EnvError("The episode has not begun or is over; call reset() before step().")
        command = np.asarray(action, dtype=dtype)
        (count,) = self.action_space.shape or (0,)
        if command.shape != (count,) or not np.isfinite(command).all():
            raise EnvError(f"An action is {_WORDS.get(count, count)} finite numbers, not {action!r}.")
        return command

    def _count_step(self, success: bool) -> bool:
        """Whether the episode is cut at the horizon; one that is over takes no further step."""
        assert self._steps is not None
        self._steps += 1
        truncated = not success and self._steps >= self._horizon
        if success or truncated:
            self._steps = None
        return truncated

    def _pictured(self, observation: dict[str, NDArray[Any]], data: Any) -> dict[str, NDArray[Any]]:
        """The observation with the policy's picture of `data`, if it gets one."""
        if self._images:
            observation[IMAGE_PREFIX + self._camera] = self._open_renderer().render(data)
        return observation

    @contextmanager
    def _varied(self, variation: Variation) -> Iterator[None]:
        """The model under another variation for as long."""
        running = self._variations.current
        self._variations.apply(self.variation_space.validate(variation))
        try:
            yield
        finally:
            self._variations.apply(running)

    def _state(self) -> NDArray[np.float64]:
        """MuJoCo's full integration state now, float64 (n,)."""
        import mujoco

        kind = mujoco.mjtState.mjSTATE_INTEGRATION
        state = np.empty(mujoco.mj_stateSize(self._model, kind))
        mujoco.mj_getState(self._model, self._data, state, kind)
        return state

    def _recall(self, stored: NDArray[Any]) -> Any:
        """Data of our own in a stored state; the running episode is not disturbed.

        Raises:
            EnvError: It is no state of this model.
        """
        import mujoco

        kind = mujoco.mjtState.mjSTATE_INTEGRATION
        state = np.ascontiguousarray(stored, dtype=np.float64)
        if state.shape != (mujoco.mj_stateSize(self._model, kind),):
            raise EnvError(OTHERS)
        mujoco.mj_setState(self._model, self._scratch, state, kind)
        self._derive(self._scratch)
        return self._scratch

    def _derive(self, data: Any) -> None:
        """Positions, cameras and lights that follow from the state; nothing that the next physics step would read."""
        import mujoco

        mujoco.mj_kinematics(self._model, data)
        mujoco.mj_comPos(self._model, data)
        mujoco.mj_camlight(self._model, data)
