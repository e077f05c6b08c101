"""Every row of what cannot stand together in a request to evaluate is refused, with names of options."""

import pytest

from rnngen.errors import OptionError
from rnngen.options.corpus import CorpusOptions
from rnngen.options.model import EvaluationOptions, OutputOptions
from rnngen.requests.conflicts import Conflict, ConflictError, Need
from rnngen.requests.evaluate import CONFLICTS, REQUIREMENTS, EvaluateRequest

VALUES = {
    "corpus": {"corpus": ("test.tsv",)},
    "source": {"text": CorpusOptions(source="sources.txt")},
    "source_field": {"text": CorpusOptions(source_field="question")},
    "source + source_field": {"text": CorpusOptions(source="sources.txt", source_field="question")},
    "encoding": {"text": CorpusOptions(encoding="cp1252")},
    "field": {"text": CorpusOptions(field="body")},
    "label_field": {"text": CorpusOptions(label_field="kind")},
    "beam": {"outputs": OutputOptions(beam=5)},
    "length_penalty": {"outputs": OutputOptions(length_penalty=1.0)},
    "length_penalty + beam": {"outputs": OutputOptions(beam=5, length_penalty=1.0)},
    "dynamic": {"evaluation": EvaluationOptions(dynamic=True)},
    "cache": {"evaluation": EvaluationOptions(cache=True)},
}
"""Fields of a request that give each option."""
ADAPTING = {
    "dynamic_rule": "sgd",
    "dynamic_lr": 0.1,
    "dynamic_decay": 0.0,
    "dynamic_segment": 8,
    "cache_size": 9,
    "cache_weight": 0.5,
    "cache_flatness": 0.0,
}
for name, value in ADAPTING.items():
    mode = name.partition("_")[0]
    VALUES[name] = {"evaluation": EvaluationOptions(**{name: value})}
    VALUES[f"{name} + {mode}"] = {"evaluation": EvaluationOptions(**{name: value, mode: True})}


def both(row):
    """Fields that give both options of a row, and the corpus where a third one needs it."""
    together = VALUES.get(f"{row.option} + {row.other}")
    corpus = (
        VALUES["corpus"]
        if row.option in ("source", "source_field", "encoding", "field", "label_field")
        else {}
    )
    return corpus | (together or VALUES[row.option] | VALUES[row.other])


@pytest.mark.parametrize("row", CONFLICTS, ids=str)
def test_a_request_that_breaks_a_row_is_refused_and_names_both_options(row):
    alone = [VALUES[row.other] | VALUES["corpus"]]
    if isinstance(row, Conflict):
        given = both(row)
        alone.append(VALUES[row.option] | VALUES["corpus"])
    else:
        given = VALUES[row.option]
        alone.append(both(row))
    with pytest.raises(ConflictError) as caught:
        EvaluateRequest(**given)
    assert caught.value.conflict == row
    assert row.reason in str(caught.value)
    assert row.option in str(caught.value)
    assert row.other in str(caught.value)
    assert f"--{row.option}" in caught.value.message(lambda name: f"--{name}")
    for fields in alone:
        EvaluateRequest(**fields)


@pytest.mark.parametrize("row", REQUIREMENTS, ids=lambda row: row.option)
def test_options_that_need_a_capability_are_refused_without_it(row):
    request = EvaluateRequest(
        **both(Need(row.option, "beam" if row.option == "length_penalty" else "corpus", ""))
    )
    lacks = "has no labels" if row.capability == "labels" else "reads no source"
    with pytest.raises(OptionError, match=f"{row.reason}, and this model {lacks}; leave it out"):
        request.check_model(has_source=False)
    request.check_model(has_source=True, has_labels=True)


def test_other_options_need_no_source():
    evaluation = EvaluationOptions(dynamic=True, cache=True)
    EvaluateRequest("tale", ("a.txt",), CorpusOptions(encoding="cp1252"), evaluation).check_model(
        has_source=False
    )
