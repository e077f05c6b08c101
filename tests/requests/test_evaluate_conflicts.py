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
    "header": {"text": CorpusOptions(header=False)},
    "reader": {"text": CorpusOptions(reader="text")},
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
    other = row.other.partition("|")[0]
    together = VALUES.get(f"{row.option} + {other}")
    corpus = VALUES["corpus"] if row.option in ("source", *vars(CorpusOptions())) else {}
    return corpus | (together or VALUES[row.option] | VALUES[other])


TARGET = {"target": ("a.txt", "b.txt")}


def test_targets_need_sources_and_no_corpus():
    EvaluateRequest(**TARGET, **VALUES["source"])
    with pytest.raises(ConflictError, match="target needs source"):
        EvaluateRequest(**TARGET)
    with pytest.raises(ConflictError, match="target and corpus cannot stand together"):
        EvaluateRequest(**TARGET, **VALUES["source"], **VALUES["corpus"])
    with pytest.raises(ConflictError, match="source needs corpus or target"):
        EvaluateRequest(**VALUES["source"])
    with pytest.raises(OptionError, match="reads no source"):
        EvaluateRequest(**TARGET, **VALUES["source"]).check_model(has_source=False)


@pytest.mark.parametrize("row", [row for row in CONFLICTS if row.option != "target"], ids=str)
def test_a_request_that_breaks_a_row_is_refused_and_names_both_options(row):
    other = row.other.partition("|")[0]
    alone = [VALUES[other] | VALUES["corpus"]]
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
    assert other in str(caught.value)
    assert f"--{row.option}" in caught.value.message(lambda name: f"--{name}")
    for fields in alone:
        EvaluateRequest(**fields)


@pytest.mark.parametrize(
    "row", [row for row in REQUIREMENTS if row.option != "target"], ids=lambda row: row.option
)
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
