"""How a variation may be said: the sentences that an encoder learns from, in more wordings than its own text."""

import numpy as np

from faultfield.variations import Factor, Variation, VariationSpace

_FORMS = (
    "Set the {noun} to {value}.",
    "Change the {noun} to {value}.",
    "Make the {noun} {value}.",
    "The {noun} is {value}.",
    "{noun}: {value}",
    "With {value} as the {noun}.",
    "A scene in which the {noun} is {value}.",
    "Now with {noun} {value}.",
)
_NOMINAL_FORMS = (
    "Change nothing.",
    "Nothing is changed.",
    "Leave everything as it is.",
    "The nominal scene.",
    "No change.",
    "Everything is as usual.",
)
_OWN = 0.5
"""Share of sentences left as the factor itself says them: what the field will mostly be asked about."""

_SPELLINGS = (("color", "colour"), ("gray", "grey"), (" percent", "%"))


def paraphrase(space: VariationSpace, variation: Variation, rng: np.random.Generator) -> str:
    """The variation in words drawn at random: sentence forms, spelling and order.

    Args:
        space: Where the variation lies.
        variation: What to say.
        rng: Draws the wording.
    """
    if variation.is_nominal:
        return str(rng.choice(_NOMINAL_FORMS))
    sentences = [_sentence(space.factor(name), variation, rng) for name in variation]
    text = " ".join(sentences[i] for i in rng.permutation(len(sentences)))
    for usual, other in _SPELLINGS:
        if rng.random() < 0.15:
            text = text.replace(usual, other)
    return text


def wordings(space: VariationSpace) -> list[str]:
    """One text with every word that `paraphrase` may use for this space, colour names and numbers aside."""
    texts = [*_NOMINAL_FORMS, *(form.format(noun="", value="") for form in _FORMS)]
    for factor in space:
        values = factor.grid(64)
        texts += [factor.text(value) for value in values] + [_noun(factor)]
    spelled = [text.replace(usual, other) for text in texts for usual, other in _SPELLINGS if usual in text]
    return texts + spelled


def _sentence(factor: Factor, variation: Variation, rng: np.random.Generator) -> str:
    value = variation[factor.name]
    if rng.random() < _OWN:
        return factor.text(value)
    form = _FORMS[int(rng.integers(len(_FORMS)))]
    return form.format(noun=_noun(factor), value=factor.describe(value))


def _noun(factor: Factor) -> str:
    return factor.name.replace("_", " ")
