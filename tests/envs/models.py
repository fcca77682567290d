"""What tests of environments ask of a model, and how they begin an episode."""

from typing import Any

import numpy as np

from faultfield.envs.base import VariableEnv


def arrays(model: Any) -> dict[str, np.ndarray]:
    """Every array in the model, and what it keeps outside arrays and may change."""
    found = {name: getattr(model, name) for name in dir(model) if not name.startswith("_")}
    found = {name: value.copy() for name, value in found.items() if isinstance(value, np.ndarray)}
    for part in (model.opt, model.stat, model.vis.headlight, model.vis.quality, model.vis.global_, model.vis.map):
        for name in (n for n in dir(part) if not n.startswith("_")):
            value = getattr(part, name)
            if isinstance(value, int | float | np.ndarray):
                found[f"{type(part).__name__}.{name}"] = np.array(value)
    return found


def begin(env: VariableEnv, seed: int = 1, **values: object) -> dict[str, np.ndarray]:
    """The first observation of an episode under these values."""
    return env.reset(seed=seed, options={"variation": env.variation_space.variation(values)})[0]
