"""Conversations: one state all along, and every turn taken back to the bit."""

from dataclasses import replace

import numpy as np
import pytest
from fixtures.generators import text_alone
from fixtures.toys import feed

from rnngen.decoding.sampler import Sampler
from rnngen.errors import ModelError, NotFoundError, UnknownName, UsageError
from rnngen.generation.interactive import Conversation

MEMORY = [("dry", "0.8;allowed=1"), ("xtc", "0.5"), ("mirostat", "2;tau=3")]
CHAINS = pytest.mark.parametrize("chain", [MEMORY, [("temp", "1.2")], []], ids=["memory", "pure", "none"])


class Counting:
    """A network that counts what it reads."""

    def __init__(self, step):
        self.step, self.read = step, []

    def __getattr__(self, name):
        return getattr(self.step, name)

    def __call__(self, tokens, state):
        self.read.extend(tokens.tolist())
        return self.step(tokens, state)


@pytest.fixture
def opened(session, train):
    """Gives conversations with a model trained with these options."""

    def go(chain=(), seed=3, step=None, forbidden=None, **options):
        if "verse" not in session.models.names():
            train(name="verse", **options)
        model = session.load("verse")
        generator = model.generator if step is None else replace(model.generator, model=step(model.generator))

        def build(chain):
            return session.decoding.filter_builder(chain)(generator.tokenizers.target)

        def sampler(filters):
            return Sampler(generator.model, filters, forbidden=forbidden or generator.forbidden)

        return Conversation(
            generator, sampler, build, chain, seed=seed, model=lambda: session.fingerprint(model)
        )

    return go


def exchange(talk, said, length=12, **how):
    talk.say(said)
    return "".join(talk.write(length, ["\0"], **how))


def test_the_first_turn_is_what_sample_writes(opened):
    talk = opened([("temp", "0.8")])
    filters = talk._build(talk.filters)
    alone = text_alone(talk.generator, "the ", rng=np.random.default_rng([3, 0]), length=20, filters=filters)
    assert exchange(talk, "the ", 20) == alone


class Begins:
    """Asks of a text that it begins with a token, three times; it knows the text by counting its tokens."""

    def __init__(self, token):
        self.token = token

    def initial(self, seeds):
        return (np.zeros(len(seeds), np.int64),)

    def __call__(self, logits, history, state):
        only = np.full_like(logits, -np.inf)
        only[:, self.token] = 0
        early = (state[0] < 3) & [
            set(past[len(past) - count :]) <= {self.token}
            for past, count in zip(history, state[0].tolist(), strict=True)
        ]
        return np.where(early[:, None], only, logits)

    def observe(self, tokens, surprisal, state):
        return (state[0] + 1,)

    def unmet(self, tokens):
        return None if list(tokens[:3]) == [self.token] * 3 else "it begins otherwise"


@pytest.mark.parametrize("said", [["the ", "love "], ["the ", ""]])
def test_every_turn_is_a_text_of_its_own_for_constraints(opened, said):
    plain = opened()
    token = plain.generator.tokenizers.target.pieces.index(b"v")
    talk = Conversation(plain.generator, plain._make, lambda chain: [Begins(token)], seed=3)
    written = [exchange(talk, one) for one in said]
    assert [text[:3] for text in written] == ["vvv", "vvv"]
    assert not all(text.strip("v") == "" for text in written)


@pytest.mark.slow
@pytest.mark.parametrize(
    "options", [{}, {"tokenizer": "byte"}, {"tokenizer": "bpe", "vocab_size": 270}, {"task": "lines"}]
)
def test_the_text_is_all_that_was_said_and_written(opened, options):
    talk = opened(**options)
    parts = []
    for said in ("the ", "", " a rose 愛" if options.get("tokenizer") else "love"):
        parts += [said, exchange(talk, said)]
    assert talk.text.replace("\n", "") == "".join(parts).replace("\n", "")


def test_nothing_is_read_twice(opened):
    talk = opened(MEMORY, step=lambda generator: Counting(generator.model))
    for said in ("the ", "sun", "", "we"):
        exchange(talk, said)
    assert talk.generator.model.read == [*talk.tokens[:-1]]


@CHAINS
def test_state_is_that_of_reading_everything_at_once(opened, chain):
    talk = opened(chain)
    exchange(talk, "the ")
    exchange(talk, "sun")
    _, state = feed(talk.generator.model, talk.generator.model.start(1), talk.tokens[:-1])
    for one, other in zip(talk._state.network, state, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.slow
@CHAINS
@pytest.mark.parametrize("levels", [1, 3])
def test_undo_is_as_if_it_had_never_been_said(opened, tmp_path, chain, levels):
    talk, other = opened(chain), opened(chain)
    exchange(talk, "the "), exchange(other, "the ")
    for said in ["love", "", "dawn"][:levels]:
        exchange(talk, said)
    for _ in range(levels):
        talk.undo()
    talk.save(tmp_path / "one"), other.save(tmp_path / "other")
    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()
    assert exchange(talk, "we", 30) == exchange(other, "we", 30)


def test_undo_of_everything_leads_back_to_nothing(opened):
    talk = opened(MEMORY)
    first = exchange(talk, "the ")
    talk.undo()
    assert (talk.text, talk.tokens) == ("", ())
    assert exchange(talk, "the ") == first
    talk.undo()
    with pytest.raises(UsageError, match="nothing to undo"):
        talk.undo()


@CHAINS
def test_a_turn_drawn_anew_is_another_and_undo_leads_before_both(opened, chain):
    talk, other = opened(chain), opened(chain)
    first, _ = exchange(talk, "the ", 30), exchange(other, "the ", 30)
    once = exchange(talk, "a ", 30)
    talk.again()
    assert "".join(talk.write(30, ["\0"])) != once
    talk.undo()
    assert talk.text == "the " + first
    assert exchange(talk, "we", 30) == exchange(other, "we", 30)


def test_nothing_said_cannot_be_drawn_anew(opened):
    with pytest.raises(UsageError, match="nothing to draw anew"):
        opened().again()


@CHAINS
def test_a_saved_conversation_goes_on_as_if_nobody_had_stopped(opened, tmp_path, chain):
    talk, fresh = opened(chain), opened(seed=99)
    exchange(talk, "the ")
    talk.save(tmp_path / "state")
    fresh.load(tmp_path / "state")
    assert (fresh.text, fresh.filters) == (talk.text, talk.filters)
    assert exchange(fresh, "we", 30) == exchange(talk, "we", 30)


def test_a_load_can_be_undone_and_one_that_fails_changes_nothing(opened, tmp_path):
    talk = opened()
    exchange(talk, "the ")
    before = talk.text
    talk.save(tmp_path / "state")
    exchange(talk, "we")
    talk.load(tmp_path / "state")
    assert talk.text == before
    talk.undo()
    after = talk.text
    assert after.startswith(before + "we")
    (tmp_path / "broken").write_bytes(b"no state")
    for name, error in (("nowhere", NotFoundError), ("broken", ModelError)):
        with pytest.raises(error):
            talk.load(tmp_path / name)
    assert talk.text == after
    talk.undo()
    assert talk.text == before


def test_other_filters_take_effect_and_wrong_ones_change_nothing(opened):
    talk, other = opened([("temp", "2")]), opened([("temp", "2")], seed=8)
    exchange(talk, "the "), exchange(other, "the ")
    talk.choose([("temp", "0")])
    for wrong, error in (([("tmep", "1")], UnknownName), ([("temp", "-1")], UsageError)):
        with pytest.raises(error):
            talk.choose(wrong)
    assert talk.filters == (("temp", "0"),)
    twin = talk.fork()
    twin.seed(77)
    assert exchange(twin, "we", 30) == exchange(talk, "we", 30)


def test_filters_stay_as_they_were_set_when_a_turn_is_undone(opened):
    talk = opened(MEMORY)
    exchange(talk, "the ")
    talk.choose([("temp", "0")])
    talk.undo()
    assert talk.filters == (("temp", "0"),)
    greedy = opened([("temp", "0")])
    assert exchange(talk, "the ") == exchange(greedy, "the ")


def test_a_seed_decides_what_follows(opened):
    talk = opened([("temp", "1"), ("xtc", "0.5")])
    exchange(talk, "the ")
    twin, third = talk.fork(), talk.fork()
    for one, seed in ((talk, 5), (twin, 5), (third, 6)):
        one.seed(seed)
    drawn = exchange(talk, "a", 40)
    assert exchange(twin, "a", 40) == drawn != exchange(third, "a", 40)


def test_a_fork_does_not_concern_its_origin(opened, tmp_path):
    talk, other = opened(MEMORY), opened(MEMORY)
    exchange(talk, "the "), exchange(other, "the ")
    twin = talk.fork()
    exchange(twin, "love")
    twin.undo(), twin.undo()
    assert exchange(talk, "we", 30) == exchange(other, "we", 30)


def test_a_text_ends_with_its_first_line_that_is_not_blank(opened):
    talk = opened()
    talk.say("the ")
    text = "".join(talk.write(None))
    assert text.endswith("\n")
    assert text.strip()
    assert "\n" not in text.strip()


def test_a_halt_keeps_what_was_written_and_it_goes_on_from_there(opened):
    talk = opened()
    asked = iter([False] * 5 + [True] * 9)
    kept = exchange(talk, "the ", None, halt=lambda: next(asked))
    assert len(kept) == 5
    assert talk.text == "the " + kept
    whole = opened()
    assert kept + exchange(talk, "", 7) == exchange(whole, "the ", 12)


class Says:
    """A network that is sure of these bytes."""

    fixed = 0

    def __init__(self, data):
        self.data = data

    def start(self, _):
        return (np.zeros(1, np.int64),)

    def __call__(self, tokens, state):
        logits = np.full((1, 257), -100, np.float32)
        logits[0, self.data[int(state[0][0]) + 1]] = 100
        return logits, (state[0] + 1,)


def test_a_character_is_never_cut_by_the_length(opened):
    says = Says("a愛はb🙂ü".encode())
    talk = opened(tokenizer="byte", step=lambda _: says, forbidden=[256])
    assert [exchange(talk, said, length) for said, length in (("a", 1), ("", 2), ("b", 1), ("", 1))] == [
        "愛", "は", "🙂", "ü",
    ]  # fmt: skip
    assert talk.text == "a愛はb🙂ü"
