"""Which scenes are for what: numbers that are added to the study's seed, so that nothing is judged where it learned."""

VERIFY_SEED = 100_000
"""A diagnosis verifies on scenes from here on."""

HUNT_SEED = 200_000
"""A hunt never sees a scene that anything was learned from or verified on, and each variation has its own."""

REPAIR_SEED = 300_000
"""A comparison sees no scene that anything was learned from, verified or hunted on."""

CHECK_SEED, CHECKED = REPAIR_SEED + 50_000, 3
"""What is rolled out between two rounds of a repair, and how many episodes of each variation that is: no scene of the
comparison is among them."""

SAMPLE_SEED = 600_000
"""Of the variations that a diagnosis draws from the whole space; no scene is of it."""

ASKED_SEED = 1_000_000
"""Scenes from here on are anybody's, up to those that hunts and repairs have for each variation (`own_scenes`)."""

SEEDS = 9_000_000
"""A study's own seed lies below, so that all of these lie below the scenes that each variation has for itself."""
