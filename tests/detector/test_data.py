import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from faultfield.detector.data import (
    as_clip,
    check_splits,
    looked_at,
    read_any,
    read_conversations,
    read_labelled,
    read_split,
)
from faultfield.errors import DetectorError
from faultfield.faults.claims import parse
from faultfield.faults.fault import Fault
from faultfield.faults.pictures import write_picture
from faultfield.rollouts.video import write as write_video
from tests.detector import pockets


def _directory(root: Path) -> Path:
    """What `detector generate` leaves behind, in small."""
    fault = Fault("no_grasp", "grasp", "cube")
    given = pockets.samples(6)
    pockets.conversations(root / "train-sparse.json", [each for each in given if not each.dense])
    pockets.conversations(root / "train-dense.json", [each for each in given if each.dense])
    lines = [
        {"id": each.id, "task": "Lift", "failed": each.failed, "fault": fault.to_json(), "reason": each.reason}
        for each in given
    ]
    (root / "samples.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines) + '{"id": "cut')
    (root / "info.json").write_text(json.dumps({"recipe": {"columns": 2}}))
    return root


def test_a_generated_directory_knows_more_than_its_conversations(tmp_path: Path) -> None:
    samples = {each.id: each for each in read_split(_directory(tmp_path), "train-sparse", "train-dense")}
    assert len(samples) == 6
    assert {each.task for each in samples.values()} == {"Lift"}
    assert {key for key, each in samples.items() if each.dense} == {"s0", "s3"}
    assert samples["s1"].failed is False
    assert samples["s0"].instruction == pockets.INSTRUCTION


def test_pictures_are_read_when_they_are_looked_at(tmp_path: Path) -> None:
    samples = read_split(_directory(tmp_path), "train-dense")
    clip = samples[0].clip()
    # The front camera's cells bear the numbers.
    for camera in ("wrist", "overhead"):
        assert np.array_equal(clip.frames[camera], pockets.clip(0, True).frames[camera])
    assert samples[0].image is not None
    samples[0].image.unlink()
    with pytest.raises(DetectorError, match="no picture"):
        samples[0].clip()


def test_directories_and_files_are_read_alike(tmp_path: Path) -> None:
    folder = _directory(tmp_path)
    assert len(read_labelled([folder]).items) == 6
    assert len(read_labelled([folder], ["train-dense"]).items) == 2
    assert len(read_labelled([folder / "train-sparse.json", folder / "train-dense.json"]).items) == 6
    with pytest.raises(DetectorError, match=r"has none of test-seen.json"):
        read_labelled([folder], ["test-seen"])


def test_a_split_that_was_asked_for_is_in_the_data(tmp_path: Path) -> None:
    folder, other = _directory(tmp_path / "one"), tmp_path / "other"
    other.mkdir()
    (other / "train-transfer.json").write_text("[]")
    check_splits([folder, other, tmp_path / "a.json"], ["train-dense", "train-transfer"])
    with pytest.raises(DetectorError, match="no split 'train-dence' in the data; there are train-dense, train-sparse"):
        check_splits([folder], ["train-sparse", "train-dence"])
    with pytest.raises(DetectorError, match="named twice"):
        check_splits([folder], ["train-dense", "train-dense"])
    with pytest.raises(DetectorError, match="Files have no splits"):
        check_splits([folder / "train-dense.json"], ["train-dense"])


def test_a_bad_sample_is_told_and_the_rest_is_read(tmp_path: Path) -> None:
    file = pockets.conversations(tmp_path / "a.json", pockets.samples(4))
    entries = json.loads(file.read_text())
    entries[1]["image"] = "images/none.png"
    entries[2]["conversations"] = entries[2]["conversations"][:1]
    file.write_text(json.dumps(entries))
    read = read_conversations(file)
    assert [each.id for each in read.items] == ["s0", "s3"]
    assert [problem.id for problem in read.problems] == ["s1", "s2"]
    assert len(read_conversations(file, labelled=False).items) == 3
    with pytest.raises(DetectorError, match="is damaged: "):
        read_split(tmp_path, "a")


def test_pictures_that_cannot_be_read_are_left_out_before_a_training(tmp_path: Path) -> None:
    read = read_conversations(pockets.conversations(tmp_path / "a.json", pockets.samples(4)))
    cut = tmp_path / "images" / "s2.png"
    cut.write_bytes(cut.read_bytes()[:-200])
    told: list[int] = []
    seen = looked_at(read, told.append)
    assert [each.id for each in seen.items] == ["s0", "s1", "s3"]
    assert [problem.id for problem in seen.problems] == ["s2"]
    assert told == [1, 2, 3, 4]


def test_a_picture_is_a_collage_where_its_shape_says_so() -> None:
    wide = np.full((30, 50, 3), 90, np.uint8)
    assert {name: frames.shape for name, frames in as_clip(wide, None, "", "a").frames.items()} == {
        "front": (5, 10, 10, 3), "wrist": (5, 10, 10, 3), "overhead": (5, 10, 10, 3),
    }  # fmt: skip
    assert as_clip(wide, 2, "", "a").frames["front"].shape == (2, 10, 25, 3)
    photo = np.full((48, 64, 3), 90, np.uint8)
    assert as_clip(photo[:, :60], 4, "", "a").frames["front"].shape == (4, 16, 15, 3)
    assert {name: frames.shape for name, frames in as_clip(photo[:40], None, "", "a").frames.items()} == {
        "front": (1, 40, 64, 3)
    }


def test_any_file_is_read_by_its_kind(tmp_path: Path) -> None:
    frames = np.random.default_rng(0).integers(0, 255, (6, 32, 32, 3)).astype(np.uint8)
    write_video(tmp_path / "film.mp4", frames, 5.0)
    sizes = {"shot": (32, 32), "photo": (480, 640), "collage": (60, 160)}
    for name, size in sizes.items():
        write_picture(tmp_path / f"{name}.png", np.full((*size, 3), 90, np.uint8))
    (film,) = read_any(tmp_path / "film.mp4", "Open the door.").items
    assert (film.id, film.instruction, len(film.clip())) == ("film", "Open the door.", 6)
    assert read_any(tmp_path / "collage.png").items[0].clip().frames["front"].shape == (8, 20, 20, 3)
    for moment in ("shot", "photo"):
        with pytest.raises(DetectorError, match="one moment, which is no episode"):
            read_any(tmp_path / f"{moment}.png").items[0].clip()
    file = pockets.conversations(tmp_path / "a.json", pockets.samples(2))
    assert {each.instruction for each in read_any(file, "Wave.").items} == {"Wave."}
    (tmp_path / "notes.txt").write_text("hello")
    for name, sentence in (("notes.txt", r"its kind '.txt' is unknown"), ("none.mp4", "There is no file")):
        with pytest.raises(DetectorError, match=sentence):
            read_any(tmp_path / name)


def test_where_every_failure_is_explained_a_bare_yes_is_all_there_is_to_say(tmp_path: Path) -> None:
    bare = [replace(each, reason=pockets.REASON if each.failed else None) for each in pockets.samples(8)]
    read = read_labelled([pockets.conversations(tmp_path / "aha.json", bare)]).items
    assert all(each.dense for each in read)
    told = [each for each in read if not each.failed]
    assert len({each.reason for each in told}) == 2
    assert all(parse(each.reason or "").kind == "success" for each in told)
    mixed = [replace(bare[0], reason=None), *bare[1:]]
    kept = read_labelled([pockets.conversations(tmp_path / "mixed.json", mixed)]).items
    assert [each.dense for each in kept] == [each.dense for each in mixed]
