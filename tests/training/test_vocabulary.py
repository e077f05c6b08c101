"""Reports about vocabularies that are cut, or might be."""

import random
import re
from collections import Counter

import numpy as np
import pytest

from rnngen.data.spelling import characters_of
from rnngen.events import Warned
from rnngen.training.vocabulary import cut_vocabulary


@pytest.fixture
def signs(tmp_path):
    """A text of 3,400 signs, few of them frequent and some met once."""
    rng = random.Random(1)
    common, rare = [chr(0x4E00 + n) for n in range(400)], [chr(0x5E00 + n) for n in range(2000)]
    text = rng.choices(common, k=800_000) + rare * 2 + [chr(0x7000 + n) for n in range(1000)]
    rng.shuffle(text)
    (tmp_path / "signs.txt").write_text("".join(text))
    return tmp_path / "signs.txt"


def reports(session, ask, path, **given):
    return [one.message for one in cut_vocabulary(session.plan(ask(path, **given)))]


def test_a_vocabulary_that_is_cut_reports_the_share_that_is_spelt_in_bytes(session, ask, signs):
    (told,) = reports(session, ask, signs, vocab_size=700)
    found = re.match(
        r"([\d,]+) of the ([\d,]+) characters to train on \(([\d.]+)%\) are spelt in bytes", told
    )
    count, chars = (int(number.replace(",", "")) for number in found.groups()[:2])
    text = signs.read_text()[:chars]
    frequent = Counter(text).most_common(700 - 257)
    assert count == chars - sum(n for _, n in frequent)
    assert float(found[3]) == pytest.approx(100 * count / chars, abs=0.06)
    assert "different ones" in told


def test_a_large_vocabulary_reports_a_size_that_is_enough(session, ask, signs):
    once, large = reports(session, ask, signs)
    assert "since they occur once" in once
    size = int(re.search(r"--vocab-size (\d+) covers 99.5%", large)[1])
    encoded = session.plan(ask(signs, name="cut", vocab_size=size)).encoded
    spelt = characters_of(encoded.train, encoded.tokenizer.pieces, np.arange(size) < 256)
    assert spelt.total() <= 0.005 * encoded.train.chars


def test_a_usual_text_has_nothing_to_report(session, ask, corpus):
    assert reports(session, ask, corpus) == []
    assert reports(session, ask, corpus, tokenizer="byte") == []


@pytest.mark.slow
def test_training_reports_it(train, signs):
    warned = [one.message for one in train(signs, steps=1, evaluations=1) if isinstance(one, Warned)]
    assert any("spelt in bytes" in one for one in warned)
