"""Train the diagnostic policy in the virtual MDP with Stable-Baselines3: PPO, A2C or SAC, as the library has them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from faultfield.search._network import Mlp
from faultfield.search._training import Progress, quiet_training, without_log
from faultfield.search.config import SearchConfig
from faultfield.search.mdp import VirtualMDP
from faultfield.search.policy import DiagnosticPolicy

__all__ = ["DiagnosticPolicy", "Progress", "train_diagnostic"]


def train_diagnostic(
    known: NDArray[np.float32],
    failure_rate: NDArray[np.float64],
    config: SearchConfig | None = None,
    seed: int = 0,
    on_progress: Progress | None = None,
    *,
    potential: NDArray[np.float64] | None = None,
    probability: NDArray[np.float64] | None = None,
) -> DiagnosticPolicy:
    """Learn where failures lie (RoboMD, Algorithm 1). Costs no rollouts and no GPU; one thread, the same every time.

    Args:
        known: Known embeddings, float32 (m, d).
        failure_rate: Share of failed rollouts at each, float64 (m,), in 0–1.
        config: What to learn with; the defaults when None.
        seed: Of the environments, of the network's start and of the sampling. No global random state is touched.
        on_progress: Called with steps done, steps in all and `{"mean_reward": …, "mean_length": …}` of recent
            episodes, about a hundred times.
        potential: Φ at each known embedding, float64 (m,); needed when `config.shaping`.
        probability: Failure probability for the uncertainty bonus, float64 (m,); the failure rate when None.

    Returns:
        The policy's density.

    Raises:
        StudyError: Arrays that do not fit each other or are out of range.
    """
    from faultfield.search.vector_env import VirtualVecEnv

    config = config or SearchConfig()
    mdp = VirtualMDP(known, failure_rate, config, potential=potential, probability=probability)
    with quiet_training(config.steps, on_progress) as callback:
        env = VirtualVecEnv(mdp, config.width, seed, reward_scale=1.0 / config.failure_reward)
        model = build_model(config, env, seed)
        without_log(model).learn(config.steps, callback=callback)
    network, log_std = _density(model, config)
    return DiagnosticPolicy(
        algorithm=config.algorithm,
        network=network,
        log_std=log_std,
        states=np.asarray(known, dtype=np.float32),
        center=mdp.center,
        scale=mdp.scale,
        low=mdp.low,
        high=mdp.high,
    )


def build_model(config: SearchConfig, env: Any, seed: int) -> Any:
    """Stable-Baselines3's algorithm on a vector environment, set up as `config` says but not yet trained.

    Seeds numpy's, Python's and torch's global generators, as the library does.
    """
    from stable_baselines3 import A2C, PPO, SAC

    common: dict[str, Any] = {"gamma": config.discount, "seed": seed, "device": "cpu"}
    if config.algorithm == "ppo":
        ppo = config.ppo
        return PPO(
            "MlpPolicy", env, learning_rate=ppo.learning_rate, n_steps=ppo.rollout, batch_size=ppo.batch,
            n_epochs=ppo.epochs, clip_range=ppo.clip, ent_coef=ppo.entropy, gae_lambda=ppo.gae_lambda,
            target_kl=ppo.max_kl,
            policy_kwargs={"net_arch": list(ppo.net), "log_std_init": ppo.log_std}, **common,
        )  # fmt: skip
    if config.algorithm == "a2c":
        a2c = config.a2c
        return A2C(
            "MlpPolicy", env, learning_rate=a2c.learning_rate, n_steps=a2c.rollout, ent_coef=a2c.entropy,
            policy_kwargs={"net_arch": list(a2c.net), "log_std_init": a2c.log_std}, **common,
        )  # fmt: skip
    sac = config.sac
    return SAC(
        "MlpPolicy", env, learning_rate=sac.learning_rate, batch_size=sac.batch, buffer_size=sac.buffer,
        learning_starts=min(sac.warmup, config.steps // 2), train_freq=1, gradient_steps=1,
        ent_coef=f"auto_{sac.temperature}", target_entropy="auto",
        policy_kwargs={"net_arch": list(sac.net)}, **common,
    )  # fmt: skip


def _density(model: Any, config: SearchConfig) -> tuple[Mlp, NDArray[np.float32]]:
    """The network from states to the Gaussian, and the log deviation where it does not depend on the state."""
    import torch

    policy = model.policy
    if config.algorithm != "sac":
        network = Mlp.of_layers([*policy.mlp_extractor.policy_net, policy.action_net], "tanh")
        return network, policy.log_std.detach().numpy().copy()
    actor = policy.actor
    both = torch.nn.Linear(actor.mu.in_features, 2 * actor.mu.out_features)
    with torch.no_grad():
        both.weight.copy_(torch.cat([actor.mu.weight, actor.log_std.weight]))
        both.bias.copy_(torch.cat([actor.mu.bias, actor.log_std.bias]))
    return Mlp.of_layers([*actor.latent_pi, both], "relu"), np.zeros(actor.mu.out_features, dtype=np.float32)
