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
growing cache of keys (``CarryingLayer`` bounds it), (B,S,M) for an encoder's memory, (B,) integers for a
clock.

::

    networks   Layer · Attention · Network, SourceNetwork · the steps of each · Blueprint
    text       Chunk · Tokenizer, ExtendableTokenizer · Task, SourceTask · Reader · note
    decoding   Filter, StatefulFilter, TextConstraint · Strategy, DecodingJob · Listener
    specs      what hooks return
"""

from rnngen.contracts.decoding import AnyFilter as AnyFilter
from rnngen.contracts.decoding import ClosingListener as ClosingListener
from rnngen.contracts.decoding import DecodingJob as DecodingJob
from rnngen.contracts.decoding import Filter as Filter
from rnngen.contracts.decoding import Generated as Generated
from rnngen.contracts.decoding import GenerationState as GenerationState
from rnngen.contracts.decoding import Hypothesis as Hypothesis
from rnngen.contracts.decoding import Listener as Listener
from rnngen.contracts.decoding import PromptedFilter as PromptedFilter
from rnngen.contracts.decoding import ReportingStrategy as ReportingStrategy
from rnngen.contracts.decoding import SearchNode as SearchNode
from rnngen.contracts.decoding import StatefulFilter as StatefulFilter
from rnngen.contracts.decoding import Strategy as Strategy
from rnngen.contracts.decoding import TextConstraint as TextConstraint
from rnngen.contracts.networks import IGNORE as IGNORE
from rnngen.contracts.networks import NO_TOKEN as NO_TOKEN
from rnngen.contracts.networks import Attention as Attention
from rnngen.contracts.networks import AttentionStep as AttentionStep
from rnngen.contracts.networks import Blueprint as Blueprint
from rnngen.contracts.networks import CarryingLayer as CarryingLayer
from rnngen.contracts.networks import CarryingNetwork as CarryingNetwork
from rnngen.contracts.networks import ChunkStep as ChunkStep
from rnngen.contracts.networks import CompiledMatrix as CompiledMatrix
from rnngen.contracts.networks import ComponentFactory as ComponentFactory
from rnngen.contracts.networks import ConditionedStep as ConditionedStep
from rnngen.contracts.networks import FeatureNetwork as FeatureNetwork
from rnngen.contracts.networks import FeatureStep as FeatureStep
from rnngen.contracts.networks import Floats as Floats
from rnngen.contracts.networks import GatedStep as GatedStep
from rnngen.contracts.networks import Head as Head
from rnngen.contracts.networks import Layer as Layer
from rnngen.contracts.networks import LayeredStep as LayeredStep
from rnngen.contracts.networks import LayerStep as LayerStep
from rnngen.contracts.networks import ModuleFactory as ModuleFactory
from rnngen.contracts.networks import Network as Network
from rnngen.contracts.networks import NetworkStep as NetworkStep
from rnngen.contracts.networks import PieceNetwork as PieceNetwork
from rnngen.contracts.networks import Quantizable as Quantizable
from rnngen.contracts.networks import SourceNetwork as SourceNetwork
from rnngen.contracts.networks import SourceStep as SourceStep
from rnngen.contracts.networks import State as State
from rnngen.contracts.networks import StreamStep as StreamStep
from rnngen.contracts.networks import TokenIds as TokenIds
from rnngen.contracts.networks import Weights as Weights
from rnngen.contracts.networks import quantizable as quantizable
from rnngen.contracts.notes import collected_notes as collected_notes
from rnngen.contracts.notes import note as note
from rnngen.contracts.specs import AttentionSpec as AttentionSpec
from rnngen.contracts.specs import CellSpec as CellSpec
from rnngen.contracts.specs import CommandSpec as CommandSpec
from rnngen.contracts.specs import FilterSpec as FilterSpec
from rnngen.contracts.specs import Flag as Flag
from rnngen.contracts.specs import ListenerSpec as ListenerSpec
from rnngen.contracts.specs import NetworkSpec as NetworkSpec
from rnngen.contracts.specs import ReaderSpec as ReaderSpec
from rnngen.contracts.specs import Spec as Spec
from rnngen.contracts.specs import StrategySpec as StrategySpec
from rnngen.contracts.specs import TaskSpec as TaskSpec
from rnngen.contracts.specs import TokenizerSpec as TokenizerSpec
from rnngen.contracts.specs import imported as imported
from rnngen.contracts.text import Chunk as Chunk
from rnngen.contracts.text import ExtendableTokenizer as ExtendableTokenizer
from rnngen.contracts.text import Reader as Reader
from rnngen.contracts.text import SourceTask as SourceTask
from rnngen.contracts.text import Task as Task
from rnngen.contracts.text import Tokenizer as Tokenizer
from rnngen.contracts.whole_text import LabelColumn as LabelColumn
from rnngen.contracts.whole_text import WholeText as WholeText
from rnngen.contracts.whole_text import whole_text as whole_text
