"""The last stages: rank what was never tried, verify the worst for real, write diagnosis.json and the report."""

import contextlib
from collections.abc import Mapping
from pathlib import Path

from faultfield.diagnosis.controls import Feasibility, feasibility
from faultfield.diagnosis.result import Diagnosis
from faultfield.errors import StudyError
from faultfield.faults.pictures import read_picture
from faultfield.repair.result import Repair
from faultfield.report.html import Mended, write_report
from faultfield.report.repair import mended
from faultfield.rollouts.outcomes import Outcome, outcomes
from faultfield.study import controls, stages
from faultfield.study.assemble import assemble
from faultfield.study.before_after import PAGE, REPAIRS, RESULT
from faultfield.study.candidates import candidates, to_verify
from faultfield.study.directory import Study
from faultfield.study.progress import Progress
from faultfield.study.ranking import RANKING_FILE, Ranking, rank, ranking_stamp
from faultfield.study.seeds import VERIFY_SEED
from faultfield.study.verdicts import heard
from faultfield.variations import NOMINAL, Variation

REPORT = "report.html"


def run_all(study: Study, progress: Progress) -> Diagnosis:
    """Every stage in order; what is done already is not done again."""
    stages.collect_nominal(study, progress)
    stages.collect(study, progress)
    if stages.has_views(study):
        stages.fit(study, progress)
        stages.search(study, progress)
    diagnosis = diagnose(study, progress)
    report(study)
    return diagnosis


def diagnose(study: Study, progress: Progress) -> Diagnosis:
    """Rank the candidates, roll out the worst feasible ones and a few of the rest, and write diagnosis.json.

    Raises:
        LedgerError: Nothing was collected yet.
        StudyError: No candidate is asked for, or field and diagnostic policy were not made of what is there now.
    """
    asked = candidates(study)
    if not asked:
        raise StudyError(
            "The study names no unseen variations that were not rolled out already; add some under unseen:."
        )
    # Before the long part, and whether the ranking is there or not: the diagnosis shows the field beside it.
    stages.check_current(study)
    stamp = ranking_stamp(study, asked)
    file = study.directory / RANKING_FILE
    if study.is_done("rank", stamp, RANKING_FILE):
        ranking = Ranking.read(file, study.space)
    else:
        ranking = rank(study, asked, progress)
        ranking.write(file)
        study.mark_done("rank", stamp)
    feasible = _check_feasible(study, ranking.candidates, progress)
    verified = _verify(study, ranking, feasible, progress)
    diagnosis = heard(study).told_in(assemble(study, ranking, verified, feasible))
    diagnosis.write(study.directory / "diagnosis.json")
    return diagnosis


def report(study: Study) -> Path:
    """Write the report of a diagnosed study; returns its path. What a detector has said meanwhile goes into both.

    Raises:
        StudyError: The study was not diagnosed yet.
    """
    file = study.directory / "diagnosis.json"
    before, said = Diagnosis.read(file), heard(study)
    diagnosis = said.told_in(before)
    if diagnosis != before:
        diagnosis.write(file)
    views = stages.make_views(study)
    entries = [e.variation for e in diagnosis.known] + [e.variation for e in diagnosis.ranking]
    shown = [study.space.variation(values) for values in entries]
    pictures = {v.key: views.pictures([v])[0, 0] for v in shown} if views.can_observe else {}
    nominal = views.pictures([NOMINAL])[0, 0] if views.can_observe else None
    path = study.directory / REPORT
    watched = {key: read_picture(frames) for key, frames in said.shown.items() if frames.is_file()}
    write_report(diagnosis, pictures, nominal, path, watched, _mended(study))
    return path


def _mended(study: Study) -> list[Mended]:
    """What the report tells of the repairs of this policy that lie in the study's directory, the newest first."""
    found = []
    for file in study.directory.glob(f"{REPAIRS}/*/{RESULT}"):
        # A damaged one says so when it is used; a diagnosis does not depend on it.
        with contextlib.suppress(StudyError):
            found.append((Repair.read(file), file))
    own = [each for each in found if each[0].before.fingerprint == study.identity["policy"]]
    own.sort(key=lambda each: (each[0].created, str(each[1])), reverse=True)
    pages = [file.with_name(PAGE).relative_to(study.directory).as_posix() for _, file in own]
    return [mended(each, page, drawn=page == pages[0]) for (each, _), page in zip(own, pages, strict=True)]


def _check_feasible(study: Study, variations: list[Variation], progress: Progress) -> dict[str, Feasibility]:
    """What the expert can do under each candidate, by variation key; without an expert, nothing is known."""
    first = study.config.rollouts.seed + VERIFY_SEED
    seeds = range(first, first + study.config.controls.per_variation)
    stages.roll_out_control(study, study.ledger, "expert", variations, seeds, progress)
    wanted = set(variations)
    tried = [e for e in controls.episodes(study, "expert") if e.variation in wanted and e.seed in seeds]
    return {entry.variation.key: entry for entry in feasibility(variations, outcomes(tried))}


def _verify(
    study: Study, ranking: Ranking, feasible: Mapping[str, Feasibility], progress: Progress
) -> dict[str, Outcome]:
    """Real outcomes of the candidates that were chosen for it, by variation key."""
    settings = study.config.diagnosis
    possible = [not feasible[v.key].infeasible for v in ranking.candidates]
    rows = to_verify(ranking.order, possible, settings.verify, settings.spread)
    chosen = [ranking.candidates[row] for row in rows]
    first = study.config.rollouts.seed + VERIFY_SEED
    seeds = range(first, first + settings.episodes)
    if chosen:
        stages.roll_out(study, study.ledger, "Verifying for real", chosen, "verify", seeds, progress)
    # What an earlier ranking had verified is as true of today's: nothing was learned from it.
    policy, wanted = study.identity["policy"], set(ranking.candidates)
    rolled = study.ledger.episodes(policy=policy, load="none")
    found = outcomes([e for e in rolled if e.variation in wanted and e.seed in seeds])
    return {o.variation.key: o for o in found if o.episodes == len(seeds)}
