"""Every row of what cannot stand together in a request to evaluate is refused, with names of options."""

import pytest

from rnngen.errors import OptionError
from rnngen.options.corpus import CorpusOptions
from rnngen.options.model import EvaluationOptions, OutputOptions
from rnngen.requests.conflicts import Conflict, ConflictError
from rnngen.requests.evaluate import CONFLICTS, SOURCE_OPTIONS, EvaluateRequest

VALUES = {
    "corpus": {"corpus": ("test.tsv",)},
    "source": {"text": CorpusOptions(source="sources.txt")},
    "source_field": {"text": CorpusOptions(source_field="question")},
    "source + source_field": {"text": CorpusOptions(source="sources.txt", source_field="question")},
    "beam": {"outputs": OutputOptions(beam=5)},
    "length_penalty": {"outputs": OutputOptions(length_penalty=1.0)},
}
"""Fields of a request that give each option."""


@pytest.mark.parametrize("row", CONFLICTS, ids=str)
def test_a_request_that_breaks_a_row_is_refused_and_names_both_options(row):
    if isinstance(row, Conflict):
        given = VALUES[f"{row.option} + {row.other}"] | VALUES["corpus"]
        alone = [VALUES[row.option] | VALUES["corpus"], VALUES[row.other] | VALUES["corpus"]]
    else:
        given, alone = VALUES[row.option], [VALUES[row.option] | VALUES[row.other], VALUES[row.other]]
    with pytest.raises(ConflictError) as caught:
        EvaluateRequest(**given)
    assert caught.value.conflict is row
    assert row.option in str(caught.value)
    assert row.other in str(caught.value)
    assert f"--{row.option}" in caught.value.message(lambda name: f"--{name}")
    for fields in alone:
        EvaluateRequest(**fields)


@pytest.mark.parametrize("option", SOURCE_OPTIONS)
def test_options_that_need_a_source_are_refused_without_one(option):
    request = EvaluateRequest(**VALUES["corpus"], **VALUES[option])
    with pytest.raises(OptionError, match=f"^{option} needs a model that reads a source"):
        request.check_model(has_source=False)
    request.check_model(has_source=True)


def test_other_options_need_no_source():
    evaluation = EvaluationOptions(dynamic=True, cache=True)
    EvaluateRequest("tale", ("a.txt",), CorpusOptions(encoding="cp1252"), evaluation).check_model(
        has_source=False
    )
