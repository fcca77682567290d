import copy

import pytest
import torch

from faultfield.detector.model import ArmorModel
from faultfield.detector.prompts import Said
from faultfield.detector.tree import ROOT, Tree
from faultfield.detector.views import Picture, Video, View
from tests.detector import armor

TASK = "Lift the red cube."
SAIDS = (Said(), Said(True, "The gripper did not close."), Said(True, "The robot succeeded."), Said(False, None))
ANSWERS = ("The gripper went too far to the left.", "The gripper did not close.")
CLOSE = {"atol": 1e-4, "rtol": 1e-4}


def expected(view: View, said: Said, answer: tuple[int, ...] = ()) -> tuple[torch.Tensor, torch.Tensor]:
    """Head's logits, and next-token logits behind the answer, by the stock pass over the whole prompt."""
    model, is_video = armor.detector(), isinstance(view, Video)
    early, _ = armor.stock(model, view, armor.words(TASK, said, "detection", is_video))
    _, spoken = armor.stock(model, view, armor.words(TASK, said, "reasoning", is_video), answer)
    return model.head(early[None])[0], spoken[-1]


def logits(tree: Tree, row: int, node: int) -> torch.Tensor:
    choices, place = tree.choices(row, node)
    return choices.logits[place]


@pytest.mark.parametrize("view", [armor.picture(), armor.video()], ids=["picture", "video"])
def test_branches_equal_whole_passes(view: Picture | Video) -> None:
    model = armor.detector()
    scribe = model.scribe
    # A neighbour of another length shows that padding changes nothing.
    tree = Tree(model, model.open([armor.picture(5, 56, 196), view], ["Stack.", TASK]))
    ends, verdicts = {}, {}
    for said in SAIDS:
        told = tree.path(1, ROOT, scribe.conditioning(said))
        verdicts[said] = tree.verdict(1, told, scribe.request("detection"))
        start = tree.path(1, told, scribe.request("reasoning"), loud=1)
        for answer in ANSWERS:
            ids = scribe.reason_ids(answer)[:-1]
            ends[said, answer] = (tree.path(1, start, ids, loud=len(ids)), ids)
    tree.path(0, ROOT, scribe.ending("reasoning"), loud=1)
    heads = tree.read()
    for said, index in verdicts.items():
        torch.testing.assert_close(heads[index], expected(view, said)[0], **CLOSE)
    for (said, _), (node, ids) in ends.items():
        torch.testing.assert_close(logits(tree, 1, node), expected(view, said, ids)[1], **CLOSE)


def test_later_readings_continue_earlier_ones_whatever_rows_are_left() -> None:
    model = armor.detector()
    scribe, view = model.scribe, armor.video(3)
    tree = Tree(model, model.open([armor.picture(), view, armor.picture(2)], ["Stack.", TASK, "Lift."]))
    said, other = SAIDS[1], SAIDS[2]
    ids = scribe.reason_ids(ANSWERS[0])[:-1]
    for row in range(3):
        start = tree.path(row, ROOT, scribe.ending("reasoning", said), loud=1)
        tree.verdict(row, ROOT, scribe.request("detection"))
    tree.read()
    tree.keep([2, 1])
    start = tree.path(1, ROOT, scribe.ending("reasoning", said), loud=1)
    node = start
    for token in ids:
        node = tree.path(1, node, [token], loud=1)
        tree.read()
    told = tree.path(1, ROOT, scribe.conditioning(other))
    index = tree.verdict(1, told, scribe.request("detection"))
    later = tree.path(1, told, scribe.request("reasoning"), loud=1)
    heads = tree.read()
    torch.testing.assert_close(logits(tree, 1, node), expected(view, said, ids)[1], **CLOSE)
    torch.testing.assert_close(heads[index], expected(view, other)[0], **CLOSE)
    torch.testing.assert_close(logits(tree, 1, later), expected(view, other)[1], **CLOSE)


def test_no_token_is_read_twice() -> None:
    model = armor.detector()
    tree = Tree(model, model.open([armor.picture()], [TASK]))
    ending = model.scribe.ending("reasoning", SAIDS[1])
    node = tree.path(0, ROOT, ending, loud=1)
    tree.read()
    length = tree.length
    assert tree.path(0, ROOT, ending, loud=1) == node
    assert tree.read().shape == (0, 2)
    other = model.scribe.ending("reasoning", SAIDS[2])
    shared = next(k for k, (a, b) in enumerate(zip(ending, other, strict=False)) if a != b)
    tree.path(0, ROOT, other, loud=1)
    tree.read()
    assert tree.length == length + len(other) - shared


def test_logits_asked_for_late_are_read_anew() -> None:
    model = armor.detector()
    tree = Tree(model, model.open([armor.picture()], [TASK]))
    ending = model.scribe.ending("reasoning")
    tree.path(0, ROOT, ending)
    tree.read()
    node = tree.path(0, ROOT, ending, loud=1)
    tree.read()
    torch.testing.assert_close(logits(tree, 0, node), expected(armor.picture(), Said())[1], **CLOSE)


def test_detection_alone_runs_early_layers_alone() -> None:
    model = armor.detector()
    ran = []
    parts = [layer.mlp for layer in model.text.layers]
    hooks = [part.register_forward_hook(lambda *_, k=k: ran.append(k)) for k, part in enumerate(parts)]
    tree = Tree(model, model.open([armor.video(), armor.picture()], [TASK, TASK]), deep=False)
    for row in range(2):
        tree.verdict(row, ROOT, model.scribe.request("detection"))
    heads = tree.read()
    for hook in hooks:
        hook.remove()
    assert max(ran) == 3
    for row, view in enumerate([armor.video(), armor.picture()]):
        torch.testing.assert_close(heads[row], expected(view, Said())[0], **CLOSE)


def test_order_of_asking_does_not_matter() -> None:
    model = armor.detector()
    scribe, view, said = model.scribe, armor.video(), SAIDS[1]
    tree = Tree(model, model.open([armor.picture(), view], ["Stack.", TASK]))
    tree.keep([1])
    told = tree.path(0, ROOT, scribe.conditioning(Said()))
    assert told == ROOT
    first = tree.verdict(0, told, scribe.request("detection"))
    heads = tree.read()
    torch.testing.assert_close(heads[first], expected(view, Said())[0], **CLOSE)
    node = tree.path(0, ROOT, scribe.ending("reasoning", said), loud=1)
    tree.read()
    torch.testing.assert_close(logits(tree, 0, node), expected(view, said)[1], **CLOSE)


def test_a_narrow_backbone_under_a_wide_head() -> None:
    wide = armor.detector()
    narrow = ArmorModel(copy.deepcopy(wide.backbone).bfloat16(), wide.head, wide.processor)
    found = []
    for model in (wide, narrow):
        tree = Tree(model, model.open([armor.video()], [TASK]))
        told = tree.path(0, ROOT, model.scribe.conditioning(SAIDS[1]))
        tree.verdict(0, told, model.scribe.request("detection"))
        node = tree.path(0, told, model.scribe.request("reasoning"), loud=1)
        found.append((tree.read()[0], logits(tree, 0, node)))
    for a, b in zip(*found, strict=True):
        assert a.dtype == b.dtype == torch.float32
        assert float((a - b).abs().max()) < 0.1 * float(a.std()) + 0.1
