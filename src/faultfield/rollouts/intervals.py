"""How far a share that was counted may be from the true one."""

from functools import lru_cache


@lru_cache(maxsize=4096)
def wilson(count: int, total: int, level: float = 0.95) -> tuple[float, float]:
    """Confidence interval of a share (Wilson 1927), within 0–1; (0, 1) where nothing was counted.

    Args:
        count: How many did, 0–`total`.
        total: Out of how many.
        level: Confidence, 0–1.
    """
    if total == 0:
        return 0.0, 1.0
    from statsmodels.stats.proportion import proportion_confint

    low, high = proportion_confint(count, total, alpha=1 - level, method="wilson")
    # By rounding, the interval of 127 of 127 would end below the share itself.
    return max(min(float(low), count / total), 0.0), min(max(float(high), count / total), 1.0)
