import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from faultfield.detector import checkpoint
from faultfield.detector.head import DetectionHead
from faultfield.detector.model import ArmorModel
from faultfield.detector.trajectories import Refinement
from faultfield.detector.views import Viewer
from faultfield.errors import CheckpointError, DetectorError, FaultfieldError
from tests.detector import armor, oracle


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("detector")
    model = armor.detector()
    viewer = Viewer("video", 6, 28, ("front",))
    checkpoint.save(
        ArmorModel(model.backbone, model.head, model.processor, viewer, ("It slipped.", "It turned.")), folder
    )
    return folder


def logits(model: ArmorModel) -> tuple[torch.Tensor, torch.Tensor]:
    scribe = model.scribe
    openings = model.open([armor.picture(), armor.video()], ["Lift.", "Stack."])
    batch = oracle.inputs(openings, [scribe.ending("detection")] * 2)
    answer = scribe.reason_ids("The robot succeeded.")
    asked = oracle.inputs(openings, [(*scribe.ending("reasoning"), *answer)] * 2)
    return oracle.detection_logits(model, batch), oracle.reasoning_loss(model, asked, [len(answer)] * 2)


def test_a_detector_comes_back_bit_for_bit(saved: Path) -> None:
    again = checkpoint.load(saved)
    stored = armor.detector().state_dict()
    assert all(torch.equal(value, stored[name]) for name, value in again.state_dict().items())
    for a, b in zip(logits(again), logits(armor.detector()), strict=True):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-5)
    assert again.viewer == Viewer("video", 6, 28, ("front",))
    assert again.reasons == ("It slipped.", "It turned.")
    assert again.scribe.ends == armor.detector().scribe.ends
    assert not again.training


def test_weights_are_safetensors_alone(saved: Path) -> None:
    assert {path.suffix for path in saved.iterdir()} == {".safetensors", ".json", ".jinja"}


def test_any_backbone_gets_a_fresh_head(saved: Path) -> None:
    model = checkpoint.wrap(saved, seed=1)
    state = armor.detector().core.state_dict()
    assert all(torch.equal(value, state[name]) for name, value in model.core.state_dict().items())
    assert model.head.settings["hidden"] == 48
    assert model.head.settings["heads"] == 8
    same, other = checkpoint.wrap(saved, seed=1), checkpoint.wrap(saved, seed=2)
    first, second, third = (each.head.projector[0].weight for each in (model, same, other))
    assert torch.equal(first, second)
    assert not torch.equal(first, third)


def damage(folder: Path, what: str) -> None:
    settings = json.loads((folder / "armor.json").read_text())
    if what == "head size":
        save_file(dict(DetectionHead(32, 4).state_dict()), folder / "head.safetensors")
    elif what == "head of another model":
        save_file(dict(DetectionHead(32, 4).state_dict()), folder / "head.safetensors")
        (folder / "armor.json").write_text(json.dumps({**settings, "head": DetectionHead(32, 4).settings}))
    elif what == "three classes":
        head = DetectionHead(**{**settings["head"], "classes": 3})
        save_file(dict(head.state_dict()), folder / "head.safetensors")
        (folder / "armor.json").write_text(json.dumps({**settings, "head": head.settings}))
    elif what == "template":
        (folder / "chat_template.jinja").unlink()
    elif what == "cut":
        whole = (folder / "model.safetensors").read_bytes()
        (folder / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    elif what == "version":
        (folder / "armor.json").write_text(json.dumps({**settings, "version": 99}))
    elif what == "settings":
        (folder / "armor.json").write_text("{")
    elif what == "another model":
        (folder / "config.json").write_text(json.dumps({"model_type": "bert"}))
    elif what == "newer version":
        (folder / "armor.json").write_text(json.dumps({"version": 99, "head": "of another kind"}))
    elif what == "one layer more":
        config = json.loads((folder / "config.json").read_text())
        config["text_config"]["num_hidden_layers"] += 1
        config["text_config"].pop("layer_types", None)
        (folder / "config.json").write_text(json.dumps(config))
    elif what == "hidden size":
        config = json.loads((folder / "config.json").read_text())
        config["text_config"]["hidden_size"] = "abc"
        (folder / "config.json").write_text(json.dumps(config))
    elif what == "gaze":
        (folder / "armor.json").write_text(json.dumps({**settings, "gaze": {**GAZE, "cell": []}}))
    elif what in WRONG:
        name, text = WRONG[what]
        (folder / name).write_text(text)
    else:
        (folder / what).unlink()


GAZE = {"rows": 3, "columns": 2, "cell": [1, 1], "width": 48, "hidden": 8, "values": 3, "flags": 1}
WRONG = {
    "other tokenizer": ("tokenizer.json", '{"a": 1}'),
    "processor of a list": ("processor_config.json", "[]"),
    "torn template": ("chat_template.jinja", "{% for message in %}"),
}


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("head size", "another head"),
        ("head of another model", "width 32, the model's are 48"),
        ("three classes", "has 3 classes; a detector's has 2"),
        ("template", "chat template"),
        ("cut", "missing, damaged"),
        ("version", "version 99"),
        ("newer version", "version 99"),
        ("one layer more", r"lack \S+layers\.\d+\.\S+, one of"),
        ("hidden size", "no folder with a model"),
        ("gaze", "damaged"),
        ("other tokenizer", "processor"),
        ("processor of a list", "processor"),
        ("torn template", "chat template cannot be used"),
        ("settings", "damaged"),
        ("another model", "is a bert"),
        ("armor.json", "has no armor.json"),
        ("head.safetensors", "has no head.safetensors"),
        ("config.json", "has no config.json"),
        ("model.safetensors", "missing, damaged"),
        ("processor_config.json", "processor"),
        ("tokenizer.json", "another tokenizer"),
    ],
)
def test_what_cannot_be_loaded_is_said_in_one_sentence(saved: Path, tmp_path: Path, what: str, words: str) -> None:
    folder = tmp_path / "detector"
    shutil.copytree(saved, folder)
    damage(folder, what)
    with pytest.raises(FaultfieldError, match=words) as error:
        checkpoint.load(folder)
    assert isinstance(error.value, (CheckpointError, DetectorError))
    assert "\n" not in str(error.value)


def test_neither_folder_nor_name(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no folder with a model"):
        checkpoint.wrap(tmp_path)


def test_a_save_that_was_cut_short_is_no_detector(saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "detector"
    shutil.copytree(saved, folder)

    def full(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("faultfield.files.os.replace", full)
    with pytest.raises(OSError, match="disk full"):
        checkpoint.save(armor.detector(), folder)
    monkeypatch.undo()
    assert load_file(folder / "head.safetensors")
    with pytest.raises(CheckpointError, match=r"no armor\.json"):
        checkpoint.load(folder)


def test_weights_stored_at_half_the_size(saved: Path, tmp_path: Path) -> None:
    checkpoint.save(armor.detector(), tmp_path, "float16")
    sizes = [sum(file.stat().st_size for file in folder.glob("*.safetensors")) for folder in (tmp_path, saved)]
    assert sizes[0] < 0.6 * sizes[1]
    again, whole = checkpoint.load(tmp_path).state_dict(), armor.detector().state_dict()
    assert {value.dtype for value in again.values()} == {value.dtype for value in whole.values()}
    assert all(torch.equal(value, whole[name].half().to(value.dtype)) for name, value in again.items())
    with pytest.raises(DetectorError, match="float16 or bfloat16, not 'int8'"):
        checkpoint.save(armor.detector(), tmp_path, "int8")


def test_the_fingerprint_changes_with_all_that_a_verdict_depends_on_and_no_more(saved: Path, tmp_path: Path) -> None:
    how = Refinement()
    first = checkpoint.fingerprint(saved, how)
    same, other = tmp_path / "same", tmp_path / "other"
    for folder in (same, other):
        shutil.copytree(saved, folder)
    (same / "README.md").write_text("A card.")
    assert checkpoint.fingerprint(same, replace(how, batch=2)) == first
    weights = load_file(other / checkpoint.HEAD)
    name = sorted(weights)[0]
    weights[name].view(-1)[0] += 1
    save_file(weights, other / checkpoint.HEAD)
    prints = {
        first,
        checkpoint.fingerprint(other, how),
        checkpoint.fingerprint(saved, replace(how, rounds=1)),
        checkpoint.fingerprint(saved, replace(how, seed=1)),
        checkpoint.fingerprint(saved, how, "Lift the cube."),
    }
    assert len(prints) == 5
