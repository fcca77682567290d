"""Algorithm 2 of ARMOR: several samples answer several times, each told its answer before; the surest one is kept."""

from collections.abc import Sequence
from statistics import fmean

from scipy.special import expit

from faultfield.detector.answers import Walker, set_out, walk
from faultfield.detector.drafts import Drafts
from faultfield.detector.hunch import Guess
from faultfield.detector.model import ArmorModel
from faultfield.detector.opening import Opening
from faultfield.detector.prompts import Said
from faultfield.detector.sampling import binary_entropy, log_odds
from faultfield.detector.trajectories import Refinement, Trajectories
from faultfield.detector.tree import ROOT, Tree
from faultfield.faults.naming import corrected
from faultfield.rollouts.clip import Clip
from faultfield.rollouts.verdict import Verdict


class Refiner:
    """A detector: judges clips by refined answers.

    The opening of a clip (system text, picture or video, question) is read once. All that follows it, in both tasks,
    all samples and all rounds, is a tree in which no token is read twice; a round's reasons are guessed to be those of
    the round before, and of the answers given so far, so that most tokens are confirmed many at a time.

    Args:
        model: In evaluation mode.
        how: Samples, rounds and their like; `Refinement` says which defaults are the paper's.
        known: Reasons that are likely, to guess from, the likeliest last; by default those that the model was taught.
            They change the time taken and nothing else.
    """

    def __init__(self, model: ArmorModel, how: Refinement | None = None, known: Sequence[str] | None = None) -> None:
        self.model, self.how = model.eval(), how or Refinement()
        likely = model.reasons if known is None else known
        self._drafts = Drafts(model.scribe.reason_ids(each)[:-1] for each in likely)
        hunch = None if model.gaze is None else model.gaze.hunch
        self._openings = [model.scribe.reason_ids(each)[:-1] for each in hunch.openings] if hunch is not None else []

    def judge(self, clips: Sequence[Clip]) -> list[Verdict]:
        """A verdict on each clip.

        Raises:
            DetectorError: A clip that the model cannot be shown.
        """
        out: list[Verdict] = []
        for some in _chunks(clips, self.how.batch):
            openings = self.model.open([self.model.viewer(clip) for clip in some], [clip.instruction for clip in some])
            out += self.refine(openings, [clip.id for clip in some], [clip.instruction for clip in some])
        return out

    def detect(self, clips: Sequence[Clip]) -> list[float]:
        """Failure probability of each clip, unrefined: no reasons are drawn, and only the early layers are run.

        Raises:
            DetectorError: A clip that the model cannot be shown.
        """
        found = zip(self.odds(clips), clips, strict=True)
        return [float(expit(odds - self.how.divide(clip.instruction))) for odds, clip in found]

    def odds(self, clips: Sequence[Clip]) -> list[float]:
        """Log-odds of failure of each clip, unrefined, as they come: `divides` is not looked at.

        Raises:
            DetectorError: A clip that the model cannot be shown.
        """
        out: list[float] = []
        for some in _chunks(clips, self.how.batch):
            openings = self.model.open([self.model.viewer(clip) for clip in some], [clip.instruction for clip in some])
            tree = Tree(self.model, openings, deep=False)
            for row in range(len(openings)):
                tree.verdict(row, ROOT, self.model.scribe.request("detection"))
            heads = log_odds(tree.read())
            guesses = self._guesses(tree, len(openings))
            out += [head if guess is None else guess.beside(head) for head, guess in zip(heads, guesses, strict=True)]
        return out

    def refine(
        self, openings: Sequence[Opening], ids: Sequence[str], instructions: Sequence[str] | None = None
    ) -> list[Verdict]:
        """Algorithm 2 on openings of one batch.

        Args:
            openings: Of the clips.
            ids: Their names.
            instructions: What was asked in each, by which `divides` are looked up; None looks none up.
        """
        asked = instructions or [""] * len(ids)
        tree = Tree(self.model, openings, self.how.temperature)
        guesses = self._guesses(tree, len(ids))
        games = [Trajectories(id, self.how, words, guess) for id, words, guess in zip(ids, asked, guesses, strict=True)]
        going = list(games)
        for _ in range(self.how.rounds):
            self._round(tree, going)
            rows = [row for row, game in enumerate(going) if not game.settled]
            if not rows:
                break
            if len(rows) < len(going):
                tree.keep(rows)
                going = [going[row] for row in rows]
        return [game.verdict() for game in games]

    def _guesses(self, tree: Tree, count: int) -> list[Guess | None]:
        """What the eyes make of each of so many clips, where they are to judge and learned to."""
        return [*tree.guesses] if self.how.hunch and tree.guesses is not None else [None] * count

    def _round(self, tree: Tree, games: Sequence[Trajectories]) -> None:
        """Every sample answers once more; what prompts have in common is read once."""
        scribe = self.model.scribe
        told = [
            [tree.path(row, ROOT, scribe.conditioning(said)) for said in game.said] for row, game in enumerate(games)
        ]
        asked = self._ask(tree, games, told)
        if led := any(game.guess is not None for game in games):
            # How a reason begins hangs on the verdict.
            self._hear(tree, games, asked)
        walkers = [
            [self._walker(tree, row, after, game, sample) for sample, after in enumerate(told[row])]
            for row, game in enumerate(games)
        ]
        everyone = [walker for group in walkers for walker in group]
        set_out(tree, everyone, self._drafts)
        if led:
            tree.read()
        else:
            self._hear(tree, games, asked)
        walk(tree, everyone, self._drafts, scribe.ends)
        for row, (game, group) in enumerate(zip(games, walkers, strict=True)):
            answers = [tuple(walker.said) for walker in group]
            behind = [[tree.choices(row, node) for node in walker.nodes] for walker in group]
            surprise = [fmean(choices.entropies[place] for choices, place in path) for path in behind]
            reasons = [scribe.reason(answer) for answer in answers]
            if game.guess is not None:
                reasons = [corrected(reason, game.instruction) for reason in reasons]
            game.answer(answers, reasons, surprise)
        for walker in everyone:
            self._drafts.learn(walker.said)

    def _ask(self, tree: Tree, games: Sequence[Trajectories], told: Sequence[Sequence[int]]) -> list[dict[Said, int]]:
        """Ask the head about all that was not asked before; by game and what is told, which answer is its."""
        request = self.model.scribe.request("detection")
        asked: list[dict[Said, int]] = []
        for row, (game, nodes) in enumerate(zip(games, told, strict=True)):
            asked.append({})
            for said, node in zip(game.said, nodes, strict=True):
                if said not in game.chances and said not in asked[row]:
                    asked[row][said] = tree.verdict(row, node, request)
        return asked

    def _hear(self, tree: Tree, games: Sequence[Trajectories], asked: Sequence[dict[Said, int]]) -> None:
        """Read, and give each game the head's answers."""
        odds = log_odds(tree.read())
        for game, found in zip(games, asked, strict=True):
            for said, index in found.items():
                game.learn(said, odds[index])

    def _walker(self, tree: Tree, row: int, after: int, game: Trajectories, sample: int) -> Walker:
        """One that sets out behind the question for a reason, or behind how its reason begins."""
        lead = game.lead(sample)
        # One token at least is the language's own.
        begun = () if lead is None else self._openings[lead][: self.how.longest - 1]
        start = tree.path(row, after, (*self.model.scribe.request("reasoning"), *begun), loud=1)
        return Walker(row, start, game.draws[game.number, sample], game.answers[sample], list(begun))


class DetectionAlone:
    """A detector that says how likely a clip failed, and not why: a verdict alone, unrefined, and soon there.

    Args:
        refiner: Whose verdict it is.
    """

    def __init__(self, refiner: Refiner) -> None:
        self._refiner = refiner

    def judge(self, clips: Sequence[Clip]) -> list[Verdict]:
        """A verdict on each clip, without a reason and without rounds.

        Raises:
            DetectorError: A clip that the model cannot be shown.
        """
        return [Verdict(chance, "", binary_entropy(chance), float("nan")) for chance in self._refiner.detect(clips)]


def _chunks(clips: Sequence[Clip], size: int) -> list[Sequence[Clip]]:
    return [clips[start : start + size] for start in range(0, len(clips), size)]
