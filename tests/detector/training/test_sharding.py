from dataclasses import replace
from types import SimpleNamespace

import pytest

from faultfield.detector.training.config import TrainingConfig
from faultfield.detector.training.loop import Loop
from faultfield.detector.training.sharding import check_shares
from faultfield.errors import DetectorError
from tests.detector import tiny
from tests.detector.training.toy import ToyCourse


def _passes(batch: int, micro_batch: int | None, process: int, processes: int) -> int:
    """As a step deals out a batch and cuts up each share."""
    rows = list(range(batch))[process::processes]
    size = micro_batch or len(rows)
    return len([rows[start : start + size] for start in range(0, len(rows), size)]) if rows else 0


@pytest.mark.parametrize("processes", [1, 2, 3, 8])
@pytest.mark.parametrize("micro_batch", [None, 1, 2, 3])
def test_processes_that_share_a_model_pass_equally_often_or_are_refused(
    micro_batch: int | None, processes: int
) -> None:
    refused = []
    for batch in range(1, 20):
        passes = {_passes(batch, micro_batch, process, processes) for process in range(processes)}
        if 0 not in passes and len(passes) == 1:
            check_shares(batch, micro_batch, processes)
        else:
            with pytest.raises(DetectorError, match=f"a multiple of {processes * (micro_batch or 1)}"):
                check_shares(batch, micro_batch, processes)
            refused.append(batch)
    assert bool(refused) == (processes > 1)


def test_it_is_said_before_anything_is_shared_out() -> None:
    config = TrainingConfig(batch=3, micro_batch=1, dense_share=None, balanced=False)
    two = SimpleNamespace(distributed_type="DistributedType.FSDP", num_processes=2)
    with pytest.raises(DetectorError, match="A batch of 3 in parts of 1"):
        Loop(tiny.learner(), ToyCourse(), config, two)
    alone = SimpleNamespace(distributed_type="DistributedType.MULTI_CPU", num_processes=2)
    for other, accelerator in ((config, alone), (replace(config, batch=4), two)):
        with pytest.raises(AttributeError, match="prepare"):
            Loop(tiny.learner(), ToyCourse(), other, accelerator)
