from faultfield.detector.head import DetectionHead
from faultfield.detector.trajectories import Refinement


def test_the_defaults_are_those_of_table_5_but_for_what_is_ours() -> None:
    how = Refinement()
    assert (how.samples, how.rounds, how.weight, how.tolerance, how.temperature) == (3, 4, 0.1, 1e-4, 0.7)
    assert DetectionHead(32).settings["dropout"] == 0.1
    # The paper's Algorithm 2 does not look at what is said.
    assert how.agreeing
