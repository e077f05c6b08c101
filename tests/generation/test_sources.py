"""A model that reads a source does all that one without does: the source is what its texts are about."""

import random
from dataclasses import replace

import numpy as np
import pytest
from fixtures.generators import found, generator_of, text, text_alone

from rnngen.builtins.strategies.beam.search import BeamSearch
from rnngen.builtins.strategies.contrastive import ContrastiveSearch
from rnngen.builtins.strategies.options import (
    BeamOptions,
    BestOfOptions,
    ContrastiveOptions,
    MBROptions,
    SpeculativeOptions,
)
from rnngen.builtins.strategies.sampling import Greedy, Sample
from rnngen.builtins.strategies.selection import BestOf, MinimumBayesRisk, utilities
from rnngen.builtins.strategies.speculative import Speculative
from rnngen.errors import UsageError
from rnngen.generation.infill import FillOptions, fill_gap
from rnngen.generation.interactive import Conversation
from rnngen.generation.prompts import GenerationSettings, Prompt
from rnngen.generation.saved_state import SavedState

SOURCES = ["abc", "fed", "a", "cabbed", "abc"]
WARM = [("temp", "1.5")]


@pytest.fixture
def model(session, train, tmp_path):
    """A model that has seen words, and the same from behind."""
    rng = random.Random(1)
    words = ["".join(rng.choices("abcdef", k=rng.randint(1, 6))) for _ in range(150)]
    path = tmp_path / "pairs.tsv"
    path.write_text("".join(f"{word}\t{word[::-1].upper()}\n" for word in words))
    train(path, name="pairs", task="pairs", tokenizer="char", hidden=16, embed=8, steps=40, seq=16)
    return session.load("pairs")


@pytest.fixture
def generator(model):
    return model.generator


def prompts(sources=SOURCES, begun=""):
    return [Prompt(begun, source) for source in sources]


def warm(session, generator):
    return session.decoding.filter_builder(WARM)(generator.tokenizers.target)


# ── Texts ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("begun", ["", "CB"])
def test_what_is_drawn_about_a_source_does_not_depend_on_the_others(session, generator, begun):
    settings = GenerationSettings(length=12, count=2, seed=7, filters=warm(session, generator))
    outputs = list(generator.generate(prompts(begun=begun), Sample(), settings))
    assert [(one.prompt.source, one.number) for one in outputs] == [(s, k) for s in SOURCES for k in (0, 1)]
    for place, source in enumerate(SOURCES):
        for number in (0, 1):
            rng = np.random.default_rng([7 + place, number])
            alone = text_alone(generator, Prompt(begun, source), rng=rng, length=12, filters=settings.filters)
            assert outputs[2 * place + number].text == alone


def test_one_prompt_given_several_times_gives_texts_of_its_own_each_time(session, generator):
    prompt = Prompt("", "abc")
    settings = GenerationSettings(length=12, seed=7, filters=warm(session, generator))
    outputs = list(generator.generate([prompt] * 6, Sample(), settings))
    assert len(outputs) == 6
    assert len({one.text for one in outputs}) > 1


def test_texts_that_begin_differently_are_generated_together(generator):
    mixed = [Prompt("C", "abc"), Prompt("", "fed"), Prompt("DE", "fed"), Prompt("F", "a")]
    settings = GenerationSettings(length=12, seed=7)
    for strategy in (Sample(), Greedy()):
        together = [one.text for one in generator.generate(mixed, strategy, settings)]
        alone = [
            next(generator.generate([prompt], strategy, settings, [place])).text
            for place, prompt in enumerate(mixed)
        ]
        assert together == alone


def test_a_source_is_needed_and_refused_where_there_is_none(session, train, generator):
    with pytest.raises(UsageError, match="this model reads a source; give one"):
        text(generator, "A")
    train(name="verse")
    with pytest.raises(UsageError, match="this model reads no source; leave it out"):
        text(session.load("verse").generator, "a", source="abc")


def test_a_source_of_another_form_than_the_task_needs_is_refused_wherever_one_is_read(generator):
    def figures(source):
        if not source.isdigit():
            raise ValueError(f"{source!r} is no number")

    strict = replace(generator, check_source=figures)
    with pytest.raises(UsageError, match=r"^the source: 'abc' is no number"):
        strict.prefill(Prompt("", "abc"))
    with pytest.raises(UsageError, match=r"^source 7: 'abc' is no number"):
        strict.check_sources(["1", " ", "abc"], 5)
    with pytest.raises(ValueError, match="'abc' is no number"):
        strict.split_source("abc\tx")


def test_translate_gives_one_output_for_each_source(model):
    outputs = model.translate(SOURCES)
    assert len(outputs) == len(SOURCES)
    assert outputs[0] == outputs[4]
    assert outputs == [model.generate(source=source) for source in SOURCES]


def test_a_hypothesis_is_that_of_the_text_which_a_stop_cuts_short(attentive):
    """Its log-probability, and its rows of weights, are those of the tokens up to the stop alone."""
    step = attentive(5, seed=6)
    generator = generator_of(step, Letters(), source_tokenizer=Letters(), has_eos=True)
    strategy = BeamSearch(BeamOptions(width=3))
    whole = found(generator, "", strategy, source="abc", length=12, attention=True)[0][1]
    stop = generator.decode(whole.tokens[2:3])
    kept = list(whole.tokens[: whole.tokens.index(whole.tokens[2])])
    ((shown, cut),) = found(generator, "", strategy, source="abc", length=12, attention=True, stops=(stop,))
    assert shown == generator.decode(kept)
    assert cut.tokens == tuple(kept)
    nats, weights = step.walk(generator.source_tokens("abc"), [generator.eos_id], kept)
    assert cut.log_probability == pytest.approx(sum(nats), rel=1e-5)
    np.testing.assert_allclose(cut.attention, weights[: len(kept)], rtol=1e-5)


# ── Whole texts chosen ─────────────────────────────────────────────────────────────────────────────────────


def candidates(session, generator, place, source):
    """Five texts as they are drawn alone, for text 0 and for text 1."""
    rngs = [np.random.default_rng([7 + place, number]) for number in range(10)]
    shared = {"length": 12, "filters": warm(session, generator)}
    drawn = [text_alone(generator, Prompt("", source), rng=rng, **shared) for rng in rngs]
    return drawn[:5], drawn[5:]


@pytest.mark.parametrize(
    "strategy", [BestOf(BestOfOptions(5)), MinimumBayesRisk(MBROptions(5))], ids=["best-of", "mbr"]
)
def test_a_text_about_a_source_is_chosen_as_any_other(session, generator, strategy):
    settings = GenerationSettings(length=12, count=2, seed=7, filters=warm(session, generator))
    outputs = iter(generator.generate(prompts(), strategy, settings))
    for place, source in enumerate(SOURCES):
        for group in candidates(session, generator, place, source):
            output = next(outputs)
            nats = [[n for _, n in generator.token_log_probs(one, source)][:12] for one in group]
            means = [sum(one) / len(one) for one in nats]
            worth = means if isinstance(strategy, BestOf) else utilities(group)
            best = int(np.argmax(worth))
            assert output.text == group[best]
            assert output.hypothesis.score == pytest.approx(worth[best], rel=1e-4)
            assert output.hypothesis.log_probability == pytest.approx(sum(nats[best]), rel=1e-4)


class Letters:
    """A tokenizer of four letters and the end."""

    pieces = (b"a", b"b", b"c", b"d", b"")
    eos_id = 4

    def encode(self, text):
        return np.array(["abcd".index(letter) for letter in text], np.int64)


def test_contrastive_search_is_about_its_source(attentive):
    class Features(attentive):
        feature_size = 3

        def features(self, tokens, state):
            _, state = self(tokens, state)
            return state[1], state

        def logits(self, features, state):
            return np.stack([row @ self.outputs for row in features]).astype(np.float32)

    generator = generator_of(Features(5, seed=9), Letters(), source_tokenizer=Letters(), has_eos=True)
    sources, settings = ["abc", "dd", "a", "cab", "abc"], GenerationSettings(length=12)
    search = ContrastiveSearch(ContrastiveOptions(alpha=0.5))
    outputs = [one.text for one in generator.generate(prompts(sources), search, settings)]
    assert outputs == [text(generator, "", search, source=source, length=12) for source in sources]
    assert len(set(outputs)) > 1
    greedy = ContrastiveSearch(ContrastiveOptions(alpha=0.0))
    assert [one.text for one in generator.generate(prompts(sources), greedy, settings)] == [
        one.text for one in generator.generate(prompts(sources), Greedy(), settings)
    ]


def test_a_trained_model_searches_contrastively_too(generator):
    settings = GenerationSettings(length=12)
    search, greedy = (ContrastiveSearch(ContrastiveOptions(alpha=alpha)) for alpha in (0.5, 0.0))
    outputs = [one.text for one in generator.generate(prompts(), search, settings)]
    assert outputs == [text(generator, "", search, source=source, length=12) for source in SOURCES]
    assert [one.text for one in generator.generate(prompts(), greedy, settings)] == [
        one.text for one in generator.generate(prompts(), Greedy(), settings)
    ]


@pytest.mark.parametrize(
    ("strategy", "reproach"),
    [
        (ContrastiveSearch(ContrastiveOptions()), "shows no such features"),
        (Speculative(SpeculativeOptions()), "reads one token at a time"),
    ],
)
def test_what_a_strategy_needs_and_two_models_lack_is_said_in_one_line(session, model, strategy, reproach):
    both = session.open(*model.stored, *model.stored).generator
    with pytest.raises(UsageError, match=reproach) as caught:
        text(both, "", strategy, source="abc")
    assert "\n" not in str(caught.value)


# ── What is expected ───────────────────────────────────────────────────────────────────────────────────────


def test_the_next_token_depends_on_the_source_and_is_what_is_scored(generator):
    found = {source: generator.next_token_log_probs(Prompt("", source)) for source in ("abc", "fed")}
    assert not np.array_equal(found["abc"], found["fed"])
    for source, nats in found.items():
        assert np.exp(nats).sum() == pytest.approx(1)
        assert np.isneginf(nats[list(generator.forbidden)]).all()
        token, scored = generator.token_log_probs("C", source)[0]
        possible = np.exp(nats[token])  # which leaves out what never comes
        assert np.exp(scored) == pytest.approx(possible, rel=0.05)


def test_a_score_is_that_of_beam_search(generator):
    every = replace(generator, trained_tokens=None)  # a score counts the tokens that never come, too
    best = found(every, "", BeamSearch(BeamOptions(5)), source="abc", length=30, count=5)
    assert len(best) == 5
    for output, hypothesis in best:
        if len(hypothesis.tokens) < 30:
            assert every.score(output, "abc")[0] == pytest.approx(hypothesis.log_probability, rel=1e-4)


def test_a_filling_is_the_best_whole_text_about_the_source(generator):
    filled = fill_gap(generator, "C", "A", FillOptions(beam=100, length=2), "abc")
    begun = sum(nats for _, nats in generator.token_log_probs("C", "abc")[:-1])
    assert {len(one) for one, _ in filled} == {1, 2}
    for one, filling in filled:
        whole = generator.score(f"C{one}A", "abc")[0] - begun
        assert filling.log_probability == pytest.approx(whole, abs=1e-3)
        assert filling.log_probability <= filled[0][1].log_probability
    other = fill_gap(generator, "C", "A", FillOptions(beam=100, length=2), "fed")
    assert [f.log_probability for _, f in other] != [f.log_probability for _, f in filled]
    with pytest.raises(UsageError, match="this model reads a source; give one"):
        fill_gap(generator, "C", "A", FillOptions())


# ── Left off, taken back ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("strategy", ["sample", "greedy"])
@pytest.mark.parametrize("made", [0, 1, 3])
def test_a_text_about_a_source_goes_on_from_a_file(session, model, tmp_path, strategy, made):
    options = {"temp": 1.5, "seed": 3} if strategy == "sample" else {}
    decoder = session.decoder(model.generator, session.sample_request(strategy=strategy, **options))
    path, mark = tmp_path / "state", session.fingerprint(model)
    whole = "".join(decoder.begin(Prompt("", "cab")).write(12))
    first = decoder.begin(Prompt("", "cab"))
    shown = "".join(first.write(made))
    decoder.save(first, path, mark, "cab")
    saved = SavedState.read(path)
    assert (saved.source, saved.strategy.name) == ("cab", strategy)
    again = session.load("pairs")
    resuming = session.decoder(again.generator, session.sample_request(), saved)
    rest = resuming.resume(saved, session.fingerprint(again))
    assert shown + "".join(rest.write(12 - made)) == whole


@pytest.fixture
def conversation(session, model):
    """Begins conversations with the model."""

    def begin(seed=3):
        request = session.sample_request(strategy="sample", temp=1.5, seed=seed)
        decoder = session.decoder(model.generator, request)
        return Conversation(
            model.generator,
            decoder.sampler,
            lambda chain: session.decoding.filter_builder(chain)(model.generator.tokenizers.target),
            decoder.filters,
            seed=seed,
            model=lambda: session.fingerprint(model),
            strategy=decoder.choice,
        )

    return begin


def exchange(talk, source, length=12):
    talk.say(source)
    return "".join(talk.write(length))


def test_a_turn_is_a_text_about_what_was_said(session, conversation, generator):
    talk = conversation()
    rng = np.random.default_rng([3, 0])
    alone = text_alone(generator, Prompt("", "cab"), rng=rng, length=12, filters=warm(session, generator))
    assert exchange(talk, "cab") == alone


@pytest.mark.parametrize("levels", [1, 3])
def test_undo_is_as_if_it_had_never_been_said(conversation, tmp_path, levels):
    talk, other = conversation(), conversation()
    exchange(talk, "abc"), exchange(other, "abc")
    for source in ["fed", "a", "cab"][:levels]:
        exchange(talk, source)
    for _ in range(levels):
        talk.undo()
    assert talk.text == other.text
    talk.save(tmp_path / "one"), other.save(tmp_path / "other")
    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()
    assert exchange(talk, "bed", 30) == exchange(other, "bed", 30)


def test_a_turn_drawn_anew_is_about_the_same_source(conversation):
    talk = conversation()
    once = exchange(talk, "abcdef", 30)
    others = set()
    for _ in range(4):
        talk.again()
        others.add("".join(talk.write(30)))
    assert others != {once}
    talk.undo()
    assert talk.tokens == ()
    assert exchange(talk, "abcdef", 30) == once


def test_a_saved_conversation_goes_on_with_its_source(conversation, tmp_path):
    talk, fresh = conversation(), conversation(seed=99)
    exchange(talk, "abc", 2)
    talk.save(tmp_path / "state")
    fresh.load(tmp_path / "state")
    assert (fresh.text, fresh.tokens) == (talk.text, talk.tokens)
    assert "".join(fresh.write(10)) == "".join(talk.write(10))
    fresh.undo()
    assert fresh.tokens == ()
