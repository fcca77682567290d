"""Encoders, the probe, the embedding model and its training, what can be seen of a variation without a rollout."""
