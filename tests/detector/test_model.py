import pytest
import torch

from faultfield.detector.head import DetectionHead
from faultfield.detector.model import ArmorModel
from faultfield.detector.prompts import NOTHING, Said
from faultfield.detector.views import Video, View
from faultfield.errors import CheckpointError
from tests.detector import armor, oracle

VIEWS: list[View] = [armor.picture(), armor.video(), armor.picture(1, 56, 168)]
TASKS = ["Lift the red cube.", "Stack.", "Open the door"]


def test_early_exit_equals_all_hidden_states() -> None:
    model = armor.detector()
    said = Said(False, "The robot succeeded.")
    batch = oracle.inputs(model.open(VIEWS, TASKS), [model.scribe.ending("detection", said)] * 3)
    ran = []
    hooks = [layer.register_forward_hook(lambda *_: ran.append(1)) for layer in model.text.layers]
    logits = oracle.detection_logits(model, batch)
    for hook in hooks:
        hook.remove()
    assert len(ran) == model.early == 4
    for row, (view, task) in enumerate(zip(VIEWS, TASKS, strict=True)):
        early, _ = armor.stock(model, view, armor.words(task, said, "detection", isinstance(view, Video)))
        torch.testing.assert_close(logits[row], model.head(early[None])[0], atol=1e-4, rtol=1e-4)


def test_reasoning_loss_and_its_gradient_equal_the_stock_ones() -> None:
    model = armor.detector()
    answers = [model.scribe.reason_ids(text) for text in armor.SENTENCES[:3]]
    endings = [(*model.scribe.ending("reasoning", NOTHING), *answer) for answer in answers]
    batch = oracle.inputs(model.open(VIEWS, TASKS), endings)
    counts = [len(answers[0]), 0, len(answers[2])]
    weights = model.text.layers[1].mlp.up_proj.weight
    head = model.core.lm_head.weight
    for each in (weights, head):
        each.requires_grad_(True)
    try:
        loss = oracle.reasoning_loss(model, batch, counts)
        ours = torch.autograd.grad(loss, [weights, head])
        logs = []
        for row in (0, 2):
            ids, kinds = batch.ids[row][batch.counts[row]][None], batch.pictures[row][batch.counts[row]].int()[None]
            opening = model.open(VIEWS, TASKS)[row]
            out = model.core(
                input_ids=ids, pixel_values=opening.pixels, image_grid_thw=opening.grid, mm_token_type_ids=kinds,
                attention_mask=torch.ones_like(ids), use_cache=False,
            )  # fmt: skip
            answer = torch.tensor(answers[row])
            logs.append(out.logits[0, -1 - len(answer) : -1].log_softmax(dim=1)[range(len(answer)), answer])
        expected = -torch.cat(logs).mean()
        theirs = torch.autograd.grad(expected, [weights, head])
    finally:
        for each in (weights, head):
            each.requires_grad_(False)
    torch.testing.assert_close(loss, expected, atol=1e-5, rtol=1e-5)
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, atol=1e-4, rtol=1e-3)


def test_detection_has_a_gradient_in_early_layers_and_vision_alone() -> None:
    model = armor.detector()
    early, late = model.text.layers[3].mlp.up_proj.weight, model.text.layers[4].mlp.up_proj.weight
    vision = model.core.model.visual.blocks[0].mlp.up_proj.weight
    parts = [early, late, vision]
    for each in parts:
        each.requires_grad_(True)
    try:
        batch = oracle.inputs(model.open(VIEWS[:1], TASKS[:1]), [model.scribe.ending("detection")])
        loss = torch.nn.functional.cross_entropy(oracle.detection_logits(model, batch), torch.tensor([1]))
        gradients = torch.autograd.grad(loss, parts, allow_unused=True)
    finally:
        for each in parts:
            each.requires_grad_(False)
    assert gradients[1] is None
    assert float(gradients[0].abs().max()) > 0
    assert float(gradients[2].abs().max()) > 0


def test_a_head_of_another_width_is_refused() -> None:
    model = armor.detector()
    with pytest.raises(CheckpointError, match="width 32, the model's are 48"):
        ArmorModel(model.backbone, DetectionHead(32, 4), model.processor)
