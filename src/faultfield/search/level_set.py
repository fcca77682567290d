"""GP level set: roll out where a Gaussian process cannot tell on which side of the boundary a variation lies."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from faultfield.search.pool import Features, Floats, PoolSearch, Told
from faultfield.variations import Variation, VariationSpace


class LevelSetSearch(PoolSearch):
    """Straddle (Bryan et al. 2005): 1.96 σ(x) − |μ(x) − h| is largest where the boundary may pass and little is known.

    BoTorch's `SingleTaskGP` with its own priors (Hvarfner et al. 2024), on empirical failure logits with the noise that
    binomial counts have. A batch is chosen one by one, each choice narrowing the process where it would be observed.

    Args:
        space: Every proposal lies in it.
        seed: Of the candidates.
        pool, pool_size, features, start, failures: As in `PoolSearch`.
        level: The failure rate whose boundary is sought, 0–1.
        acquisition: `straddle`, or `ucb`, μ(x) + 1.96 σ(x), which seeks failures instead of their boundary.

    Example:
        >>> from faultfield.variations import Continuous
        >>> space = VariationSpace([Continuous("light", "Set the light to {}.", low=0.0, high=2.0)])
        >>> len(LevelSetSearch(space, seed=0).ask(3))
        3
    """

    def __init__(
        self,
        space: VariationSpace,
        seed: int = 0,
        *,
        pool: Sequence[Variation] | None = None,
        pool_size: int = 256,
        order: int = 3,
        features: Features | None = None,
        start: int = 10,
        failures: int | None = None,
        level: float = 0.5,
        acquisition: Literal["straddle", "ucb"] = "straddle",
    ) -> None:
        super().__init__(
            space, seed, pool=pool, pool_size=pool_size, order=order, features=features, start=start, failures=failures
        )
        self._level = float(np.log(level / (1.0 - level)))
        self._acquisition = acquisition

    def choose(self, candidates: Sequence[Variation], rows: Floats, told: Told, count: int) -> list[int]:
        """The largest acquisition, again and again."""
        mean, covariance = _posterior(told, rows)
        noise = float(np.median(told.logit_variances))
        chosen: list[int] = []
        for _ in range(count):
            deviation = np.sqrt(np.maximum(np.diag(covariance), 0.0))
            score = 1.96 * deviation
            score = score - np.abs(mean - self._level) if self._acquisition == "straddle" else score + mean
            score[chosen] = -np.inf
            best = int(score.argmax())
            chosen.append(best)
            column = covariance[:, best].copy()
            covariance -= np.outer(column, column) / (column[best] + noise)
        return chosen


def _posterior(told: Told, rows: Floats) -> tuple[Floats, Floats]:
    """Mean (n,) and covariance (n, n) of the latent failure logit at rows (n, d)."""
    import torch
    from botorch.fit import fit_gpytorch_mll
    from botorch.models import SingleTaskGP
    from botorch.models.transforms import Normalize, Standardize
    from gpytorch.mlls import ExactMarginalLogLikelihood

    both = np.concatenate([told.rows, rows])
    low, high = both.min(axis=0), both.max(axis=0)
    # A column that never moves tells nothing, and a range of zero cannot be normalised.
    moving = high - low > 1e-9
    bounds = torch.as_tensor(np.stack([low[moving], high[moving]]))
    transform: Any = Normalize(d=int(moving.sum()), bounds=bounds)
    model = SingleTaskGP(
        torch.as_tensor(told.rows[:, moving]), torch.as_tensor(told.logits)[:, None],
        torch.as_tensor(told.logit_variances)[:, None], input_transform=transform,
        outcome_transform=Standardize(m=1),
    )  # fmt: skip
    fit_gpytorch_mll(ExactMarginalLogLikelihood(model.likelihood, model))
    with torch.no_grad():
        posterior: Any = model.posterior(torch.as_tensor(rows[:, moving]))
        covariance = posterior.distribution.covariance_matrix.numpy().astype(np.float64)
        return posterior.mean[:, 0].numpy().astype(np.float64), covariance
