"""Batches hold every token once an epoch, and never let a row read over a border."""

from itertools import pairwise

import numpy as np
import pytest

from rnngen.data.batches import (
    IGNORE,
    SpanBatches,
    StreamBatches,
    example_spans,
    gather,
    window_spans,
)
from rnngen.data.token_store import TokenStore

END = 0
LAYOUTS = [
    [100],
    [1],
    [7, 1, 30, 2, 2, 60, 5],
    [1] * 50,
    [3] * 40,
    [64],
    [8] * 8,
    [200, 1],
]
"""Lengths of documents."""


def store_of(lengths):
    """Documents in which every token is its own position, so that a batch tells where it was cut."""
    starts = np.concatenate([[0], np.cumsum(np.array(lengths) + 1)])
    tokens = np.arange(starts[-1] + 1)
    tokens[starts] = END
    return TokenStore(tokens.astype(np.uint32), starts, sum(lengths), len(tokens))


def texts_of(store):
    return {int(t) for t in store.tokens if t != END}


def take(batches, count):
    return [next(batches) for _ in range(count)]


def counted(batches):
    """Every target that counts, in the order of reading."""
    return [int(t) for batch in batches for t in batch.targets[batch.targets != IGNORE]]


def slow_streams(store, lanes, seq):
    """Each lane's windows in plain Python: places of the inputs, and whether it begins afresh."""
    tokens, starts = store.tokens.tolist(), set(store.starts.tolist())
    last = len(tokens) - 1
    lanes = max(1, min(lanes, last // seq))
    edges = [last * i // lanes for i in range(lanes + 1)]
    for start, stop in pairwise(edges):
        windows, places = [], [start]
        for place in range(start + 1, stop):
            if place in starts or len(places) == seq:
                windows.append(places)
                places = []
            places.append(place)
        windows.append(places)
        yield [(w, w[0] == start or w[0] in starts) for w in windows]


# ── streams ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("lengths", LAYOUTS)
@pytest.mark.parametrize(("lanes", "seq"), [(1, 8), (4, 8), (3, 5), (64, 2), (2, 1000), (5, 1)])
def test_streams_read_what_a_reading_in_plain_python_reads(lengths, lanes, seq):
    store = store_of(lengths)
    expected = list(slow_streams(store, lanes, seq))
    batches = list(StreamBatches(store, lanes, seq).sweep())
    assert len(batches) == max(map(len, expected))
    for row, windows in enumerate(expected):
        for batch, (places, fresh) in zip(batches, windows, strict=False):
            following = [int(store.tokens[p + 1]) for p in places]
            assert batch.inputs[row, : len(places)].tolist() == [int(store.tokens[p]) for p in places]
            assert batch.targets[row, : len(places)].tolist() == [t or IGNORE for t in following]
            assert (batch.targets[row, len(places) :] == IGNORE).all()
            assert batch.reset_state[row] == fresh
        for batch in batches[len(windows) :]:
            assert (batch.targets[row] == IGNORE).all()


@pytest.mark.parametrize("lengths", LAYOUTS)
@pytest.mark.parametrize(("lanes", "seq"), [(1, 8), (4, 8), (3, 5)])
def test_streams_cover_every_token_exactly_once_an_epoch(lengths, lanes, seq):
    store = store_of(lengths)
    batches = StreamBatches(store, lanes, seq, state_reset_prob=0.3, seed=1)
    for epoch in range(3):
        whole = counted(take(batches, batches.steps_per_epoch))
        assert batches.epoch == epoch
        assert sorted(whole) == sorted(texts_of(store))


def test_shuffled_streams_cover_every_token_exactly_once_an_epoch_in_an_order_of_its_own():
    store = store_of([7, 1, 30, 2, 2, 60, 5])
    batches = StreamBatches(store, 3, 4, seed=1, shuffle=True)
    plain = [batch.inputs.tolist() for batch in StreamBatches(store, 3, 4).sweep()]
    epochs = {}
    while batches.epoch < 4:
        batch = next(batches)
        epochs.setdefault(batches.epoch, []).append(batch)
    for epoch in range(4):
        assert sorted(counted(epochs[epoch])) == sorted(texts_of(store))
    orders = [[batch.inputs.tolist() for batch in epochs[epoch]] for epoch in range(4)]
    assert orders[0] == plain
    assert all(orders[a] != orders[b] for a in range(4) for b in range(a))


def test_a_run_that_began_without_shuffling_goes_on_without():
    store = store_of([7, 1, 30, 2, 2, 60, 5])
    plain, shuffled = StreamBatches(store, 3, 4), StreamBatches(store, 3, 4, shuffle=True)
    position = plain.position()
    del position["shuffle"]  # as earlier versions wrote it
    shuffled.restore(position)
    for _ in range(40):
        assert (next(plain).inputs == next(shuffled).inputs).all()


@pytest.mark.parametrize("lengths", LAYOUTS)
def test_a_row_remembers_one_stretch_of_one_document(lengths):
    """What a network has read when it predicts a token is all that stands before it, back to a border."""
    store = store_of(lengths)
    batches = StreamBatches(store, 4, 8)
    lanes, remembered = set(batches.edges.tolist()), [[] for _ in range(batches.batch)]
    for batch in take(batches, 3 * batches.steps_per_epoch):
        for row, memory in enumerate(remembered):
            if batch.reset_state[row]:
                memory.clear()
            for token, target in zip(batch.inputs[row], batch.targets[row], strict=True):
                memory.append(int(token))
                if target != IGNORE:
                    began = int(target) - len(memory)
                    assert memory == store.tokens[began : int(target)].tolist()
                    assert END not in memory[1:]
                    assert memory[0] == END or began in lanes


def test_no_stream_remembers_over_the_wrap_of_an_epoch():
    batches = StreamBatches(store_of([100]), 4, 8)
    first = take(batches, batches.steps_per_epoch)[0]
    again = next(batches)
    assert batches.epoch == 1
    assert again.reset_state.all()
    assert (again.inputs == first.inputs).all()


def test_refresh_begins_windows_afresh_and_changes_no_token():
    store = store_of([2000])
    plain, refreshed = StreamBatches(store, 4, 5), StreamBatches(store, 4, 5, state_reset_prob=0.25, seed=3)
    pairs = [(next(plain), next(refreshed)) for _ in range(plain.steps_per_epoch)]
    assert all((a.inputs == b.inputs).all() and (a.targets == b.targets).all() for a, b in pairs)
    assert all(b.reset_state[a.reset_state].all() for a, b in pairs)
    share = np.mean([b.reset_state.mean() for _, b in pairs])
    assert 0.2 < share < 0.3


@pytest.mark.parametrize("made", [0, 1, 7, 12, 13, 30])
@pytest.mark.parametrize("shuffle", [False, True])
def test_restored_streams_go_on_as_if_nothing_had_happened(made, shuffle):
    store = store_of([7, 1, 30, 2, 2, 60, 5])
    drawn = {"state_reset_prob": 0.5, "seed": 5, "shuffle": shuffle}
    unbroken, other = (StreamBatches(store, 3, 4, **drawn) for _ in range(2))
    for _ in range(made):
        next(unbroken)
    other.restore(unbroken.position())
    for _ in range(40):
        a, b = next(unbroken), next(other)
        assert (a.inputs == b.inputs).all()
        assert (a.targets == b.targets).all()
        assert (a.reset_state == b.reset_state).all()
    assert unbroken.position() == other.position()


def test_no_batch_is_wider_than_its_longest_window():
    for batch in StreamBatches(store_of([3, 5, 4] * 10), 2, 1000).sweep():
        assert (batch.targets[:, :-1] != IGNORE).any(axis=0).all()


def test_a_text_shorter_than_its_streams_gets_fewer_of_them():
    assert StreamBatches(store_of([20]), 8, 6).batch == 3
    assert StreamBatches(store_of([2]), 8, 6).batch == 1


# ── spans ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("lengths", LAYOUTS)
@pytest.mark.parametrize("budget", [1, 7, 64, 10_000])
def test_examples_are_read_exactly_once_an_epoch_to_their_ends(lengths, budget):
    store = store_of(lengths)
    batches = SpanBatches(store, example_spans(store, budget), budget, seed=2)
    for epoch in range(3):
        whole = take(batches, len(batches.order))
        assert batches.epoch == epoch
        targets = [t for t in counted(whole) if t != END]
        assert sorted(targets) == sorted(texts_of(store))
        assert counted(whole).count(END) == len(lengths)
        if epoch < 2:
            position = batches.position()
            next(batches)  # the next epoch begins by itself…
            batches.restore({"epoch": position["epoch"] + 1, "index": 0})  # …and can be gone back to


@pytest.mark.parametrize("budget", [1, 7, 64, 10_000])
def test_every_row_of_spans_is_one_piece_of_one_example(budget):
    store = store_of([7, 1, 30, 2, 2, 60, 5])
    for batch in SpanBatches(store, example_spans(store, budget), budget).sweep():
        assert batch.reset_state.all()
        for inputs, targets in zip(batch.inputs, batch.targets, strict=True):
            length = int((targets != IGNORE).sum())
            assert (targets[length:] == IGNORE).all()
            assert END not in inputs[1:length]
            for token, target in pairwise(inputs[:length]):
                assert token in (END, target - 1)
            assert inputs[1:length].tolist() == targets[: length - 1].tolist()


@pytest.mark.parametrize("budget", [8, 64])
def test_no_batch_of_spans_exceeds_its_budget(budget):
    store = store_of(np.random.default_rng(0).integers(1, 100, 300).tolist())
    batches = SpanBatches(store, example_spans(store, budget), budget, seed=1)
    assert all(batch.inputs.size <= budget for batch in take(batches, 2 * len(batches.order)))


def test_spans_of_similar_length_are_read_together():
    store = store_of(np.random.default_rng(0).integers(1, 100, 2000).tolist())
    batches = list(SpanBatches(store, example_spans(store, 2048), 2048).sweep())
    padding = sum(int((b.targets == IGNORE).sum()) for b in batches) / sum(b.targets.size for b in batches)
    assert padding < 0.1


def test_epochs_of_spans_differ_in_order_and_follow_from_the_seed():
    store = store_of([5] * 64)
    spans = example_spans(store, 64)

    def order(seed):
        batches = SpanBatches(store, spans, 64, seed)
        return [next(batches).inputs.tolist() for _ in range(3 * len(batches.order))]

    same, again, other = order(1), order(1), order(2)
    epoch = len(same) // 3
    assert same == again
    assert same != other
    assert same[:epoch] != same[epoch : 2 * epoch]


@pytest.mark.parametrize("made", [0, 1, 5, 6, 7, 13])
def test_restored_spans_go_on_as_if_nothing_had_happened(made):
    store = store_of([7, 1, 30, 2, 2, 60, 5])
    unbroken, other = (SpanBatches(store, example_spans(store, 20), 20, seed=5) for _ in range(2))
    for _ in range(made):
        next(unbroken)
    other.restore(unbroken.position())
    for _ in range(30):
        a, b = next(unbroken), next(other)
        assert (a.inputs == b.inputs).all()
        assert (a.targets == b.targets).all()
    assert unbroken.position() == other.position()


@pytest.mark.parametrize("lengths", LAYOUTS)
@pytest.mark.parametrize("window", [1, 3, 8, 1000])
def test_windows_predict_all_of_a_document_but_its_first_token(lengths, window):
    store = store_of(lengths)
    starts, stops = window_spans(store, window)
    assert (stops > starts).all()
    assert (stops - starts <= window).all()
    predicted = [p + 1 for a, b in zip(starts, stops, strict=True) for p in range(a, b)]
    firsts = (store.starts[:-1] + 1).tolist()
    assert predicted == [p for p in sorted(texts_of(store)) if p not in firsts]


def test_windows_over_documents_of_one_token_are_no_windows():
    store = store_of([1, 1, 1])
    assert list(SpanBatches(store, window_spans(store, 8), 64).sweep()) == []


def test_gather_reads_no_further_than_the_text():
    store = store_of([4])
    inputs, targets = gather(store, np.array([0, 4]), np.array([5, 1]), 5)
    assert inputs.tolist() == [[0, 1, 2, 3, 4], [4, 0, 0, 0, 0]]
    assert targets.tolist() == [[1, 2, 3, 4, END], [END, *[IGNORE] * 4]]
