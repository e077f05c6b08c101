"""The built-in plugins, through the same hooks as any other.

This module is light: it names what there is and where. Nothing in this package imports what a stranger's
plugin may not import.
"""

from collections.abc import Iterable

from rnngen.builtins import options as o
from rnngen.builtins.attention import rnngen_attentions as rnngen_attentions
from rnngen.builtins.cells.gru.options import GRUOptions
from rnngen.builtins.cells.lstm.options import LSTMOptions
from rnngen.builtins.cells.rnn.options import RNNOptions
from rnngen.builtins.filters import options as f
from rnngen.builtins.seq2seq.options import Seq2SeqOptions
from rnngen.builtins.strategies import rnngen_strategies as rnngen_strategies
from rnngen.contracts import CellSpec, FilterSpec, Flag, NetworkSpec, ReaderSpec, TaskSpec, TokenizerSpec
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
        ),
        CellSpec(
            name="gru",
            summary="gated recurrent unit (Cho et al. 2014)",
            load=f"{home}.gru.torch:gru",
            numpy=f"{home}.gru.numpy:GRUStep",
            options=GRUOptions,
        ),
        CellSpec(
            name="rnn",
            summary="simple recurrent network (Elman 1990), with tanh, relu or sigmoid",
            load=f"{home}.rnn.torch:rnn",
            numpy=f"{home}.rnn.numpy:RNNStep",
            options=RNNOptions,
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
            options=o.CharOptions,
        ),
        TokenizerSpec(
            name="byte",
            summary="one token a byte of UTF-8; nothing to learn",
            load=f"{home}.byte:ByteTokenizer",
        ),
        TokenizerSpec(
            name="bpe",
            summary="byte-level byte-pair encoding (Sennrich et al. 2016)",
            load=f"{home}.bpe:BPETokenizer",
            options=o.VocabularyOptions,
        ),
        TokenizerSpec(
            name="word",
            summary="one token a frequent word with the space before it; rare words are spelt in bytes",
            load=f"{home}.word:WordTokenizer",
            options=o.VocabularyOptions,
        ),
        TokenizerSpec(
            name="unigram",
            summary="unigram language model over byte-level pieces (Kudo 2018)",
            load=f"{home}.unigram:UnigramTokenizer",
            options=o.VocabularyOptions,
        ),
        TokenizerSpec(
            name="wordpiece",
            summary="byte-level WordPiece, longest match first (Schuster and Nakajima 2012)",
            load=f"{home}.wordpiece:WordPieceTokenizer",
            options=o.VocabularyOptions,
        ),
    ]


@hookimpl
def rnngen_tasks() -> Iterable[TaskSpec]:
    """Return the tasks: free text, lines, and pairs."""
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
            name="pairs",
            summary="a text for a source, tab between: translation, summaries, spelling out",
            load="rnngen.builtins.tasks:Pairs",
            pairs=True,
            cell="seq2seq",
            strategy="greedy",
        ),
    ]


@hookimpl
def rnngen_readers() -> Iterable[ReaderSpec]:
    """Return the readers of plain text and JSON lines; they receive bytes that are decompressed already."""
    home = "rnngen.builtins.readers"
    return [
        ReaderSpec(
            name="text",
            summary="plain text in any encoding",
            load=f"{home}:read_text",
            options=o.TextReaderOptions,
            suffixes=(".txt", ".text", ".md"),
        ),
        ReaderSpec(
            name="jsonl",
            summary="JSON lines: one document a line, its text under one key",
            load=f"{home}:read_json_lines",
            options=o.JSONLinesOptions,
            suffixes=(".jsonl", ".ndjson"),
        ),
    ]


@hookimpl
def rnngen_filters() -> Iterable[FilterSpec]:
    """Return the filters of the next-token distribution."""
    home = "rnngen.builtins.filters"
    return [
        FilterSpec(
            name="repetition",
            summary="make tokens that have occurred less probable (Keskar et al. 2019)",
            load=f"{home}.penalties:repetition",
            options=f.RepetitionOptions,
            flag=Flag(name="repetition-penalty", help="Above 1: repeat less."),
            rank=10,
        ),
        FilterSpec(
            name="temp",
            summary="sharpen or flatten the distribution",
            load=f"{home}.truncation:temperature",
            options=f.TemperatureOptions,
            flag=Flag(
                name="temp",
                help="Below 1 is safer, above 1 is wilder, 0 is greedy.  [default: 0.8]",
                common=True,
            ),
            rank=20,
            llama_rank=36,
        ),
        FilterSpec(
            name="top_k",
            summary="keep the k most probable tokens (Fan et al. 2018)",
            load=f"{home}.truncation:top_k",
            options=f.TopKOptions,
            flag=Flag(name="top-k", help="Draw from the K most probable tokens only.", common=True),
            rank=30,
            llama_rank=31,
        ),
        FilterSpec(
            name="top_p",
            summary="keep the nucleus of probability p (Holtzman et al. 2020)",
            load=f"{home}.truncation:top_p",
            options=f.TopPOptions,
            flag=Flag(
                name="top-p", help="Draw from the smallest set of tokens of probability P.", common=True
            ),
            rank=31,
            llama_rank=33,
        ),
        FilterSpec(
            name="min_p",
            summary="keep tokens near the most probable one (Nguyen et al. 2024)",
            load=f"{home}.truncation:min_p",
            options=f.MinPOptions,
            flag=Flag(
                name="min-p", help="Draw from tokens at least P times as probable as the best.", common=True
            ),
            rank=32,
            llama_rank=34,
        ),
        FilterSpec(
            name="frequency",
            summary="subtract from the logits of tokens, for each time that they occurred",
            load="rnngen.builtins.filters.penalties:frequency",
            options=f.CountOptions,
            flag=Flag(name="frequency-penalty", help="Subtract this for each time that a token occurred."),
            rank=11,
        ),
        FilterSpec(
            name="presence",
            summary="subtract from the logits of tokens that have occurred",
            load="rnngen.builtins.filters.penalties:presence",
            options=f.CountOptions,
            flag=Flag(name="presence-penalty", help="Subtract this from tokens that have occurred."),
            rank=12,
        ),
        FilterSpec(
            name="dry",
            summary="penalise tokens that continue a repetition, more the longer it is (p-e-w 2024)",
            load="rnngen.builtins.filters.penalties:dry",
            options=f.DryOptions,
            needs_text=True,
            flag=Flag(
                name="dry", help="Penalise what goes on with a repetition, this strongly; 0.8 is usual."
            ),
            rank=13,
        ),
        FilterSpec(
            name="no_repeat_ngram",
            summary="never n tokens in a row twice (Paulus et al. 2017)",
            load="rnngen.builtins.filters.penalties:no_repeat_ngram",
            options=f.NoRepeatOptions,
        ),
        FilterSpec(
            name="dynatemp",
            summary="a temperature that follows the entropy (Zhang et al. 2024)",
            load="rnngen.builtins.filters.truncation:dynatemp",
            options=f.DynatempOptions,
        ),
        FilterSpec(
            name="typical",
            summary="keep tokens of typical surprisal (Meister et al. 2022)",
            load="rnngen.builtins.filters.truncation:typical",
            options=f.TypicalOptions,
            flag=Flag(name="typical", help="Draw from the most typical tokens, of probability P together."),
            rank=33,
            llama_rank=32,
        ),
        FilterSpec(
            name="epsilon",
            summary="keep tokens of probability ε or more (Hewitt et al. 2022)",
            load="rnngen.builtins.filters.truncation:epsilon",
            options=f.EpsilonOptions,
        ),
        FilterSpec(
            name="eta",
            summary="the same, with a bound that falls with the entropy (Hewitt et al. 2022)",
            load="rnngen.builtins.filters.truncation:eta",
            options=f.EtaOptions,
        ),
        FilterSpec(
            name="top_nsigma",
            summary="keep tokens within n standard deviations of the best (Tang et al. 2024)",
            load="rnngen.builtins.filters.truncation:top_nsigma",
            options=f.TopNSigmaOptions,
            flag=Flag(name="top-nsigma", help="Draw from tokens within N standard deviations of the best."),
            rank=34,
            llama_rank=30,
        ),
        FilterSpec(
            name="xtc",
            summary="exclude the top choices now and then (p-e-w 2024)",
            load="rnngen.builtins.filters.adaptive:xtc",
            options=f.XTCOptions,
            flag=Flag(name="xtc", help="With this probability, exclude all top choices but the last."),
            rank=35,
            llama_rank=35,
        ),
        FilterSpec(
            name="mirostat",
            summary="hold the surprisal of the text near a target (Basu et al. 2021)",
            load="rnngen.builtins.filters.adaptive:mirostat",
            options=f.MirostatOptions,
            flag=Flag(name="mirostat", help="Mirostat sampling, version 1 or 2 (target 5 bits per token)."),
            rank=40,
            llama_rank=40,
        ),
        FilterSpec(
            name="ban",
            summary="never write some texts",
            load="rnngen.builtins.filters.lexical:ban",
            options=f.BanOptions,
            needs_text=True,
        ),
        FilterSpec(
            name="force",
            summary="write nothing but the tokens of some texts",
            load="rnngen.builtins.filters.lexical:force",
            options=f.ForceOptions,
            needs_text=True,
        ),
        FilterSpec(
            name="logit_bias",
            summary="add to the logits of given tokens",
            load="rnngen.builtins.filters.lexical:logit_bias",
            options=f.BiasOptions,
            needs_text=True,
        ),
        FilterSpec(
            name="min_length",
            summary="no end before a minimum length",
            load="rnngen.builtins.filters.lexical:min_length",
            options=f.MinLengthOptions,
            needs_text=True,
        ),
    ]
