"""Two processes that share a model end where one does: side by side, and with every weight sharded as for 7B."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from faultfield.detector import checkpoint
from faultfield.detector.training.loop import Loop
from faultfield.detector.training.run import make_accelerator
from tests.detector import tiny
from tests.detector.training.toy import ToyCourse
from tests.detector.training.two import CONFIG, beginning, whole

ROOT = Path(__file__).resolve().parents[3]


def _sharding() -> dict[str, str]:
    """What `accelerate launch` makes of the configuration that ships."""
    from accelerate.commands.launch import _validate_launch_command as validate
    from accelerate.commands.launch import launch_command_parser
    from accelerate.utils.launch import prepare_multi_gpu_env

    arguments = launch_command_parser().parse_args(
        ["--config_file", str(ROOT / "configs/fsdp-7b.yaml"), "-m", "faultfield"]
    )
    arguments, _, _ = validate(arguments)
    assert (arguments.use_fsdp, arguments.num_processes, arguments.mixed_precision) == (True, 8, "bf16")
    found = prepare_multi_gpu_env(arguments)
    return {k: v for k, v in found.items() if k.startswith("FSDP") or k == "ACCELERATE_USE_FSDP"}


@pytest.mark.slow
def test_two_processes_end_where_one_does(tmp_path: Path) -> None:
    environment = {
        **os.environ,
        **_sharding(),
        "OMP_NUM_THREADS": "1",
        "CUDA_VISIBLE_DEVICES": "",
        "PYTHONPATH": str(ROOT),
    }
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node=2", "--standalone"]
    done = subprocess.run(
        [*command, "-m", "tests.detector.training.two", str(tmp_path)],
        capture_output=True, text=True, cwd=ROOT, env=environment, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]
    learner = tiny.learner(0)
    Loop(learner, ToyCourse(), CONFIG, make_accelerator(CONFIG, cpu=True)).run()
    for kind in ("fsdp", "multi_cpu"):
        shared = load_file(tmp_path / f"{kind}.safetensors")
        for name, value in learner.state_dict().items():
            torch.testing.assert_close(shared[name], value, rtol=1e-3, atol=1e-4, msg=f"{kind} {name}")
    whole(tmp_path / "alone")
    alone, sharded = (checkpoint.load(tmp_path / name) for name in ("alone", "detector"))
    assert alone.gaze is not None
    assert alone.gaze.hunch is not None, "the test is of eyes that learn to judge"
    assert sharded.gaze is not None
    assert sharded.gaze.hunch is not None
    weights, begun = sharded.state_dict(), dict(beginning().state_dict())
    for name, value in alone.state_dict().items():
        # What is blurred and left out at random differs from process to process, but not for eyes that are frozen.
        near = 1e-5 if name.startswith(("gaze.hunch", "gaze.readout", "backbone.model.visual")) else 5e-3
        torch.testing.assert_close(weights[name], value, rtol=0, atol=near, msg=name)
    moved = [name for name, value in begun.items() if not torch.equal(weights[name], value)]
    assert {name.split(".")[0] for name in moved} == {"backbone", "head", "gaze"}
