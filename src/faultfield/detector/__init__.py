"""ARMOR: a vision-language model that watches an episode and says, over several rounds, whether it failed and why."""
