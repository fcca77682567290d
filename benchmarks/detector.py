"""The detector and what it is compared with, trained on the same data with the same eyes: ARMOR's Tables 1, 2, 3, 7.

Every variant begins with the same model, which can see and say what it sees (`faultfield detector train --sight`) but
was never asked for a verdict; all take the same number of gradient steps (a third of them where each step is of three
rounds). Each is measured on the data's three test splits: other seeds of the tasks that were trained on, tasks that
were not, and the other workspace, of which only dense samples were seen.

Killed and run again, it goes on where it was; what is measured is kept in the runs' directory. With `--tests`, what
was measured is measured again, on the test splits of other data.

python benchmarks/detector.py --data runs/faults --eyes runs/detector.sight/eyes --runs runs/detectors \
    [--more FILE.json ...] [--variants armor sft-d sft-s+d ...] [--seeds 0 1] [--made runs/detector] \
    [--tests runs/fresh] [--out docs/results/detector-tables]

`--more` names further samples to train on, LLaVA files, for instance of a study's episodes. `--made` takes the detector
that `make detector` made of the same data for ours of its seed: it is not trained again.
"""

import argparse
import hashlib
import json
import math
import os
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import detector_page
import pages
from detector_lent import Lent
from detector_scores import by_episode, by_kind, by_task, refined, rounds
from detector_variants import TESTS, TRAINING, VARIANTS, Variant
from faultfield import files
from faultfield.detector import checkpoint, evaluation
from faultfield.detector.baselines import FineTuned
from faultfield.detector.data import Sample, read_labelled, read_split
from faultfield.detector.model import ArmorModel
from faultfield.detector.refine import Refiner
from faultfield.detector.training import captioning, identity, run
from faultfield.detector.training.config import TrainingConfig
from faultfield.detector.training.eyes import open_eyes
from faultfield.detector.training.schedule import CONDITIONED, ONLINE, WARM_UP, phases
from faultfield.detector.training.sight import SightConfig
from faultfield.detector.trajectories import Refinement
from faultfield.errors import DetectorError


def main() -> None:
    """Train and measure what is asked for and not yet there; then write of these variants all that is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--more", type=Path, nargs="*", default=[], help="LLaVA files to train on as well")
    parser.add_argument("--eyes", type=Path, required=True)
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--variants", nargs="+", default=list(VARIANTS), choices=list(VARIANTS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--settings", type=json.loads, default={}, help="training settings over the defaults, as JSON")
    parser.add_argument("--tests", type=Path, help="data whose test splits are used; those of --data by default")
    parser.add_argument("--made", type=Path, help="a detector that was trained on all of --data, by the same settings")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    kept = Kept(arguments.runs / "seen.safetensors", arguments.eyes, arguments.data, arguments.settings)
    for seed in arguments.seeds:
        for name in arguments.variants:
            measure(name, seed, arguments, kept.seen)
            kept.write()
    if arguments.out is not None:
        results = [json.loads(path.read_text()) for path in sorted(arguments.runs.glob(f"*/{scores_of(arguments)}"))]
        report = pages.facts(
            data=json.loads((arguments.data / "info.json").read_text()),
            tests=json.loads((tests_of(arguments) / "info.json").read_text()),
            splits={
                name: sizes(read_labelled([where], [name]).items)
                for where, names in ((arguments.data, TRAINING), (tests_of(arguments), TESTS))
                for name in names
            }
            | {str(each): sizes(read_labelled([each]).items) for each in arguments.more},
            variants={name: described(VARIANTS[name]) for name in arguments.variants},
            results=[each for each in results if each["variant"] in arguments.variants],
        )
        detector_page.write(arguments.out, report)


class Kept:
    """What frozen eyes saw, in a file: to see all of it anew takes a quarter of a training.

    Args:
        file: Where; one of other eyes, other data or another precision is begun anew.
        eyes: Whose.
        data: Of what.
        settings: Of the training.
    """

    def __init__(self, file: Path, eyes: Path, data: Path, settings: Mapping[str, Any]) -> None:
        from safetensors import safe_open

        weights = eyes / "model.safetensors"
        self._file = file if weights.is_file() else None
        self._about = {"bf16": str(bool(settings.get("bf16")))}
        self.seen: dict[str, Any] = {}
        self._read = 0
        if self._file is None:
            return
        for name, what in (("eyes", weights), ("data", data / "info.json")):
            self._about[name] = hashlib.sha256(what.read_bytes()).hexdigest()
        if file.is_file():
            with safe_open(file, "pt") as found:
                if found.metadata() == self._about:
                    self.seen = {name: found.get_tensor(name) for name in found.keys()}  # noqa: SIM118 - no mapping
        self._read = len(self.seen)

    def write(self) -> None:
        """Keep what came to be seen."""
        from safetensors.torch import save_file

        if self._file is not None and len(self.seen) > self._read:
            with files.replacing(self._file) as draft:
                # Rows that were encoded together lie in one piece of memory.
                save_file({name: tokens.clone() for name, tokens in self.seen.items()}, draft, self._about)
            self._read = len(self.seen)


def described(variant: Variant) -> dict[str, Any]:
    """What a variant is; what is by sight says so, and all others are called as they were before anything was."""
    return {key: value for key, value in vars(variant).items() if key != "hunch" or value}


def made_from(name: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """What scores depend on beside the seed."""
    weights = arguments.eyes / "model.safetensors"
    of = {
        "variant": json.loads(json.dumps(described(VARIANTS[name]))),
        "settings": dict(arguments.settings),
        "data": hashlib.sha256((arguments.data / "info.json").read_bytes()).hexdigest(),
        "eyes": hashlib.sha256(weights.read_bytes()).hexdigest() if weights.is_file() else str(arguments.eyes),
    }
    if arguments.more:
        of["more"] = [hashlib.sha256(each.read_bytes()).hexdigest() for each in arguments.more]
    if arguments.tests is not None:
        of["tests"] = hashlib.sha256((arguments.tests / "info.json").read_bytes()).hexdigest()
    return of


def tests_of(arguments: argparse.Namespace) -> Path:
    """The data whose test splits are used."""
    where: Path = arguments.data if arguments.tests is None else arguments.tests
    return where


def scores_of(arguments: argparse.Namespace) -> str:
    """Name of the files of scores: those on other tests stand beside the first."""
    return "scores.json" if arguments.tests is None else f"scores-{arguments.tests.name}.json"


def sizes(samples: Sequence[Sample]) -> dict[str, int]:
    """How many there are, failures, and reasons."""
    return {
        "samples": len(samples),
        "failed": sum(bool(sample.failed) for sample in samples),
        "dense": sum(sample.dense for sample in samples),
    }


def measure(name: str, seed: int, arguments: argparse.Namespace, seen: dict[str, Any]) -> None:
    """Train a variant and write its scores, where they are not there yet; all share what the frozen eyes saw."""
    folder, of = arguments.runs / _folder(name, seed), made_from(name, arguments)
    kept = folder / scores_of(arguments)
    if kept.is_file():
        if json.loads(kept.read_text()).get("of") != of:
            raise DetectorError(
                f"{folder} holds '{name}' with other data, eyes or settings, or does not say with which; delete it, or "
                "choose another --runs."
            )
        return
    variant = VARIANTS[name]
    begun = time.process_time()
    made = made_before(variant.like or name, seed, arguments)
    detector = made or arguments.runs / _folder(variant.like or name, seed) / "detector"
    measured = folder / "scores.json"
    if made is not None:
        about = json.loads((made / run.ABOUT).read_text())
    elif arguments.tests is not None and measured.is_file():
        about = json.loads(measured.read_text())["training"]
    else:
        about = train(variant, seed, arguments, detector, seen)
    trained = time.process_time() - begun
    found = {"variant": name, "seed": seed, "of": of, "training": about, "cpu seconds": round(trained)}
    sees = made_before("armor", seed, arguments) or arguments.runs / _folder("armor", seed) / "detector"
    judge = asked(variant, detector, sees)
    for split in TESTS:
        samples = read_split(tests_of(arguments), split)
        judged = evaluation.judge(judge, samples)
        found[split] = {
            **by_task(samples, judged.verdicts),
            "kinds": by_kind(samples, judged.verdicts),
            "episodes": by_episode(samples, judged.verdicts),
        }
    if name == "armor" and arguments.tests is None:
        found["rounds"] = rounds(read_split(arguments.data, TESTS[0]), detector)
        found["refined"] = {split: refined(read_split(arguments.data, split), detector) for split in TESTS[:2]}
    files.write_text(kept, json.dumps(found, indent=1) + "\n")
    scores = {
        split: (found[split]["all"]["accuracy"]["value"], found[split]["all"]["reason"]["value"]) for split in TESTS
    }
    print(f"{name}, seed {seed}: {scores}", flush=True)


def _folder(name: str, seed: int) -> str:
    return f"{name.replace(' ', '-').replace(',', '').replace('%', 'p')}-{seed}"


def made_before(name: str, seed: int, arguments: argparse.Namespace) -> Path | None:
    """The directory of `--made`, where it is what this variant and seed would be trained to.

    Raises:
        DetectorError: It was trained with other settings or on other samples.
    """
    folder: Path | None = arguments.made
    if name != "armor" or folder is None:
        return None
    about = json.loads((folder / run.ABOUT).read_text())
    if about["config"]["seed"] != seed:
        return None
    config = TrainingConfig().updated({"seed": seed, **arguments.settings})
    samples = read_labelled([arguments.data, *arguments.more], TRAINING).items
    words = identity.words(samples, checkpoint.load(folder).viewer)
    if (about["config"], about["digest"]) != (json.loads(json.dumps(config.to_json())), words):
        raise DetectorError(f"{folder} was trained with other settings than --settings, or on other samples.")
    return folder


def train(
    variant: Variant, seed: int, arguments: argparse.Namespace, out: Path, seen: dict[str, Any]
) -> Mapping[str, Any] | None:
    """Train a variant, or find it trained."""
    whole = read_labelled([arguments.data, *arguments.more], variant.splits).items
    samples = hushed(thinned(whole, variant.dense), variant.told)
    method = "armor" if variant.method == "none" else variant.method
    config = TrainingConfig().updated({"method": method, "seed": seed, **arguments.settings})
    accelerator = run.make_accelerator(config)
    model = beginning(arguments.eyes, samples, seed, accelerator)
    if variant.method == "none":
        checkpoint.save(model, out)
        return None
    if variant.shares is not None or min(variant.dense, variant.told) < 1:
        config = shared_out(whole, samples, config, variant.shares)
    # Eyes that every seed grows for itself see otherwise.
    shared = seen if (arguments.eyes / checkpoint.SETTINGS).is_file() else None
    told = progress(out.parent.name)
    return run.train(model, samples, config, out, accelerator=accelerator, on_progress=told, seen=shared)


def beginning(eyes: Path, samples: Sequence[Sample], seed: int, accelerator: Any) -> ArmorModel:
    """What all variants of a seed begin with: a model that can see, or one that learns to from a data directory."""
    if (eyes / checkpoint.SETTINGS).is_file():
        return run.begin(str(eyes), samples, {}, seed)
    config = SightConfig(seed=seed)
    model = run.begin("pocket", samples, {}, seed, captioning.sentences(eyes, config.rename))
    open_eyes(model, eyes, config, accelerator)
    return model


def shared_out(
    whole: Sequence[Sample], samples: Sequence[Sample], config: TrainingConfig, shares: Sequence[float] | None
) -> TrainingConfig:
    """The settings with as many steps as ARMOR has on all samples, shared out otherwise or over fewer samples."""
    armor = replace(config, method="armor")
    usual = phases([bool(sample.failed) for sample in whole], [sample.dense for sample in whole], armor)
    total = usual[-1].first + usual[-1].steps
    of = {phase.name: phase.steps / total for phase in usual}
    shares = shares or (of.get(WARM_UP, 0), of.get(CONDITIONED, 0), of.get(ONLINE, 0))
    told = config.batch * total / sum(sample.dense for sample in samples)
    every = told if config.method == "sft-d" else config.batch * total / len(samples)
    warm_up, conditioned, online = shares
    return replace(
        config, warm_up_epochs=warm_up * every, conditioned_epochs=conditioned * told, online_epochs=online * every
    )


def thinned(samples: Sequence[Sample], share: float) -> list[Sample]:
    """Samples without some of the dense ones: of each task's failures and successes the same share is kept."""
    chosen = {sample.id for sample in picked(samples, share)}
    return [sample for sample in samples if not sample.dense or sample.id in chosen]


def hushed(samples: Sequence[Sample], share: float) -> list[Sample]:
    """The same samples, but of the dense ones only a share keeps its reasons."""
    chosen = {sample.id for sample in picked(samples, share)}
    return [replace(each, reason=None) if each.dense and each.id not in chosen else each for each in samples]


LITTLE = 0.1
"""A smaller share is taken of all groups in a row: of 38 episodes by themselves, 2.5 % are none and 5 % one."""


def picked(samples: Sequence[Sample], share: float) -> list[Sample]:
    """A share of the dense samples, the same of each task's failures and successes, as far as `LITTLE` leaves any."""
    dense = [(sample, (sample.task, bool(sample.failed))) for sample in samples if sample.dense]
    if share < LITTLE:
        dense.sort(key=lambda each: each[1])
    met: Counter[tuple[str, bool] | None] = Counter()
    chosen = set()
    for sample, group in dense:
        counted = None if share < LITTLE else group
        if math.floor((met[counted] + 1) * share) > math.floor(met[counted] * share):
            chosen.add(sample.id)
        met[counted] += 1
    return [sample for sample in samples if sample.dense and sample.id in chosen]


def asked(variant: Variant, detector: Path, sees: Path) -> Any:
    """How a variant is asked for its verdicts; eyes that judge for plain fine-tuning are lent by another detector."""
    if variant.method != "armor":
        # One that was not trained is a text model that was never told the format.
        tuned = checkpoint.load(detector)
        return Lent(tuned, checkpoint.load(sees)) if variant.hunch else FineTuned(tuned)
    how = Refinement(
        variant.samples,
        variant.rounds,
        temperature=variant.temperature,
        agreeing=variant.agreeing,
        hunch=variant.hunch,
    )
    return Refiner(checkpoint.load(detector), how)


def progress(name: str) -> Callable[[str, int, int], None]:
    """Says now and then how far a training is."""

    def tell(phase: str, done: int, total: int) -> None:
        if done % 50 == 0 or done == total:
            print(f"{time.strftime('%H:%M:%S')} {name}: {phase} {done} of {total}", flush=True)

    return tell


if __name__ == "__main__":
    main()
