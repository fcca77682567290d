import pytest
import torch

from faultfield.detector import prompts
from faultfield.detector.opening import Scribe
from faultfield.detector.prompts import Said
from faultfield.detector.views import Picture, Video
from faultfield.errors import DetectorError
from tests.detector import armor

SAID = Said(True, "The gripper did not close.")


LONG = armor.video(time=16, fps=0.5)


@pytest.mark.parametrize("view", [armor.picture(), armor.video(), LONG], ids=["picture", "video", "long"])
def test_opening_and_ending_are_the_whole_prompt(view: Picture | Video) -> None:
    """Its tokens, and the positions that Qwen2.5-VL learned with: text goes on behind all that was shown."""
    model = armor.detector()
    opening = model.open([view], ["Lift the red cube."])[0]
    ending = model.scribe.ending("reasoning", SAID)
    text = armor.words("Lift the red cube.", SAID, "reasoning", isinstance(view, Video))
    # The stock pass sees what the stock processor makes of the whole prompt.
    whole = {}
    hook = model.core.model.register_forward_pre_hook(lambda _, args, kwargs: whole.update(kwargs), with_kwargs=True)
    armor.stock(model, view, text)
    hook.remove()
    assert [*opening.ids.tolist(), *ending] == whole["input_ids"][0].tolist()
    following = (torch.arange(len(ending)) + opening.next).expand(3, -1)
    assert torch.equal(torch.cat([opening.positions, following], dim=1), armor.places(model, whole)[:, 0])


@pytest.mark.parametrize("view", [armor.picture(), armor.picture(2, 56, 168), armor.video(time=4, fps=8.0)])
def test_positions_of_pictures_and_short_videos_are_transformers_own(view: Picture | Video) -> None:
    model = armor.detector()
    opening = model.open([view], ["Lift the red cube."])[0]
    told = {"image_grid_thw": opening.grid}
    if isinstance(view, Video):
        told = {"video_grid_thw": opening.grid, "second_per_grid_ts": torch.tensor([2 / view.fps])}
    kinds = (opening.ids == opening.placeholder).int()[None] * (1 + isinstance(view, Video))
    assert torch.equal(opening.positions, model.core.model.get_rope_index(opening.ids[None], kinds, **told)[0][:, 0])


def test_text_comes_after_all_moments_of_a_long_video() -> None:
    model = armor.detector()
    opening = model.open([LONG], ["Lift."])[0]
    shown = opening.ids == opening.placeholder
    start = int(shown.nonzero()[-1]) + 1
    # Eight moments of two frames, 4 seconds apart, four ticks a second.
    first, last = opening.positions[0, shown][[0, -1]].tolist()
    assert last - first == 7 * 16
    assert opening.positions[:, start:].tolist() == [list(range(last + 1, last + 1 + len(shown) - start))] * 3


def test_endings_begin_alike_for_both_tasks() -> None:
    scribe = armor.detector().scribe
    told = scribe.conditioning(SAID)
    for task in ("detection", "reasoning"):
        ending = scribe.ending(task, SAID)  # type: ignore[arg-type]
        assert ending[: len(told)] == told
        assert prompts.request(task) in scribe.tokenizer.decode(ending[len(told) :])  # type: ignore[arg-type]


def test_reasons_come_back() -> None:
    scribe = armor.detector().scribe
    for reason in ("The robot succeeded.", "Völlig daneben – 3.5 cm!"):
        ids = scribe.reason_ids(reason)
        assert ids[-1] in scribe.ends
        assert scribe.reason(ids) == scribe.reason(ids[:-1]) == reason


def test_no_chat_template() -> None:
    model = armor.detector()
    processor = type(model.processor)(
        model.processor.image_processor, model.processor.tokenizer, model.processor.video_processor
    )
    with pytest.raises(DetectorError, match="chat template"):
        Scribe(processor, model.core)
    processor.chat_template = "{% for message in messages %}{{ message['role'] }}{% endfor %}"
    with pytest.raises(DetectorError, match="drops a part"):
        Scribe(processor, model.core)


def test_pictures_that_the_processor_refuses() -> None:
    with pytest.raises(DetectorError, match="refuses"):
        armor.detector().open([armor.picture(height=1, width=600)], ["Lift."])
