import json
from itertools import pairwise

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file
from scipy.integrate import quad
from torch.distributions import AffineTransform, Independent, Normal, TanhTransform, TransformedDistribution

from faultfield.errors import CheckpointError, StudyError
from faultfield.search._network import Mlp
from faultfield.search.policy import DiagnosticPolicy


def make(algorithm, dim, seed=0):
    rng = np.random.default_rng(seed)
    sizes = [dim, 9, 2 * dim if algorithm == "sac" else dim]
    weights = tuple((rng.normal(size=(o, i)) / np.sqrt(i)).astype(np.float32) for i, o in pairwise(sizes))
    biases = tuple((0.1 * rng.normal(size=o)).astype(np.float32) for o in sizes[1:])
    # Narrow enough that all but nothing lies where tanh can no longer be told from 1.
    biases[-1][dim:] -= 1.0
    return DiagnosticPolicy(
        algorithm=algorithm,
        network=Mlp(weights, biases, "relu" if algorithm == "sac" else "tanh"),
        log_std=rng.uniform(-1, 0, size=dim).astype(np.float32),
        states=(5.0 + 2.0 * rng.normal(size=(12, dim))).astype(np.float32),
        center=np.full(dim, 5.0, dtype=np.float32),
        scale=2.0,
        low=np.full(dim, -3.0, dtype=np.float32),
        high=np.full(dim, 2.5, dtype=np.float32),
    )


def reference(policy, state):
    """The same density from torch's distributions; the network evaluated layer by layer in torch."""
    values = torch.tensor((state.astype(np.float64) - policy.center) / policy.scale)
    layers = list(zip(policy.network.weights, policy.network.biases, strict=True))
    for index, (weight, bias) in enumerate(layers):
        values = torch.nn.functional.linear(values, torch.tensor(weight).double(), torch.tensor(bias).double())
        if index < len(layers) - 1:
            values = torch.relu(values) if policy.algorithm == "sac" else torch.tanh(values)
    low, high = torch.tensor(policy.low).double(), torch.tensor(policy.high).double()
    to_embedding = AffineTransform(torch.tensor(policy.center).double(), policy.scale, event_dim=1)
    if policy.algorithm != "sac":
        normal = Independent(Normal(values, torch.tensor(policy.log_std).double().exp()), 1)
        return TransformedDistribution(normal, [to_embedding])
    mean, log_std = values.chunk(2)
    normal = Independent(Normal(mean, log_std.clamp(-20, 2).exp()), 1)
    box = AffineTransform((high + low) / 2, (high - low) / 2, event_dim=1)
    return TransformedDistribution(normal, [TanhTransform(), box, to_embedding])


@pytest.mark.parametrize("algorithm", ["ppo", "sac"])
@pytest.mark.parametrize("dim", [1, 7, 512])
def test_density_is_torchs(algorithm, dim):
    policy = make(algorithm, dim)
    actions = (5.0 + 1.2 * np.random.default_rng(1).uniform(-1, 1, size=(20, dim))).astype(np.float32)
    found = policy.log_density(policy.states, actions)
    assert found.shape == (12, 20)
    for row, state in zip(found, policy.states, strict=True):
        expected = reference(policy, state).log_prob(torch.tensor(actions).double()).numpy()
        assert row == pytest.approx(expected, rel=1e-9, abs=1e-8)


@pytest.mark.parametrize("algorithm", ["ppo", "sac"])
def test_density_integrates_to_one(algorithm):
    policy = make(algorithm, 1)
    state = policy.states[:1]

    def density(x):
        return float(np.exp(policy.log_density(state, np.array([[x]]))[0, 0]))

    ends = (5.0 - 6.0, 5.0 + 5.0) if algorithm == "sac" else (-40.0, 50.0)
    assert quad(density, *ends, points=[5.0], limit=200)[0] == pytest.approx(1.0, abs=2e-3)


def test_ratio_is_the_density_against_a_policy_without_preference():
    policy = make("ppo", 6)
    actions = policy.states
    flat = Mlp(tuple(0 * w for w in policy.network.weights), tuple(0 * b for b in policy.network.biases), "tanh")
    indifferent = DiagnosticPolicy(**{**vars(policy), "network": flat})
    expected = policy.log_density(policy.states, actions) - indifferent.log_density(policy.states, actions)
    assert policy.log_ratio(policy.states, actions) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("algorithm", ["ppo", "sac"])
def test_proposals_follow_the_density_and_stay_in_the_box(algorithm):
    policy = make(algorithm, 3)
    proposals = policy.propose(4000, np.random.default_rng(0))
    assert proposals.shape == (4000, 3)
    assert proposals.dtype == np.float32
    assert (proposals >= 5.0 - 6.0 - 1e-5).all()
    assert (proposals <= 5.0 + 5.0 + 1e-5).all()
    torch.manual_seed(0)
    drawn = torch.cat([reference(policy, state).sample((4000,)) for state in policy.states]).numpy()
    drawn = np.clip(drawn, -1.0, 10.0)
    error = np.abs(proposals.mean(axis=0) - drawn.mean(axis=0)) / (drawn.std(axis=0) / np.sqrt(4000))
    assert (error < 4.5).all()
    assert np.array_equal(proposals, policy.propose(4000, np.random.default_rng(0)))


def test_a_saved_policy_is_the_same_and_holds_no_pickle(tmp_path):
    policy = make("sac", 5)
    policy.save(tmp_path / "policy")
    assert sorted(p.name for p in (tmp_path / "policy").iterdir()) == ["policy.json", "policy.safetensors"]
    again = DiagnosticPolicy.load(tmp_path / "policy")
    actions = policy.propose(10, np.random.default_rng(0))
    assert np.array_equal(again.log_density(again.states, actions), policy.log_density(policy.states, actions))
    assert np.array_equal(again.propose(10, np.random.default_rng(0)), actions)


def test_damaged_foreign_and_mismatched_folders_are_refused(tmp_path):
    with pytest.raises(CheckpointError, match="holds no diagnostic policy"):
        DiagnosticPolicy.load(tmp_path)
    policy = make("ppo", 5)
    policy.save(tmp_path)
    arrays = load_file(tmp_path / "policy.safetensors")
    save_file({**arrays, "log_std": arrays["log_std"] + 1}, tmp_path / "policy.safetensors")
    with pytest.raises(CheckpointError, match="do not belong together"):
        DiagnosticPolicy.load(tmp_path)
    policy.save(tmp_path)
    (tmp_path / "policy.safetensors").write_bytes(b"rubbish")
    with pytest.raises(CheckpointError, match="damaged"):
        DiagnosticPolicy.load(tmp_path)
    policy.save(tmp_path)
    facts = json.loads((tmp_path / "policy.json").read_text())
    (tmp_path / "policy.json").write_text(json.dumps({**facts, "kind": "field"}))
    with pytest.raises(CheckpointError, match="holds a 'field'"):
        DiagnosticPolicy.load(tmp_path)


def test_embeddings_of_another_dimension_are_refused():
    policy = make("ppo", 5)
    with pytest.raises(StudyError, match=r"\(n, 5\), not \(2, 4\)"):
        policy.log_density(policy.states, np.zeros((2, 4), dtype=np.float32))
