"""The built-in plugins, through the same hooks as any other.

This module is light: it names what there is and where. Nothing in this package imports what a stranger's
plugin may not import.
"""

from collections.abc import Iterable

from rnngen.builtins import options
from rnngen.builtins.attention import rnngen_attentions as rnngen_attentions
from rnngen.builtins.cells.options import GRUOptions, LSTMOptions, RNNOptions
from rnngen.builtins.filters import rnngen_filters as rnngen_filters
from rnngen.builtins.seq2seq.options import Seq2SeqOptions
from rnngen.builtins.strategies import rnngen_strategies as rnngen_strategies
from rnngen.contracts import CellSpec, NetworkSpec, ReaderSpec, TaskSpec, TokenizerSpec
from rnngen.hookspecs import hookimpl


@hookimpl
def rnngen_cells() -> Iterable[CellSpec]:
    """Return the classical recurrent cells, and the encoder-decoder."""
    home = "rnngen.builtins.cells"
    return [
        CellSpec(
            name="lstm",
            summary="long short-term memory (Hochreiter and Schmidhuber 1997), with forget gate",
            load=f"{home}.lstm.torch:lstm",
            numpy=f"{home}.lstm.numpy:LSTMStep",
            options=LSTMOptions,
            web=f"{home}.web:LSTM",
        ),
        CellSpec(
            name="gru",
            summary="gated recurrent unit (Cho et al. 2014)",
            load=f"{home}.gru.torch:gru",
            numpy=f"{home}.gru.numpy:GRUStep",
            options=GRUOptions,
            web=f"{home}.web:GRU",
        ),
        CellSpec(
            name="rnn",
            summary="simple recurrent network (Elman 1990), with tanh, relu or sigmoid",
            load=f"{home}.rnn.torch:rnn",
            numpy=f"{home}.rnn.numpy:RNNStep",
            options=RNNOptions,
            web=f"{home}.web:RNN",
        ),
        NetworkSpec(
            name="seq2seq",
            summary="encoder-decoder of any cells, with any attention (Bahdanau, Luong et al. 2015)",
            load="rnngen.builtins.seq2seq.torch:seq2seq",
            numpy="rnngen.builtins.seq2seq.numpy:seq2seq_step",
            options=Seq2SeqOptions,
            parts={"encoder": "cell", "decoder": "cell", "attention": "attention"},
        ),
    ]


@hookimpl
def rnngen_tokenizers() -> Iterable[TokenizerSpec]:
    """Return the tokenizers, from bytes to words."""
    home = "rnngen.builtins.tokenizers"
    return [
        TokenizerSpec(
            name="char",
            summary="one token a character; a character never seen in training goes by its bytes",
            load=f"{home}.char:CharTokenizer",
            options=options.CharOptions,
        ),
        TokenizerSpec(
            name="byte",
            summary="one token a byte of UTF-8; nothing to learn",
            load=f"{home}.byte:ByteTokenizer",
        ),
        TokenizerSpec(
            name="bpe",
            summary="byte-level byte-pair encoding (Sennrich et al. 2016)",
            load=f"{home}.byte_level:BPETokenizer",
            options=options.VocabularyOptions,
        ),
        TokenizerSpec(
            name="word",
            summary="one token a frequent word with the space before it; rare words are spelt in bytes",
            load=f"{home}.byte_level:WordTokenizer",
            options=options.VocabularyOptions,
        ),
        TokenizerSpec(
            name="unigram",
            summary="unigram language model over byte-level pieces (Kudo 2018)",
            load=f"{home}.unigram:UnigramTokenizer",
            options=options.VocabularyOptions,
        ),
        TokenizerSpec(
            name="wordpiece",
            summary="byte-level WordPiece, longest match first (Schuster and Nakajima 2012)",
            load=f"{home}.byte_level:WordPieceTokenizer",
            options=options.VocabularyOptions,
        ),
    ]


@hookimpl
def rnngen_tasks() -> Iterable[TaskSpec]:
    """Return the tasks: free text, lines, documents, pairs, and texts under labels."""
    return [
        TaskSpec(
            name="continue",
            summary="free text: continue a prompt, without end",
            load="rnngen.builtins.tasks:Continue",
        ),
        TaskSpec(
            name="lines",
            summary="every line is an example, which ends by itself: names, titles, verses",
            load="rnngen.builtins.tasks:Lines",
        ),
        TaskSpec(
            name="documents",
            summary="records, or texts of several lines with blank lines between: poems, recipes, tunes",
            load="rnngen.builtins.documents:Documents",
            options=options.DocumentsOptions,
        ),
        TaskSpec(
            name="pairs",
            summary="a text for a source, tab between: translation, summaries, spelling out",
            load="rnngen.builtins.tasks:Pairs",
            has_source=True,
            cell="seq2seq",
            strategy="greedy",
        ),
        TaskSpec(
            name="labelled",
            summary="a text under a label, tab between: names by country, verses by mood, mail by kind",
            load="rnngen.builtins.tasks:Labelled",
            has_labels=True,
        ),
    ]


@hookimpl
def rnngen_readers() -> Iterable[ReaderSpec]:
    """Return the readers of text, JSON and tables; they receive bytes that are decompressed already."""
    home = "rnngen.builtins.readers"
    return [
        ReaderSpec(
            name="text",
            summary="plain text in any encoding",
            load=f"{home}.text:read_text",
            options=options.TextReaderOptions,
            suffixes=(".txt", ".text", ".md"),
        ),
        ReaderSpec(
            name="jsonl",
            summary="JSON lines: one document a line, its text under one key",
            load=f"{home}.records:read_json_lines",
            options=options.JSONLinesOptions,
            suffixes=(".jsonl", ".ndjson"),
        ),
        ReaderSpec(
            name="json",
            summary="JSON: an array of objects, or objects one after another, a document each",
            load=f"{home}.records:read_json",
            options=options.JSONLinesOptions,
            suffixes=(".json",),
        ),
        ReaderSpec(
            name="csv",
            summary="tables: a document a row, columns separated by commas, semicolons, tabs or bars",
            load=f"{home}.tables:read_csv",
            options=options.TableOptions,
            suffixes=(".csv",),
        ),
        ReaderSpec(
            name="tsv",
            summary="tables whose columns are separated by tabs",
            load=f"{home}.tables:read_tsv",
            options=options.TableOptions,
            suffixes=(".tsv", ".tab"),
        ),
    ]
