"""What RoboMD reports, to stand beside what is measured here. Its policies, variations and rollouts are others."""

from collections.abc import Mapping

ELSEWHERE = (
    "The paper's numbers were measured on other policies, other variations and other rollouts; they are here to be "
    "looked at, not to be compared to the digit."
)

TABLE_1: Mapping[str, tuple[float, float, float]] = {
    "A2C": (74.2, 79.0, 72.0),
    "PPO": (82.3, 84.0, 76.0),
    "SAC": (51.2, 54.6, 50.8),
    "Qwen2-VL": (32.0, 24.6, 57.4),
    "Gemini 1.5 Pro": (59.0, 36.4, 37.4),
    "GPT-4o": (57.0, 44.0, 32.0),
    "GPT-4o, 5 shots": (57.4, 48.6, 57.0),
    "CNN": (46.0, 57.0, 49.0),
    "ResNet": (49.0, 52.0, 44.0),
}
"""Accuracy in percent on Lift, Square and Pick Place. Its column of averages does not follow from its cells throughout
(GPT-4o: 33.3 against 44.3), so only the cells are here."""

TABLE_2: Mapping[str, Mapping[str, float]] = {
    "BC": {"Lift": 82.5, "PickPlaceCan": 76.0, "Threading": 68.0, "Stack": 88.0},
    "BCQ": {"Lift": 61.5, "PickPlaceCan": 72.5, "Threading": 62.0, "Stack": 72.0},
    "HBC": {"Lift": 83.5, "PickPlaceCan": 79.0, "Threading": 73.0, "Stack": 81.0},
    "BC Transformer": {"Lift": 74.5, "PickPlaceCan": 72.0, "Threading": 82.0, "Stack": 70.5},
    "Diffusion": {"Lift": 85.0, "PickPlaceCan": 71.0, "Threading": 71.0, "Stack": 62.0},
}
"""Accuracy of failure detection in percent, by policy and task (its Pick Place is called PickPlaceCan here)."""

TABLE_3: Mapping[str, float] = {
    "Can, HBC": 61.0,
    "Square, Diffusion": 68.0,
    "Stack, BCQ": 80.0,
    "Threading, BC Transformer": 74.0,
}
"""Accuracy in percent over 21 unseen variations; every one of its five rankings of three or four is consistent."""

TABLE_4: Mapping[str, tuple[float, int, float]] = {
    "IQL": (2.49, 4, 0.72),
    "BCQ": (2.79, 6, 1.15),
    "BC Transformer": (2.47, 5, 0.98),
    "HBC": (2.11, 4, 0.68),
    "BC, two pictures": (2.14, 3, 0.63),
    "BC, picture and proprioception": (2.58, 3, 0.75),
}
"""Entropy, number of failure modes, failure severity index."""

TABLE_7: Mapping[tuple[str, str], tuple[float, float]] = {
    ("vision", "bce"): (0.6495, 14.5060),
    ("vision", "bce+contrastive"): (0.6179, 14.1497),
    ("vision + text", "bce"): (0.8426, 16.5227),
    ("vision + text", "bce+contrastive"): (0.1801, 7.6387),
}
"""Mean square error and Frobenius distance to the identity, by inputs and loss."""

FIGURE_5_PPO = 2.8839
"""Entropy of PPO's actions over 21 variations, the only one of the three that the text tells."""
