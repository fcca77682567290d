"""A model that sees as a detector does and was taught nothing else but captions: for a second training to begin with.

To see is what takes longest to learn. Tower and readout are a detector's; the language is new, learns to say what it
sees from the data's captions, as in `faultfield detector train --sight`, and has heard no verdict.

python benchmarks/detector_eyes.py --of models/detector --data runs/faults --out runs/second.sight/eyes [--seed 1] \
    [--more FILE.json ...] [--captions 2.5]

`--more`: further samples that will be trained on, whose words the tokenizer is to know.
"""

import argparse
from pathlib import Path

import pages
from detector import progress
from detector_variants import TRAINING
from faultfield.detector import checkpoint
from faultfield.detector.data import read_labelled
from faultfield.detector.training import captioning, run
from faultfield.detector.training.checkpoints import Checkpoints
from faultfield.detector.training.config import TrainingConfig
from faultfield.detector.training.eyes import captioning_config, open_eyes
from faultfield.detector.training.sight import SightConfig
from faultfield.errors import DetectorError


def main() -> None:
    """Take the eyes, teach the captions, save the model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--of", type=Path, required=True, help="the detector whose eyes are taken")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--more", type=Path, nargs="*", default=[])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--captions", type=float, default=2.5, help="passes over the data's captions")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    if not (arguments.of / checkpoint.SETTINGS).is_file():
        raise DetectorError(f"'{arguments.of}' is no detector.")
    config = SightConfig(captions=arguments.captions, seed=arguments.seed)
    samples = read_labelled([arguments.data, *arguments.more], TRAINING).items
    told = captioning.sentences(arguments.data, config.rename)
    model = run.begin("pocket", samples, {}, arguments.seed, told)
    accelerator = run.make_accelerator(TrainingConfig())
    open_eyes(model, arguments.of, config, accelerator)
    if model.gaze is None:
        raise DetectorError(f"'{arguments.of}' has no readout that fits; eyes of today's `make detector` have one.")
    scenes = captioning.scenes(arguments.data, config.rename)
    captioning.caption(
        model, scenes, captioning_config(config), accelerator, f"{arguments.out}.captions", progress("eyes")
    )
    checkpoint.save(model, arguments.out)
    Checkpoints(Path(f"{arguments.out}.captions"), accelerator, {}).clear()


if __name__ == "__main__":
    pages.run(main, "detector_eyes.py")
