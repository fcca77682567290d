"""The controls of a study: an expert that is told where everything is, and a policy that sees nothing."""

from faultfield.errors import StudyError
from faultfield.rollouts.episode import Episode
from faultfield.rollouts.ledger import Ledger
from faultfield.rollouts.specs import EnvSpec, PolicySpec
from faultfield.study.config import PluginConfig
from faultfield.study.directory import Study


def plugin(study: Study, role: str) -> PluginConfig | None:
    """The `expert` or `blind` policy of the study, if it has one."""
    named = study.config.controls
    return named.expert if role == "expert" else named.blind


def policy_spec(study: Study, role: str) -> PolicySpec:
    """The `expert` or `blind` policy as it travels to workers.

    Raises:
        StudyError: The study has no such control.
    """
    named = plugin(study, role)
    if named is None:
        raise StudyError(f"The study has no {role} control; name one under controls: in its study file.")
    return PolicySpec(named.type, named.arguments)


def env_spec(study: Study) -> EnvSpec:
    """The environment in which the controls act."""
    return EnvSpec(study.env_spec.type, {**study.env_spec.arguments, **study.config.controls.environment})


def episodes(study: Study, role: str, ledger: Ledger | None = None) -> list[Episode]:
    """The outcomes of the study's `expert` or `blind` control, as it is now: those of one before it are nobody's.

    Args:
        study: With or without that control; without, there are none.
        role: Which one.
        ledger: Where; the study's own when None.
    """
    if plugin(study, role) is None:
        return []
    who, where = policy_spec(study, role).fingerprint, env_spec(study).fingerprint
    # A ledger without episodes is false.
    return (study.ledger if ledger is None else ledger).episodes(role, who, where, load="none")


def usual_episodes(study: Study, role: str) -> list[Episode]:
    """Those on the seeds that known variations have; of a variation without such, those on any.

    What became known by a hunt has its control on the hunt's scenes.
    """
    first = study.config.rollouts.seed
    seeds = range(first, first + study.config.controls.per_variation)
    rolled = episodes(study, role)
    there = {e.variation for e in rolled if e.seed in seeds}
    return [e for e in rolled if e.seed in seeds or e.variation not in there]
