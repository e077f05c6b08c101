"""The contracts between the parts of rnngen: all that a plugin has to know.

A plugin returns *specs* from hooks (``rnngen.hookspecs``). A spec holds a name, a one-line summary, an
options dataclass and the place of the implementation, as ``"package.module:attribute"``; that string is
resolved only when the name is used, so that listings need no import of torch.

Dimensions, here and everywhere: B batch, T time, V vocabulary, E embedding, I a layer's input, H hidden,
G projected input (gates), L layers, S source length, M memory (an encoder's output for a source token),
C context (an attention's output), K beams.

**State is explicit.** All that a network remembers goes in and comes out as a flat tuple of arrays with the
batch on axis 0: ``(y, state) = layer(x, state)``. To fork, reorder or drop streams is then one line::

    state = tuple(array[rows] for array in state)

whatever the shapes behind the batch: (B,H) for an LSTM, (B,H,H) for a matrix memory, (B,t,H) for a
growing cache of keys, (B,S,M) for an encoder's memory.

::

    networks   Layer · Attention · Network, SourceNetwork · the steps of each · Blueprint
    text       Chunk · Tokenizer · Task · Reader
    decoding   Filter, StatefulFilter · Strategy, DecodingJob · Listener
    specs      what hooks return
"""

from rnngen.contracts.decoding import (
    AnyFilter,
    DecodingJob,
    Filter,
    Generated,
    GenerationState,
    Hypothesis,
    Listener,
    ReportingStrategy,
    StatefulFilter,
    Strategy,
)
from rnngen.contracts.networks import (
    IGNORE,
    NO_TOKEN,
    Attention,
    AttentionStep,
    Blueprint,
    ChunkStep,
    ComponentFactory,
    FeatureNetwork,
    FeatureStep,
    Floats,
    Head,
    Layer,
    LayerStep,
    ModuleFactory,
    Network,
    NetworkStep,
    Quantizable,
    SourceNetwork,
    SourceStep,
    State,
    StreamStep,
    TokenIds,
    Weights,
    quantizable,
)
from rnngen.contracts.specs import (
    AttentionSpec,
    CellSpec,
    CommandSpec,
    FilterSpec,
    Flag,
    ListenerSpec,
    NetworkSpec,
    ReaderSpec,
    Spec,
    StrategySpec,
    TaskSpec,
    TokenizerSpec,
    imported,
)
from rnngen.contracts.text import Chunk, Reader, Task, Tokenizer

__all__ = [
    "IGNORE",
    "NO_TOKEN",
    "AnyFilter",
    "Attention",
    "AttentionSpec",
    "AttentionStep",
    "Blueprint",
    "CellSpec",
    "Chunk",
    "ChunkStep",
    "CommandSpec",
    "ComponentFactory",
    "DecodingJob",
    "FeatureNetwork",
    "FeatureStep",
    "Filter",
    "FilterSpec",
    "Flag",
    "Floats",
    "Generated",
    "GenerationState",
    "Head",
    "Hypothesis",
    "Layer",
    "LayerStep",
    "Listener",
    "ListenerSpec",
    "ModuleFactory",
    "Network",
    "NetworkSpec",
    "NetworkStep",
    "Quantizable",
    "Reader",
    "ReaderSpec",
    "ReportingStrategy",
    "SourceNetwork",
    "SourceStep",
    "Spec",
    "State",
    "StatefulFilter",
    "Strategy",
    "StrategySpec",
    "StreamStep",
    "Task",
    "TaskSpec",
    "TokenIds",
    "Tokenizer",
    "TokenizerSpec",
    "Weights",
    "imported",
    "quantizable",
]
