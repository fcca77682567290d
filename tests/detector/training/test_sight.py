import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from faultfield.detector import checkpoint
from faultfield.detector.training.config import TrainingConfig
from faultfield.detector.training.eyes import open_eyes
from faultfield.detector.training.run import make_accelerator
from faultfield.detector.training.sight import SightConfig
from faultfield.detector.training.sight_data import Patches, SightData
from faultfield.errors import CheckpointError, DetectorError
from faultfield.faults.generate import generate, read_lines
from faultfield.faults.pictures import read_picture
from faultfield.faults.recipe import Recipe
from faultfield.faults.states import VALUES
from tests.detector import armor, pockets
from tests.detector.test_hunch import judging
from tests.ruins import ruined


def _data(count: int = 80, seed: int = 0) -> SightData:
    """Two cameras, two time steps; a white square at a known place in a cell, in red where a flag is up."""
    rng = np.random.default_rng(seed)
    pictures = rng.integers(0, 40, (count, 56, 56, 3)).astype(np.uint8)
    values = rng.uniform(0, 1, (count, 2, 2)).astype(np.float32)
    flags = (rng.random((count, 2, 1)) < 0.5).astype(np.float32)
    for i in range(count):
        for column in range(2):
            for row in range(2):
                y, x = (int(20 * values[i, column, k]) + 28 * (row if k == 0 else column) for k in range(2))
                pictures[i, y : y + 8, x : x + 8] = (255, 0, 0) if flags[i, column, 0] else (255, 255, 255)
    values[rng.random(values.shape) < 0.05] = np.nan
    return SightData(pictures, values, flags, ("y", "x"), ("red",), rows=2)


def _accelerator():
    return make_accelerator(TrainingConfig(), cpu=True)


CONFIG = SightConfig(epochs=25, batch=16, lr=3e-3, hidden=32, save_every=10)


@pytest.mark.slow
def test_a_tower_learns_to_tell_positions_and_colours(tmp_path: Path) -> None:
    model = pockets.model()
    _data(120).save(tmp_path / "sight.npz")
    measured = open_eyes(model, tmp_path / "sight.npz", CONFIG, _accelerator())
    assert min(measured["y"], measured["x"]) > 0.5
    assert measured["red"] > 0.95


def test_a_killed_run_ends_where_an_uninterrupted_one_does(tmp_path: Path) -> None:
    config = replace(CONFIG, epochs=0.8, save_every=2)
    _data(40).save(tmp_path / "sight.npz")
    whole, resumed = pockets.model(), pockets.model()
    open_eyes(whole, tmp_path / "sight.npz", config, _accelerator())

    class Killed(Exception):
        pass

    def kill(name: str, done: int, total: int) -> None:
        assert (name, total) == ("sight", 2)
        if done == 2:
            raise Killed

    work = tmp_path / "work"
    with pytest.raises(Killed):
        open_eyes(pockets.model(), tmp_path / "sight.npz", replace(config, save_every=1), _accelerator(), work, kill)
    with pytest.raises(CheckpointError, match="other settings"):
        open_eyes(pockets.model(), tmp_path / "sight.npz", replace(config, lr=0.1), _accelerator(), work)
    # How often it is saved is nobody's matter but the killed one's.
    left: list[int] = []
    open_eyes(
        resumed, tmp_path / "sight.npz", replace(config, save_every=3), _accelerator(), work,
        lambda _, done, __: left.append(done),
    )  # fmt: skip
    assert left == [2]
    first, second = (each.core.model.visual.state_dict() for each in (whole, resumed))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert set(json.loads((work / "sight.json").read_text())["measured"]) == {"y", "x", "red"}
    other = pockets.model(seed=1)
    assert open_eyes(other, work / "eyes", config, _accelerator()) == {}
    taken, words = other.core.model.visual.state_dict(), other.core.model.language_model.state_dict()
    assert all(torch.equal(first[name], taken[name]) for name in first)
    name = "layers.0.mlp.up_proj.weight"
    assert not torch.equal(words[name], resumed.core.model.language_model.state_dict()[name])


def test_eyes_of_a_finished_detector_judge_nothing_and_have_told_nothing(tmp_path: Path) -> None:
    finished, model = judging(0.0, 5.0, 1.0), pockets.model(seed=1)
    checkpoint.save(finished, tmp_path)
    open_eyes(model, tmp_path, SightConfig(), _accelerator())
    tokens = torch.randn(finished.gaze.tokens, pockets.SHAPE.hidden)
    assert torch.equal(model.gaze.read(tokens), finished.gaze.read(tokens))
    assert model.gaze.hunch is None
    assert torch.equal(model.gaze.eval()(tokens), tokens)


def test_what_was_measured_of_eyes_is_json_and_read_again(tmp_path: Path) -> None:
    data = _data(8)
    replace(data, values=np.zeros_like(data.values)).save(tmp_path / "sight.npz")
    config = replace(CONFIG, epochs=0.1)
    for _ in range(2):
        measured = open_eyes(pockets.model(), tmp_path / "sight.npz", config, _accelerator(), tmp_path / "work")
        assert np.isnan(measured["y"])
    told = json.loads((tmp_path / "work" / "sight.json").read_text(), parse_constant=pytest.fail)
    assert told["measured"]["y"] is None


def test_eyes_that_are_made_are_taken_however_often_they_were_saved(tmp_path: Path) -> None:
    _data(8).save(tmp_path / "sight.npz")
    taught: list[str] = []
    for often in (200, 50):
        config = replace(CONFIG, epochs=0.1, save_every=often)
        open_eyes(
            pockets.model(), tmp_path / "sight.npz", config, _accelerator(), tmp_path / "work",
            lambda name, *_: taught.append(name),
        )  # fmt: skip
    assert taught == ["sight"]


def test_a_tower_of_another_shape_is_not_taken(tmp_path: Path) -> None:
    checkpoint.save(armor.detector(), tmp_path)
    with pytest.raises(CheckpointError, match="another shape"):
        open_eyes(pockets.model(), tmp_path, CONFIG, _accelerator())


def test_patches_are_those_of_the_stock_processor() -> None:
    model = pockets.model()
    pictures = np.random.default_rng(0).integers(0, 256, (2, 42, 28, 3)).astype(np.uint8)
    pixels, grid = Patches.of(model.processor.image_processor)(torch.from_numpy(pictures))
    stock = model.processor.image_processor(images=list(pictures), return_tensors="pt")
    assert torch.equal(grid, stock["image_grid_thw"])
    torch.testing.assert_close(pixels, stock["pixel_values"], rtol=1e-5, atol=1e-5)


def test_what_cannot_be_learned_from_is_said_in_one_sentence(tmp_path: Path) -> None:
    data = _data(4)
    with pytest.raises(DetectorError, match="Sight needs pictures"):
        replace(data, flags=data.flags[:2])
    with pytest.raises(DetectorError, match="no pictures with what the simulator knew"):
        SightData.load(tmp_path / "none.npz")
    data.save(tmp_path / "odd.npz")
    for content in ruined((tmp_path / "odd.npz").read_bytes()).values():
        (tmp_path / "odd.npz").write_bytes(content)
        with pytest.raises(DetectorError, match="no pictures with what the simulator knew"):
            SightData.load(tmp_path / "odd.npz")
    model = pockets.model()
    with pytest.raises(DetectorError, match="cannot be cut into tokens of 14 x 14"):
        Patches.of(model.processor.image_processor)(torch.zeros(1, 20, 28, 3))
    odd = replace(data, rows=3)
    odd.save(tmp_path / "rows.npz")
    with pytest.raises(DetectorError, match="3 x 2 cells are no whole tokens of 14 pixels"):
        open_eyes(model, tmp_path / "rows.npz", CONFIG, _accelerator())
    with pytest.raises(DetectorError, match="no setting of sight 'steps'"):
        SightConfig.updated({"steps": 3})


def test_a_data_set_shows_what_the_simulator_knew(tmp_path: Path) -> None:
    recipe = Recipe(("tests.faults.toy:pick",), 4, 2, ("tests.faults.toy:unseen",), test=2, sight=2, cell=32)
    generate(recipe, tmp_path)
    data = SightData.load(tmp_path)
    lines = [line for line in read_lines(tmp_path) if not line["split"].startswith("test")]
    assert len(data.pictures) == len(lines) == 6
    assert (data.rows, data.columns) == (3, 8)
    assert data.value_names == VALUES
    assert np.isnan(data.values[:, :, VALUES.index("opening")]).all()
    hand = data.values[:, :, VALUES.index("hand up")]
    assert not np.isnan(hand).any()
    assert np.array_equal(data.pictures[3], read_picture(tmp_path / lines[3]["image"]))
    assert {line["split"] for line in lines} == {"train-sparse", "train-dense", "sight"}
    assert not (tmp_path / "sight.json").exists()
    for line in lines:
        line.pop("states")
    (tmp_path / "samples.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    with pytest.raises(DetectorError, match="generate them anew"):
        SightData.load(tmp_path)


def test_a_file_gives_back_what_was_saved(tmp_path: Path) -> None:
    data = _data(5)
    data.save(tmp_path / "sight.npz")
    loaded = SightData.load(tmp_path / "sight.npz")
    assert np.array_equal(loaded.pictures, data.pictures)
    assert np.array_equal(loaded.values, data.values, equal_nan=True)
    assert (loaded.value_names, loaded.flag_names, loaded.rows, loaded.columns) == (("y", "x"), ("red",), 2, 2)
