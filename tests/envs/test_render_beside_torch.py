"""Rendering and training in one process."""

import subprocess
import sys

PROGRAM = """
from faultfield.envs.robosuite import Robosuite
env = Robosuite()
env.reset(seed=0)
import torch
layer = torch.nn.Linear(2, 1)
torch.optim.AdamW(layer.parameters())
env.reset(seed=1)
print("alive")
"""


def test_an_optimizer_can_be_made_after_the_first_picture() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "alive"
