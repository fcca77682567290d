"""Small networks for robomimic's algorithms, and how long they are trained, as configurations of its own."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from faultfield.errors import PolicyError

ALGORITHMS = ("bc-rnn", "bc-transformer", "bcq")

FRAMES = 10
"""Steps that a recurrent policy is unrolled over and a transformer looks back on."""


def configuration(
    algorithm: str,
    names: Mapping[str, list[str]],
    *,
    jitter: bool,
    scaling: tuple[Sequence[float], Sequence[float]] | None = None,
) -> Any:
    """A small network that two cores train in minutes, as a configuration of robomimic's.

    Args:
        algorithm: One of `ALGORITHMS`.
        names: Names of the observations by modality, `low_dim` and `rgb`.
        jitter: Whether colours are changed at random.
        scaling: Mean and scale of the state; None leaves it as it is.
    """
    from robomimic.config import config_factory

    config = config_factory("bcq" if algorithm == "bcq" else "bc")
    with config.values_unlocked():
        config.train.cuda = False
        config.train.hdf5_cache_mode = "low_dim"
        config.experiment.rollout.enabled = False
        modalities = config.observation.modalities.obs
        modalities.low_dim, modalities.rgb = names["low_dim"], names["rgb"]
        encoder = config.observation.encoder.rgb
        encoder.core_class = "PocketCore"
        encoder.core_kwargs.feature_dimension, encoder.core_kwargs.jitter = 64, jitter
        if scaling is not None:
            state = config.observation.encoder.low_dim
            state.core_class = "PocketState"
            state.core_kwargs.mean, state.core_kwargs.scale = list(scaling[0]), list(scaling[1])
        {"bc-rnn": _recurrent, "bc-transformer": _transformer, "bcq": _bcq}[algorithm](config)
    return config


def pace(config: Any, epochs: int, batches: int, rate: float) -> None:
    """So many epochs of so many batches; the learning rate falls to 0.3 and to 0.09 of itself after 60 and 85 %."""
    config.train.num_epochs, config.experiment.epoch_every_n_steps = epochs, batches
    for each in (part.learning_rate for part in config.algo.optim_params.values()):
        each.initial, each.decay_factor = rate, 0.3
        each.epoch_schedule = sorted({round(share * epochs) for share in (0.6, 0.85)} - {0})


def configured(stored: Mapping[str, Any], algorithm: str) -> Any:
    """The configuration that a checkpoint was trained with.

    Raises:
        PolicyError: It is of another algorithm.
    """
    from robomimic.config import config_factory

    told = json.loads(stored["config"])
    if algorithm_of(told) != algorithm:
        raise PolicyError(f"The checkpoint to begin with is a {algorithm_of(told)} and not a {algorithm}.")
    config = config_factory(str(stored["algo_name"]))
    with config.values_unlocked():
        config.update(told)
    return config


def algorithm_of(config: Mapping[str, Any]) -> str:
    """Which of `ALGORITHMS` a configuration of robomimic's is of; else its own name for it.

    Example:
        >>> algorithm_of({"algo_name": "bc", "algo": {"rnn": {"enabled": True}}})
        'bc-rnn'
    """
    name, parts = str(config["algo_name"]), config.get("algo", {})
    if name != "bc":
        return name
    return next((f"bc-{kind}" for kind in ("rnn", "transformer") if parts.get(kind, {}).get("enabled")), name)


def _recurrent(config: Any) -> None:
    config.train.batch_size, config.train.seq_length = 8, FRAMES
    config.algo.actor_layer_dims = ()
    rnn = config.algo.rnn
    rnn.enabled, rnn.horizon, rnn.hidden_dim, rnn.num_layers = True, FRAMES, 128, 2


def _transformer(config: Any) -> None:
    config.train.batch_size, config.train.frame_stack = 8, FRAMES
    config.algo.actor_layer_dims = ()
    transformer = config.algo.transformer
    transformer.enabled, transformer.context_length, transformer.supervise_all_steps = True, FRAMES, True
    transformer.embed_dim, transformer.num_layers, transformer.num_heads = 128, 2, 4


def _bcq(config: Any) -> None:
    config.train.batch_size = 32
    critic = config.algo.critic
    # Every sample is a picture more to encode: robomimic repeats the observation before its encoders.
    critic.num_action_samples, critic.num_action_samples_rollout = 2, 8
    critic.layer_dims = (256, 256)
    vae = config.algo.action_sampler.vae
    vae.encoder_layer_dims = vae.decoder_layer_dims = (256, 256)
