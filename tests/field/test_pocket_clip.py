import numpy as np
import pytest
import torch

from faultfield.envs.robosuite import Robosuite
from faultfield.field.card import measure
from faultfield.field.encoders import build_encoder, shipped_pocket
from faultfield.field.pocket_clip import PocketClip
from faultfield.field.scenes import render
from tests.field.rendered import small_clip


def test_a_sentence_is_read_the_same_whatever_is_read_with_it() -> None:
    tower = small_clip().text
    texts = [f"Dim the picture to {i} percent." * (1 + i % 5) for i in range(80)]
    with torch.no_grad():
        together = tower(**tower.tokenize(texts)).numpy()
        alone = np.concatenate([tower(**tower.tokenize([text])).numpy() for text in texts])
    np.testing.assert_allclose(together, alone, atol=1e-5)


def test_the_shipped_encoder_is_small_and_safe() -> None:
    files = {path.name: path.stat().st_size for path in shipped_pocket().iterdir()}
    assert set(files) == {"README.md", "config.json", "model.safetensors"}
    assert sum(files.values()) < 10e6
    assert build_encoder().picture_dim == 256


@pytest.mark.slow
def test_the_shipped_encoder_matches_freshly_rendered_scenes_and_tells_their_values() -> None:
    scenes = render(Robosuite(), 130, seed=20_000)
    measured = measure(PocketClip.load(shipped_pocket()), scenes)
    assert measured.pictures == 100
    # Chance is 1 % and 5 %; the card's 70 % and 94 % less four standard errors of 100 pictures.
    assert measured.first > 0.5
    assert measured.five > 0.8
    assert measured.seen["light_color"] > 0.5
    assert measured.said["table_color"] > 0.8
