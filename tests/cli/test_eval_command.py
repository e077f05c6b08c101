"""``rnngen eval``: the numbers that it gives, their names, and that they hang together."""

import json
import math

import pytest

LOSS = {"nats_per_token", "nats_per_char", "bits_per_char", "perplexity"}


def told(run, *args, **options):
    return json.loads(run("eval", *args, "--json", **options).out)


@pytest.fixture
def held_out(trained, place):
    """The last tenth of the tale, in a file of its own."""
    text = (trained / "tale.txt").read_text()
    path = place / "held-out.txt"
    path.write_text(text[int(len(text) * 0.9) :])
    return path


@pytest.mark.parametrize("model", ["tale", "names"])
def test_the_json_has_these_keys_and_finite_numbers(run, shelf, model):
    result = told(run, "-m", model)
    assert set(result) == {"tokens", "chars", "window", "stream", "floor", "novelty"}
    assert set(result["window"]) == set(result["stream"]) == LOSS
    assert set(result["floor"]) == {"nats_per_char"}
    numbers = [*result["window"].values(), *result["stream"].values(), result["floor"]["nats_per_char"]]
    assert all(math.isfinite(number) and number > 0 for number in numbers)


@pytest.mark.parametrize("reading", ["window", "stream"])
def test_the_ways_to_tell_a_loss_agree(run, shelf, reading):
    result = told(run, "-m", "tale")
    loss = result[reading]
    assert loss["bits_per_char"] == pytest.approx(loss["nats_per_char"] / math.log(2))
    assert loss["perplexity"] == pytest.approx(math.exp(loss["nats_per_token"]))
    ratio = result["chars"] / result["tokens"]
    assert loss["nats_per_token"] == pytest.approx(loss["nats_per_char"] * ratio)


@pytest.mark.slow
def test_without_a_text_it_is_the_one_held_out(run, shelf, held_out):
    own, given = told(run, "-m", "tale"), told(run, "-m", "tale", held_out)
    assert own == given
    assert own["chars"] == len(held_out.read_text())
    assert told(run, "-m", "tale", "-", stdin=held_out.read_text()) == own


@pytest.mark.parametrize("reading", ["window", "stream"])
def test_the_loss_of_lines_is_what_score_says_of_each(run, shelf, place, reading):
    (place / "lines.txt").write_text("Anna\nBela\nEllalie\n")
    loss = told(run, "-m", "names", "lines.txt")[reading]
    scores = [float(line) for line in run("score", "-m", "names", "lines.txt").out.split()]
    assert -sum(scores) / len("Anna.Bela.Ellalie.") == pytest.approx(loss["nats_per_char"], rel=1e-4)


def test_text_like_the_training_text_is_likelier_than_text_unlike_it(run, shelf, held_out, place):
    (place / "noise.txt").write_text("zq xj" * 40)
    near, far = told(run, "-m", "tale", held_out), told(run, "-m", "tale", "noise.txt")
    assert near["stream"]["nats_per_char"] < far["stream"]["nats_per_char"] - 1
    assert near["floor"]["nats_per_char"] < far["floor"]["nats_per_char"] - 1


def test_without_json_it_is_a_table(run, shelf):
    done = run("eval", "-m", "tale")
    rows = done.out.splitlines()
    assert [row.split()[0] for row in rows] == ["mode", "window", "stream", "5-gram"]
    assert f"{told(run, '-m', 'tale')['window']['nats_per_char']:.4f}" in rows[1]
    assert "characters" in done.err


@pytest.mark.slow
def test_readings_that_adapt_come_where_they_are_asked_for(run, shelf):
    result = told(run, "-m", "tale", "--dynamic", "--cache", "--cache-size", "50")
    assert set(result) == {"tokens", "chars", "window", "stream", "dynamic", "cache", "floor", "novelty"}
    assert set(result["dynamic"]) == set(result["cache"]) == LOSS
    rows = run("eval", "-m", "tale", "--dynamic").out.splitlines()
    assert [row.split()[0] for row in rows] == ["mode", "window", "stream", "dynamic", "5-gram"]
    assert "--cache-size 0: at least 1" in run("eval", "-m", "tale", "--cache-size", "0", status=2).err


def test_without_the_training_text_there_is_no_floor_and_a_reason(run, shelf, held_out):
    config = shelf / "tale" / "config.json"
    config.write_text(config.read_text().replace("tale.txt", "gone.txt"))
    done = run("eval", "-m", "tale", held_out, "--json")
    assert json.loads(done.out)["floor"] is None
    assert "gone.txt: the model was trained on this text" in done.err
    missing = run("eval", "-m", "tale", status=1)
    assert missing.out == ""
    assert "gone.txt" in missing.err


def test_the_model_trained_last_is_taken_and_named(run, shelf):
    assert "rnngen: model names\n" in run("eval", "--json").err


def test_nothing_is_left_behind(run, shelf, home, held_out):
    def files():
        return {path for path in home.rglob("*") if path.is_file() and not path.match("plugins-*/*")}

    before = files()
    run("eval", "-m", "tale", held_out, "--json")
    assert files() == before
