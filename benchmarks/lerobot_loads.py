"""Whether lerobot itself loads, and trains on, what `faultfield export --format lerobot` wrote.

    faultfield export runs/lift-demo --format lerobot --out runs/lift-lerobot
    python benchmarks/lerobot_loads.py runs/lift-lerobot --out docs/results/lerobot.json

lerobot does not install beside robosuite (its rerun-sdk wants numpy 2), so it is given an environment of its own: a new
one (several GB are downloaded), or with `--venv` one that is kept. There, every frame is compared with the table as
pyarrow reads it, and some pictures with the video as PyAV decodes it from its start; windows over time are padded, and
a small ACT policy takes a few gradient steps with the data set's own statistics.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import venv
from pathlib import Path
from typing import Any

LEROBOT = "lerobot==0.4.4"
"""The last version for Python 3.11; of format v3.0."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder that the export wrote")
    parser.add_argument("--venv", type=Path, help="an environment to keep; made where it is missing")
    parser.add_argument("--steps", type=int, default=3, help="gradient steps")
    parser.add_argument("--out", type=Path, help="where to write what was found, as JSON")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:
        print(json.dumps(check(options.data, options.steps)))
        return
    with tempfile.TemporaryDirectory() as scratch:
        python = environment(options.venv or Path(scratch) / "lerobot")
        command = [str(python), __file__, str(options.data.resolve()), "--inside", "--steps", str(options.steps)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    found = {"command": " ".join(["python", *sys.argv]), **json.loads(done.stdout.splitlines()[-1])}
    text = json.dumps(found, indent=1) + "\n"
    if options.out:
        options.out.write_text(text, encoding="utf-8")
    print(text)
    if not found["numbers_equal"] or found["pictures"]["largest_difference"] > 1 / 255:
        sys.exit("lerobot reads something else than what was written.")


def environment(folder: Path) -> Path:
    """The Python of an environment with lerobot."""
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", LEROBOT], check=True)
    return python


def check(folder: Path, steps: int) -> dict[str, Any]:
    """Run in lerobot's environment."""
    from importlib import metadata

    import av
    import numpy as np
    import torch
    from lerobot.datasets.lerobot_dataset import LeRobotDataset
    from pyarrow import parquet

    data = LeRobotDataset("local/export", root=folder, video_backend="pyav")
    table = parquet.read_table(folder / "data/chunk-000/file-000.parquet").to_pydict()
    equal = len(data) == len(table["index"])
    for name, column in table.items():
        read = torch.stack(list(data.hf_dataset[name])).numpy()
        equal &= bool(
            np.array_equal(read.reshape(len(column), -1), np.array(column, read.dtype).reshape(len(column), -1))
        )
    rng = np.random.default_rng(0)
    worst, rows = 0.0, sorted(rng.choice(len(data), size=min(24, len(data)), replace=False).tolist())
    for camera in data.meta.video_keys:
        with av.open(str(folder / "videos" / camera / "chunk-000/file-000.mp4")) as film:
            frames = [frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)]
        for row in rows:
            picture = data[row][camera].permute(1, 2, 0).numpy()
            worst = max(worst, float(np.abs(picture - frames[row] / 255).max()))
    item = data[0]
    return {
        "versions": {name: metadata.version(name) for name in ("lerobot", "torch", "datasets", "numpy")},
        "episodes": data.num_episodes,
        "frames": len(data),
        "fps": data.fps,
        "task": item["task"],
        "successes": int(sum(bool(row["success"]) for row in data.meta.episodes)),
        "next.success": int(sum(table["next.success"])),
        "shapes": {name: list(value.shape) for name, value in item.items() if hasattr(value, "shape")},
        "numbers_equal": bool(equal),
        "pictures": {"compared": len(rows) * len(data.meta.video_keys), "largest_difference": worst},
        "training": train(folder, steps),
    }


def train(folder: Path, steps: int) -> dict[str, Any]:
    """Gradient steps of a small ACT policy on windows of eight actions."""
    import torch
    from lerobot.configs.types import FeatureType
    from lerobot.datasets.lerobot_dataset import LeRobotDataset, LeRobotDatasetMetadata
    from lerobot.datasets.utils import dataset_to_policy_features
    from lerobot.policies.act.configuration_act import ACTConfig
    from lerobot.policies.act.modeling_act import ACTPolicy
    from lerobot.policies.factory import make_pre_post_processors

    meta = LeRobotDatasetMetadata("local/export", root=folder)
    features = dataset_to_policy_features(meta.features)
    outputs = {name: kind for name, kind in features.items() if kind.type is FeatureType.ACTION}
    inputs = {name: kind for name, kind in features.items() if name.startswith("observation.")}
    config = ACTConfig(
        input_features=inputs, output_features=outputs, chunk_size=8, n_action_steps=8, dim_model=64, n_heads=2,
        dim_feedforward=64, n_encoder_layers=1, n_vae_encoder_layers=1, latent_dim=8, pretrained_backbone_weights=None,
        device="cpu",
    )  # fmt: skip
    torch.manual_seed(0)
    policy = ACTPolicy(config)
    prepare, _ = make_pre_post_processors(config, dataset_stats=meta.stats)
    windows = {"action": [step / meta.fps for step in range(8)]}
    data = LeRobotDataset("local/export", root=folder, delta_timestamps=windows, video_backend="pyav")
    end = meta.episodes[0]["dataset_to_index"]
    padded = data[end - 1]["action_is_pad"].tolist()
    loader = torch.utils.data.DataLoader(data, batch_size=4, shuffle=True)
    optimizer = torch.optim.AdamW(policy.parameters(), lr=1e-3)
    losses = []
    for batch in loader:
        loss, _ = policy.forward(prepare(batch))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(round(float(loss), 4))
        if len(losses) == steps:
            break
    return {"policy": "ACT", "losses": losses, "padded_at_an_episodes_last_frame": padded}


if __name__ == "__main__":
    main()
