"""Built-in filters, readers and the rest hold to the suites that strangers' have to pass."""

import pytest

from rnngen.registry import Registry
from rnngen.testing import check_filter, check_light, check_reader
from rnngen.testing.tokenizers import check_hash_seed

NEEDED = {"ban": {"texts": "sea"}, "force": {"texts": "a|e|i|o|u"}, "logit_bias": {"biases": "a:2"}}
SAMPLES = {
    "text": b"the sea\nand the sky\n",
    "jsonl": b'{"text": "the sea"}\n{"text": "the sky"}\n',
    "json": b'[{"text": "the sea"}, {"text": "the sky"}]',
    "csv": b"text,n\nthe sea,1\nthe sky,2\n",
    "tsv": b"the sea\nthe sky\n",
}


@pytest.mark.parametrize("found", Registry().all("filter"), ids=lambda one: one.spec.name)
def test_filters(found):
    check_filter(found.spec, **NEEDED.get(found.spec.name, {}))


@pytest.mark.parametrize("found", Registry().all("reader"), ids=lambda one: one.spec.name)
def test_readers(found):
    check_reader(found.spec, SAMPLES[found.spec.name])


def test_the_module_of_hooks_is_light():
    check_light("rnngen.builtins")


@pytest.mark.slow
@pytest.mark.parametrize("found", Registry().all("tokenizer"), ids=lambda one: one.spec.name)
def test_training_does_not_depend_on_the_order_of_sets(found):
    check_hash_seed(found.spec)
