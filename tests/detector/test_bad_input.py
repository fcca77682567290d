"""Videos, models and data that are no good, from the command line: one sentence and code 2, or the rest goes on."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
from safetensors.torch import save_file

from faultfield.detector import checkpoint
from faultfield.detector.head import DetectionHead
from faultfield.rollouts.video import write as write_video
from tests.detector import pockets
from tests.shell import Shell

QUICK = ("--rounds", "1")


def film(path: Path, frames: int = 6) -> Path:
    write_video(path, np.random.default_rng(0).integers(0, 255, (frames, 32, 32, 3)).astype(np.uint8), 5.0)
    return path


def of_one_frame(path: Path) -> None:
    film(path, frames=1)


def truncated(path: Path) -> None:
    whole = film(path, frames=20).read_bytes()
    path.write_bytes(whole[: len(whole) // 2])


def of_an_unknown_codec(path: Path) -> None:
    path.write_bytes(film(path).read_bytes().replace(b"avc1", b"zzz9"))


def of_no_frame(path: Path) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=5)
        stream.width = stream.height = 32
        stream.pix_fmt = "yuv420p"
        container.start_encoding()


BAD_VIDEOS: dict[str, tuple[str, Callable[[Path], None], str]] = {
    "one frame": ("bad.mp4", of_one_frame, "has 1 frame; an episode needs at least 2"),
    "truncated": ("bad.mp4", truncated, "truncated"),
    "unknown codec": ("bad.mp4", of_an_unknown_codec, "has a codec that cannot be decoded here; convert it to H.264"),
    "no frame": ("bad.avi", of_no_frame, "has 0 frames; an episode needs at least 2"),
    # Of no frame an MP4 names no stream.
    "no frame, no stream": ("bad.mp4", of_no_frame, "has no video stream"),
}


def one_sentence(told: tuple[int, str, str], *words: str) -> None:
    code, out, err = told
    assert (code, out) == (2, ""), err
    (line,) = said(err)
    assert line.startswith("faultfield: ")
    for each in words:
        assert each in line


def said(err: str) -> list[str]:
    """What stands on standard error beside what is done."""
    return [line for line in err.splitlines() if not line.endswith(": done")]


@pytest.mark.parametrize("what", BAD_VIDEOS)
def test_a_video_that_cannot_be_judged_is_one_sentence(shell: Shell, tmp_path: Path, what: str) -> None:
    name, make, sentence = BAD_VIDEOS[what]
    make(tmp_path / name)
    # No detector is needed to see it.
    one_sentence(shell("explain", tmp_path / name, "--model", tmp_path / "none", "--json"), sentence, name)


@pytest.mark.parametrize("words", ["", " . "])
def test_an_instruction_of_no_words_is_none(shell: Shell, tmp_path: Path, words: str) -> None:
    told = shell("explain", film(tmp_path / "good.mp4"), "--model", tmp_path / "none", "--instruction", words)
    one_sentence(told, "--instruction says nothing")


def test_beside_bad_videos_a_good_one_is_judged(shell: Shell, detector: Path, tmp_path: Path) -> None:
    paths = [film(tmp_path / "good.mp4")]
    for what, (name, make, _) in BAD_VIDEOS.items():
        paths.append(tmp_path / f"{what}{Path(name).suffix}")
        make(paths[-1])
    # The good one is neither first nor last.
    paths = [*paths[1:3], paths[0], *paths[3:]]
    code, out, err = shell("explain", *paths, "--model", detector, "--instruction", "Lift it.", "--json", *QUICK)
    assert code == 0
    assert [each["id"] for each in json.loads(out)["verdicts"]] == ["good"]
    told = [line for line in err.splitlines() if line.startswith("Left out: ")]
    assert len(told) == len(said(err)) == len(BAD_VIDEOS)
    for what, (name, _, sentence) in BAD_VIDEOS.items():
        assert sum(f"{what}{Path(name).suffix}'" in line and sentence in line for line in told) == 1


def test_where_all_videos_are_bad_each_is_told(shell: Shell, detector: Path, tmp_path: Path) -> None:
    of_one_frame(tmp_path / "one.mp4")
    truncated(tmp_path / "cut.mp4")
    both = (tmp_path / "one.mp4", tmp_path / "cut.mp4", "--instruction", "Lift it.")
    one_sentence(shell("explain", *both, "--model", detector, *QUICK), "Nothing could be judged", "one.mp4", "cut.mp4")


def without_template(folder: Path) -> None:
    (folder / "chat_template.jinja").unlink()


def with_other_weights(folder: Path) -> None:
    save_file(dict(DetectionHead(16, 4).state_dict()), folder / checkpoint.HEAD)


def with_another_head(folder: Path) -> None:
    with_other_weights(folder)
    settings = json.loads((folder / checkpoint.SETTINGS).read_text())
    (folder / checkpoint.SETTINGS).write_text(json.dumps({**settings, "head": DetectionHead(16, 4).settings}))


BAD_MODELS: dict[str, tuple[Callable[[Path], None], str]] = {
    "no chat template": (without_template, "has no chat template"),
    "weights of another head": (with_other_weights, "or of another head than armor.json tells of"),
    "another model's head": (with_another_head, "made for features of width 16, the model's are 32"),
}


@pytest.mark.parametrize("command", ["explain", "eval", "train"])
@pytest.mark.parametrize("what", BAD_MODELS)
def test_a_model_that_cannot_judge_is_one_sentence(
    shell: Shell, detector: Path, data: Path, tmp_path: Path, what: str, command: str
) -> None:
    damage, sentence = BAD_MODELS[what]
    model, out = tmp_path / "model", tmp_path / "trained"
    shutil.copytree(detector, model)
    damage(model)
    arguments: tuple[str | Path, ...] = {
        "explain": ("explain", data),
        "eval": ("detector", "eval", "--data", data),
        "train": ("detector", "train", "--data", data, "--out", out),
    }[command]
    one_sentence(shell(*arguments, "--model", model), sentence)
    assert not out.exists()


@pytest.mark.parametrize("command", ["train", "fine-tuned", "prompted"])
def test_a_bare_model_without_a_chat_template_is_one_sentence(
    shell: Shell, detector: Path, data: Path, tmp_path: Path, command: str
) -> None:
    model = tmp_path / "model"
    shutil.copytree(detector, model)
    without_template(model)
    if command != "fine-tuned":
        # Without its head it is any Qwen2.5-VL.
        for name in (checkpoint.SETTINGS, checkpoint.HEAD):
            (model / name).unlink()
    arguments: tuple[str | Path, ...] = ("detector", "eval", "--data", data, "--baseline", command)
    if command == "train":
        arguments = ("detector", "train", "--data", data, "--out", tmp_path / "trained")
    one_sentence(shell(*arguments, "--model", model), "no chat template")
    assert not (tmp_path / "trained").exists()


def test_without_any_reason_detection_alone_is_scored(shell: Shell, detector: Path, data: Path, tmp_path: Path) -> None:
    sparse = pockets.conversations(data, [replace(each, reason=None) for each in pockets.samples(4)])
    how = ("detector", "eval", "--data", sparse, "--model", detector, *QUICK)
    code, out, err = shell(*how, "--json", "--answers", tmp_path / "answers.jsonl")
    assert (code, said(err)) == (0, [])
    printed = json.loads(out)
    assert (printed["samples"], printed["problems"], printed["cut_short"]) == (4, [], None)
    assert printed["scores"]["accuracy"]["count"] == printed["aha"]["accuracy"]["count"] == 4
    assert (printed["scores"]["rouge_l"], printed["scores"]["reason"], printed["aha"]["rouge_l"]) == (None, None, None)
    code, out, _ = shell(*how)
    assert code == 0
    lines = dict(line.split(maxsplit=1) for line in out.strip().splitlines())
    assert (lines["rouge_l"], lines["reason"]) == ("–", "–")
    assert lines["accuracy"].endswith("of 4")
    assert lines["AHA"].endswith("ROUGE-L –")
    code, out, _ = shell("detector", "eval", "--data", sparse, "--score", tmp_path / "answers.jsonl", "--json")
    assert (code, json.loads(out)["aha"]["rouge_l"]) == (0, None)


def test_a_sample_without_a_verdict_is_told_and_the_others_are_scored(shell: Shell, detector: Path, data: Path) -> None:
    entries = json.loads(data.read_text())
    entries[1]["conversations"] = entries[1]["conversations"][:1]
    entries[2]["conversations"][1]["value"] = "Perhaps"
    data.write_text(json.dumps(entries))
    code, out, err = shell("detector", "eval", "--data", data, "--model", detector, "--json", *QUICK)
    assert code == 0
    printed = json.loads(out)
    assert (printed["samples"], printed["scores"]["accuracy"]["count"], printed["aha"]["accuracy"]["count"]) == (
        2,
        2,
        2,
    )
    assert [each["id"] for each in printed["problems"]] == ["s1", "s2"]
    told = [line for line in err.splitlines() if line.startswith("Left out: ")]
    assert len(told) == 2
    assert "'s1'" in told[0]
    assert "'s2'" in told[1]
