import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch.nn.functional import interpolate
from torchvision.models.vision_transformer import VisionTransformer
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizerFast

from faultfield.errors import CheckpointError, SetupError
from faultfield.field.config import FieldConfig, Towers
from faultfield.field.encoders import build_encoder
from faultfield.field.model import Field
from tests.field.rendered import episodes, known_variations


def vision_transformer() -> VisionTransformer:
    torch.manual_seed(0)
    return VisionTransformer(image_size=32, patch_size=8, num_layers=2, num_heads=2, hidden_dim=128, mlp_dim=64).eval()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small vision transformer as three kinds of file, and a small CLIP text tower with its tokenizer."""
    path = tmp_path_factory.mktemp("towers")
    state = vision_transformer().state_dict()
    torch.save(state, path / "vit.pth")
    save_file(state, path / "vit.safetensors")
    torch.save(vision_transformer(), path / "pickled.pth")
    save_file({"weight": torch.zeros(3)}, path / "foreign.safetensors")
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)] + list("0123456789.,%-")
    words = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    text = path / "clip"
    text.mkdir()
    (text / "vocab.json").write_text(json.dumps({word: i for i, word in enumerate(words)}))
    (text / "merges.txt").write_text("#version: 0.2\n")
    tokenizer = CLIPTokenizerFast(str(text / "vocab.json"), str(text / "merges.txt"))
    tokenizer.save_pretrained(text)
    torch.manual_seed(0)
    config = CLIPTextConfig(vocab_size=len(words), hidden_size=32, intermediate_size=64, num_hidden_layers=2,
                            num_attention_heads=2, max_position_embeddings=77, bos_token_id=len(words) - 2,
                            eos_token_id=len(words) - 1, pad_token_id=len(words) - 1)  # fmt: skip
    CLIPTextModel(config).save_pretrained(text)
    return path


@pytest.mark.parametrize("file", ["vit.pth", "vit.safetensors"])
def test_the_vision_tower_is_the_transformers_class_token(folder: Path, file: str) -> None:
    encoder = build_encoder(Towers(vision=str(folder / file), text=str(folder / "clip")))
    pictures = np.random.default_rng(0).integers(0, 256, size=(3, 40, 40, 3), dtype=np.uint8)
    assert encoder.picture_dim == 128
    network = vision_transformer()
    network.heads = torch.nn.Identity()
    x = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255
    x = interpolate(x, (32, 32), mode="bilinear", antialias=True)
    mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    with torch.no_grad():
        expected = network((x - mean[:, None, None]) / deviation[:, None, None]).numpy()
    np.testing.assert_allclose(encoder.encode_pictures(pictures), expected, atol=1e-4)


def test_the_text_tower_is_clips_pooled_output(folder: Path) -> None:
    encoder = build_encoder(Towers(vision=str(folder / "vit.pth"), text=str(folder / "clip")))
    texts = ["Change the cube color to red.", "Dim the light to 40 percent. " * 20]
    tokenizer, model = (
        CLIPTokenizerFast.from_pretrained(folder / "clip"),
        CLIPTextModel.from_pretrained(folder / "clip"),
    )
    with torch.no_grad():
        for text, row in zip(texts, encoder.encode_texts(texts), strict=True):
            tokens = tokenizer(text, truncation=True, max_length=77, return_tensors="pt")
            np.testing.assert_allclose(row, model(**tokens).pooler_output[0].numpy(), atol=1e-4)
    assert np.abs(np.subtract(*encoder.encode_texts(texts))).max() > 1e-2


def test_a_field_stands_on_such_towers_and_is_loaded_with_them(folder: Path, tmp_path: Path) -> None:
    towers = Towers(vision=str(folder / "vit.safetensors"), text=str(folder / "clip"))
    data = episodes(known_variations(), each=2)
    field = Field.fit(data, FieldConfig(encoder=towers, dim=8, steps=3, folds=0), seed=0)
    field.save(tmp_path)
    embeddings = field.embed(data.pictures[:, None], data.texts)
    np.testing.assert_array_equal(Field.load(tmp_path).embed(data.pictures[:, None], data.texts), embeddings)


@pytest.mark.parametrize(
    ("vision", "text"),
    [("missing.pth", "no file"), ("pickled.pth", "more than tensors"), ("foreign.safetensors", "no weights")],
)
def test_other_weights_are_refused(folder: Path, vision: str, text: str) -> None:
    with pytest.raises(CheckpointError, match=text):
        build_encoder(Towers(vision=str(folder / vision), text=str(folder / "clip")))


def test_a_folder_without_clip_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="cannot be loaded"):
        build_encoder(Towers(vision=str(folder / "vit.pth"), text=str(tmp_path)))


@pytest.mark.parametrize("package", ["torchvision.models", "transformers"])
def test_a_missing_package_is_named_with_its_extra(folder: Path, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(SetupError, match=r"pip install 'faultfield\[vision\]'"):
        build_encoder(Towers(vision=str(folder / "vit.pth"), text=str(folder / "clip")))
