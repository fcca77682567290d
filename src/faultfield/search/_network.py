"""A trained policy's network in plain arrays: using a policy needs neither torch nor the library that trained it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Mlp:
    """A multilayer perceptron; its last layer is linear.

    Attributes:
        weights: Per layer, float32 (outputs, inputs).
        biases: Per layer, float32 (outputs,).
        activation: `tanh` or `relu`, between the layers.
    """

    weights: tuple[NDArray[np.float32], ...]
    biases: tuple[NDArray[np.float32], ...]
    activation: str

    @classmethod
    def of_layers(cls, layers: Iterable[Any], activation: str) -> "Mlp":
        """Copy torch's `Linear` layers, in order; anything else among `layers` is passed over."""
        linear = [layer for layer in layers if hasattr(layer, "weight")]
        weights = tuple(layer.weight.detach().numpy().copy() for layer in linear)
        return cls(weights, tuple(layer.bias.detach().numpy().copy() for layer in linear), activation)

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, NDArray[np.float32]], activation: str) -> "Mlp":
        """The reverse of `arrays`.

        Raises:
            KeyError: A layer is missing.
        """
        count = sum(name.startswith("layer.") for name in arrays) // 2
        weights = tuple(arrays[f"layer.{i}.weight"] for i in range(count))
        return cls(weights, tuple(arrays[f"layer.{i}.bias"] for i in range(count)), activation)

    def arrays(self) -> dict[str, NDArray[np.float32]]:
        """Weights and biases by name, for a file."""
        named = {}
        for index, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            named[f"layer.{index}.weight"] = weight
            named[f"layer.{index}.bias"] = bias
        return named

    def __call__(self, inputs: Floats) -> Floats:
        """(n, inputs) to (n, outputs), in float64."""
        values = np.asarray(inputs, dtype=np.float64)
        last = len(self.weights) - 1
        for index, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            values = values @ weight.T.astype(np.float64) + bias
            if index < last:
                values = np.tanh(values) if self.activation == "tanh" else np.maximum(values, 0.0)
        return values
