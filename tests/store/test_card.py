"""The model card: what it has to tell, and that it tells the same for the same training."""

from dataclasses import asdict, fields, replace

import pytest

from rnngen.events import FinalEvaluation, Finished
from rnngen.options.model import NetworkOptions, TrainingOptions
from rnngen.registry.components import ComponentRecord
from rnngen.store.card import model_card, with_sections
from rnngen.store.config import CorpusRecord, ModelConfig

CONFIG = ModelConfig(
    cell=ComponentRecord("lstm", "rnngen", "0.1.0", {"forget_bias": 1.5}),
    tokenizer=ComponentRecord("runes", "acme-runes", "2.3", {}),
    task=ComponentRecord("continue", "rnngen", "0.1.0", {}),
    network=NetworkOptions(hidden=77, layers=2),
    training=TrainingOptions(steps=1200, seed=5),
    corpus=CorpusRecord(("/home/me/odes.txt", "/home/me/愛.txt"), "abcdef" * 10, 123_456, 111_110, 0.1, True),
    vocabulary=300,
    default_prompt="\n",
    rnngen="0.1.0",
)
JUDGED = FinalEvaluation(1000, stream=1.23456, window=1.34567, seconds=2.0)
FINISHED = Finished("budget", 1200, 1000, 1.24, 60.0)


def card(**changes):
    return model_card("odes", CONFIG.replace(**changes), JUDGED, FINISHED)


@pytest.mark.parametrize(
    "fact",
    [
        "# odes\n",
        "rnngen sample -m odes\n",
        "(`stream`) | 1.2346 |",
        "(`window`) | 1.3457 |",
        "odes.txt, 愛.txt: 123,456 characters",
        "SHA-256 `abcdefabcdefabcd…`",
        "10%\nheld out",
        "step 1,000 of 1,200",
        "- cell `lstm` (rnngen 0.1.0), forget_bias=1.5",
        "- tokenizer `runes` (acme-runes 2.3)\n",
        "- task `continue` (rnngen 0.1.0)",
        "| hidden | 77 | Size of each recurrent layer (H). ",
        "| seed | 5 |",
    ],
)
def test_the_card_tells(fact):
    assert fact in card()


def test_every_option_is_told_with_its_value():
    text = card()
    for options in (CONFIG.network, CONFIG.training):
        for field in fields(options):
            assert f"| {field.name} | {getattr(options, field.name)} | " in text


def test_the_losses_of_its_parts_are_told_where_there_are_some():
    assert "alone (`stream`)" not in card()
    mixed = model_card("odes", CONFIG, replace(JUDGED, network=1.5, ngram=1.75), FINISHED)
    assert "network alone (`stream`) | 1.5000 |" in mixed
    assert "n-gram alone (`stream`) | 1.7500 |" in mixed


def test_a_card_takes_sections_and_the_name_that_the_model_has_now():
    found = with_sections(card(), "songs", ["## Samples\n\nla", "## More"])
    assert found.startswith("# songs\n\nA recurrent text generator")
    assert "odes\n" not in found
    headings = [line for line in found.splitlines() if line.startswith("#")]
    assert headings == ["# songs", "## Samples", "## More", "## Made of", "## Network", "## Training"]
    assert found.endswith(card()[card().index("## Made of") :])
    assert with_sections("# odes\n\nBy hand.\n", "odes", ["## More"]) == "# odes\n\nBy hand.\n\n## More\n"


def test_a_card_of_a_model_without_a_verdict_has_no_losses():
    found = model_card("odes", CONFIG)
    assert "nats per character" not in found
    assert "123,456 characters" in found


def test_nothing_of_the_clock_or_of_this_machines_folders_is_told():
    slower = model_card("odes", CONFIG, replace(JUDGED, seconds=9e5), replace(FINISHED, seconds=8e6))
    assert slower == card()
    assert "/home/me" not in card()


def test_a_text_of_its_own_for_validation_is_named():
    record = replace(CONFIG.corpus, val_paths=("/home/me/held-out.txt",))
    assert "held-out.txt\nheld out" in card(corpus=record)


@pytest.mark.parametrize(("fraction", "told"), [(0.5, "50%"), (0.005, "0.5%"), (0.123, "12.3%")])
def test_the_share_held_out_is_told_as_it_is(fraction, told):
    assert f", {told}\nheld out" in card(corpus=replace(CONFIG.corpus, val_fraction=fraction))


def test_many_files_are_told_by_the_first():
    record = replace(CONFIG.corpus, paths=tuple(f"/x/{number}.txt" for number in range(9)))
    assert "0.txt, 1.txt, 2.txt, 3.txt, 4.txt …" in card(corpus=record)
    assert "5.txt" not in card(corpus=record)


def test_every_table_has_as_many_cells_in_each_row():
    rows = [line for line in card().splitlines() if line.startswith("|")]
    assert len(rows) > len(asdict(CONFIG.network))
    assert {row.count("|") for row in rows} == {3, 4}
