"""The Python interface: ``load``, ``train``, and what a model can do.

::

    import rnngen

    model = rnngen.load("corpus")            # or rnngen.train("corpus.txt", minutes=3, progress=True)
    print(model.generate("ROMEO:", temperature=0.8, length=300, seed=7))
    for piece in model.stream("ROMEO:", length=300):
        print(piece, end="")
    print(model.score("A text."), model.next("The cat", 10), model.evaluate())
    pairs = rnngen.load("en-zh")             # a model that reads a source
    print(pairs.translate(["How are you?"], beam=5))

Defaults, texts and errors are those of the command line, which is written on this module. A ``Session`` says
which plugins and which models there are.
"""

import math
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, TypeAlias

from rnngen.errors import ConstraintError, UnknownName, UsageError
from rnngen.paths import home, prefixes

if TYPE_CHECKING:
    from rnngen.contracts import Listener, NetworkStep
    from rnngen.evaluation.dynamic import Adapted
    from rnngen.evaluation.evaluator import Evaluation
    from rnngen.events import Event
    from rnngen.generation.alignment import Alignment, Unit
    from rnngen.generation.decoder import Decoder
    from rnngen.generation.decoding_choice import DecodingFlags
    from rnngen.generation.generator import Generator
    from rnngen.generation.infill import Filling
    from rnngen.generation.loading import LoadOptions
    from rnngen.generation.prompts import Prompt
    from rnngen.generation.saved_state import SavedState
    from rnngen.options.corpus import AdaptingOptions
    from rnngen.registry import Registry
    from rnngen.requests.evaluate import EvaluateRequest
    from rnngen.requests.sample import DecodingChoice, SampleRequest
    from rnngen.requests.train import TrainRequest
    from rnngen.store.model_folder import ModelStore, StoredModel
    from rnngen.training.plan import Plan
    from rnngen.training.sizing import Proposal

Names: TypeAlias = str | PurePath | Sequence[str | PurePath]
"""A file, a folder, a pattern or the name of a model, or several."""
LOADING = "loading torch"
"""The work of the first import, which takes a second or several."""
__all__ = ["Model", "Session", "load", "model_names", "models", "train"]


def models() -> "ModelStore":
    """Return the store of this user's models."""
    from rnngen.store.model_folder import ModelStore

    return ModelStore(home() / "models")


def model_names() -> list[str]:
    """Return the names of this user's models."""
    return models().names()


def load(name: Names | None = None, *, device: str = "cpu", quantize: str | None = None) -> "Model":
    """Load a model by name or path; without either, the default one, else the one trained last.

    Several generate together.

    Args:
        name: of the model, or of several; a ``Path`` is never taken for a name.
        device: ``cpu``, ``cuda``, ``cuda:N``, ``mps`` or ``auto``.
        quantize: ``int8`` or ``bf16``, to hold the weights in 8 or 16 bits and take compiled steps.

    Raises:
        NotFoundError, ModelError, PluginError, UsageError: if it cannot be loaded.
    """
    from rnngen.generation.loading import LoadOptions

    names = (None,) if name is None else _names(name)
    if not names:
        raise UsageError("no model is named; leave the name out for the default one")
    return Session.here().load(*names, options=LoadOptions(device, quantize))


def train(corpus: Names, *, progress: bool = False, **options: Any) -> "Model":
    """Train a model, and load it; an ``RnngenError`` of any kind leaves what was saved before.

    Args:
        corpus: a file, a folder or a pattern, or several.
        progress: whether a line is written to stderr for each evaluation.
        options: of ``rnngen train``, by the names of its flags: ``name``, ``task``, ``cell``, ``hidden``,
            ``minutes``, ``steps``, ``seed``, ``force``; ``settings`` holds options of components. Those of
            the command line alone are refused: ``plan``, ``nproc``, ``listener``, ``from_study``,
            ``storage``.
    """
    from rnngen.events import Evaluated, Warned
    from rnngen.requests.train import COMMAND_OPTIONS, TrainRequest

    for name in COMMAND_OPTIONS.intersection(options):
        raise UsageError(f"{name} is an option of the command line; leave it out here")
    here = Session.here()
    request, _ = here.with_sizes(TrainRequest.of(*_names(corpus), **options))
    plan = here.plan(request)
    for event in here.train(plan):
        if progress and isinstance(event, Evaluated):
            kept = ", the best so far" if event.best else ""
            sys.stderr.write(f"step {event.step}: {event.nats_per_char:.4f} nats per character{kept}\n")
        elif progress and isinstance(event, Warned):
            sys.stderr.write(f"warning: {event.message}\n")
    return here.load(str(plan.path))


def _names(given: Names) -> tuple[str, ...]:
    """Return names and paths as text, in which a ``Path`` is seen to be one."""
    if isinstance(given, str):
        return (given,)
    if isinstance(given, PurePath):
        return (str(given) if len(given.parts) > 1 else f".{os.sep}{given}",)
    return tuple(name for one in given for name in _names(one))


@dataclass(frozen=True)
class Model:
    """A model that is ready to generate; made by ``load`` or ``Session.load``."""

    session: "Session"
    stored: "tuple[StoredModel, ...]"
    """The models, read from disk."""
    generator: "Generator"

    @property
    def name(self) -> str:
        """Its name."""
        return self.stored[0].path.name

    def generate(self, prompt: str = "", *, include_prompt: bool = True, **options: Any) -> str | list[str]:
        """Generate a text, or with ``count`` a list of them.

        ``UsageError`` for options that make no sense, or a blank source; ``ConstraintError``, with the texts,
        if one ended before it was what a constraint asks for.

        Args:
            prompt: what it goes on from.
            include_prompt: whether the prompt is part of what is returned.
            options: of ``rnngen sample``, by the names of its flags: ``temperature`` (or ``temp``),
                ``top_p``, ``length``, ``seed``, ``count``, ``stop``, ``beam``, ``strategy``, ``filters``;
                ``label`` for models that have some, and ``source`` for models that read one.
        """
        from rnngen.generation.prompts import require_constraints

        source, decoder = options.pop("source", None), self.decoder(**options)
        if decoder.request.endless and not self.generator.has_eos:
            raise UsageError("`length=-1`: such a text has no end; give a `stop`, or take it from `stream`")
        shown = prompt if include_prompt else ""
        outputs = decoder.outputs([_to_write(prompt, source, decoder.request)])
        found = [(output, shown + output.text) for output in outputs]
        require_constraints([output for output, _ in found])
        texts = [text for _, text in found]
        return texts if decoder.request.count > 1 or decoder.request.nbest else texts[0]

    def stream(self, prompt: str = "", *, include_prompt: bool = True, **options: Any) -> Iterator[str]:
        """Generate one text piece by piece; arguments and errors as in ``generate``."""
        source, decoder = options.pop("source", None), self._decoder_of_one(options)
        begun = _to_write(prompt, source, decoder.request)
        if include_prompt and prompt:
            yield prompt
        for output in decoder.outputs([begun]):
            yield from output.pieces
            if clause := output.unmet():
                raise ConstraintError(clause)

    def translate(self, sources: Sequence[str], **options: Any) -> list[str]:
        """Generate the best output for each source, which is empty for a blank one.

        Arguments as in ``generate``.
        """
        decoder = self._decoder_of_one(options)
        prompts = [replace(_prompt("", source), final=decoder.final) for source in sources]
        return self.generator.first_texts(prompts, decoder.strategy, decoder.settings)

    def attention(
        self, sources: Sequence[str], *, text: str | None = None, unit: "Unit" = "character", **options: Any
    ) -> "list[Alignment]":
        """Return where the model looked in each source while it generated its output, or read a given text.

        Args:
            sources: what it writes about.
            text: what it reads instead of generating.
            unit: what a row and a column stand for: ``token``, ``character`` or ``word``.
            options: of the search: ``beam``, ``length_penalty``.

        Raises:
            UsageError: if the model attends to nothing, a source is blank, a search is asked for a text that
                is given, or what generates is no search.
        """
        if not self.generator.attends:
            raise UsageError(f"{self.name} attends to nothing: it reads no source, or has attention=none")
        for number, source in enumerate(sources, start=1):
            if not source.strip():
                raise UsageError(f"source {number} is blank: there is nothing to attend to; leave it out")
        from rnngen.requests.conflicts import Conflict, ConflictError

        if text is not None and options:
            raise ConflictError(
                Conflict("text", next(iter(options)), "a text that is given is not searched for")
            )
        if text is not None:
            return [self.generator.read_along(source, text, unit) for source in sources]
        decoder = self._decoder_of_one(options)
        settings = replace(decoder.settings, attention=True)
        prompts = [_prompt("", source) for source in sources]
        found = []
        for output in self.generator.generate(prompts, decoder.strategy, settings):
            if output.hypothesis is None:
                chosen = decoder.choice.name
                raise UsageError(f"the strategy {chosen} keeps no attention; leave it out, or take beam=5")
            found.append(self.generator.alignment(output.prompt.source or "", output.hypothesis, unit))
        return found

    def unseen(self, text: str = "", source: str | None = None) -> list[str]:
        """Return remarks on characters of a prompt, and of a source, that training never met; often none.

        Each names them, how many there are, and what they may have been meant to be: the same letters
        composed otherwise, another case, typographic signs.
        """
        sides = [("the text holds", self.generator.watch(), text)]
        sides += [("the source holds", self.generator.watch(sources=True), source or "")]
        return [watch.message(what) for what, watch, given in sides if watch.add(given)]

    def score(self, text: str, source: str | None = None) -> float:
        """Return the log-probability of a text in nats, its end included where examples end."""
        return self.generator.score(text, source)[0]

    def classify(self, texts: Sequence[str]) -> list[list[tuple[str, float]]]:
        """Return for each text the labels with their probabilities, the likeliest first.

        Raises:
            OptionError: if the model has no labels.
        """
        from rnngen.generation.classification import classify

        return list(classify(self.generator, texts))

    def next(self, prompt: str = "", top: int = 10, **options: Any) -> list[tuple[str, float]]:
        """Return the most probable next pieces of text with their probabilities.

        A piece is a token, or the rest of one that the prompt ends within.
        """
        from rnngen.generation.next_pieces import next_pieces

        decoding, target = self.session.decoding, self.generator.tokenizers.target
        start = _prompt(prompt, options.pop("source", None))
        choice = self.session.choose_decoding(options)
        if choice.strategy is not None:
            raise UsageError(f"{choice.chosen_by} says how texts are chosen, and none is; give filters alone")
        filters = choice.filters
        start = replace(start, final=decoding.follows_output(filters))
        found = next_pieces(self.generator, start, decoding.filter_builder(filters)(target))[:top]
        return [(one.piece.decode(errors="replace"), math.exp(one.nats)) for one in found]

    def evaluate(self, corpus: Names = (), **options: Any) -> "Evaluation":
        """Evaluate the model on files, or on the validation text of its training.

        ``options`` are those of ``rnngen eval``, by its flags' names: ``dynamic``, ``cache``, ``beam`` …

        Raises:
            UsageError: for options that make no sense; if this is several models.
        """
        from rnngen.requests.evaluate import EvaluateRequest

        if len(self.stored) > 1:
            raise UsageError("several models are evaluated one by one; load one")
        if "model" in options:
            raise UsageError("model is an option of the command line; this one is evaluated")
        request = EvaluateRequest.of(*_names(corpus), **options)
        return self.session.evaluate(self.stored[0], request)

    def fill(
        self, left: str, right: str, *, source: str | None = None, **options: Any
    ) -> "list[tuple[str, Filling]]":
        """Return the best texts between two others, best first.

        ``options`` are ``beam``, ``length`` and ``length_penalty`` of ``rnngen fill``.

        Raises:
            UsageError: for options that there are not, or that make no sense.
        """
        from rnngen.generation.fill_options import FillOptions
        from rnngen.generation.infill import fill_gap
        from rnngen.options.given import Given

        return fill_gap(self.generator, left, right, Given.of(FillOptions, **options).options, source)

    def _decoder_of_one(self, options: Mapping[str, Any]) -> "Decoder":
        """Return what generates one text for each prompt."""
        decoder = self.decoder(**options)
        if decoder.request.count > 1 or decoder.request.nbest:
            raise UsageError("count and nbest give several texts, and there is room for one; see generate")
        return decoder

    def decoder(self, **options: Any) -> "Decoder":
        """Return what generates, built from options by the names of ``rnngen sample``'s flags."""
        from rnngen.requests.sample import COMMAND_OPTIONS

        for name in COMMAND_OPTIONS.intersection(options):
            raise UsageError(f"{name} is an option of the command line or of load; leave it out here")
        return self.session.decoder(self.generator, self.session.sample_request(**options))


def _to_write(text: str, source: str | None, request: "SampleRequest") -> "Prompt":
    """Return a prompt that there is something to write about."""
    from rnngen.generation.prompts import BLANK, Prompt

    if (prompt := Prompt(text, source, request.blend, label=request.label)).is_blank:
        raise UsageError(BLANK)
    return prompt


def _prompt(text: str, source: str | None) -> "Prompt":
    from rnngen.generation.prompts import Prompt

    return Prompt(text, source)


@dataclass(frozen=True)
class Session:
    """The installed plugins and the user's models."""

    registry: "Registry"
    models: "ModelStore"

    @classmethod
    def here(cls) -> "Session":
        """Return one with everything that is installed, and the user's models."""
        from rnngen.registry import Registry

        return cls(Registry.discover(), models())

    # ── generating ─────────────────────────────────────────────────────────────────────────────────────────

    def read(self, name: str | None) -> "StoredModel":
        """Read a model by name or path; without either, the default one, else the one trained last."""
        return self.models.open(name)

    def load(self, *names: str | None, options: "LoadOptions | None" = None) -> Model:
        """Get models ready to generate as one, by name or path; without any, that of ``read``."""
        return self.open(*(self.read(name) for name in names or (None,)), options=options)

    def open(
        self, *stored: "StoredModel", options: "LoadOptions | None" = None, cached: bool = False
    ) -> Model:
        """Get models that were read ready to generate; ``cached`` keeps what was made of long prompts."""
        from rnngen.generation.loading import LoadOptions, load_generator

        load = partial(self._load_draft, stored[0])
        generator = load_generator(self.registry, stored, options or LoadOptions(), load)
        model = Model(self, stored, generator)
        if not cached:
            return model
        from rnngen.generation.prefix_cache import PrefixCache

        states = PrefixCache(prefixes(), partial(self.fingerprint, model))
        return replace(model, generator=replace(generator, prefix_cache=states))

    def _load_draft(self, model: "StoredModel", name: str) -> "NetworkStep":
        """Open a model that drafts for another one."""
        from rnngen.generation.loading import check_same_vocabulary, load_generator

        other = self.read(name)
        check_same_vocabulary(other, model, "draft")
        step: NetworkStep = load_generator(self.registry, [other]).model
        return step

    @staticmethod
    def fingerprint(model: Model) -> str:
        """Return a hash of all that saved states of a model depend on."""
        from rnngen.generation.saved_state import fingerprint
        from rnngen.inference.build import identity

        return fingerprint(model.stored, identity(model.generator.model))

    @cached_property
    def decoding(self) -> "DecodingFlags":
        """The flags of filters and strategies, and what builds these."""
        from rnngen.generation.decoding_choice import DecodingFlags

        return DecodingFlags(self.registry)

    def decoder(
        self, generator: "Generator", request: "SampleRequest", saved: "SavedState | None" = None
    ) -> "Decoder":
        """Return what generates, as a request asks for it."""
        from rnngen.generation.decoder import Decoder

        return Decoder.build(self.decoding, generator, request, saved)

    def sample_request(self, **options: Any) -> "SampleRequest":
        """Make a request from options by the names of ``rnngen sample``'s flags.

        Raises:
            UsageError: for an option that there is not, or that cannot stand beside another.
        """
        from rnngen.requests.sample import ADAPTING, FIELDS, sample_request

        own = FIELDS | ADAPTING
        rest = {name: value for name, value in options.items() if name in own}
        chosen = {name: value for name, value in options.items() if name not in own}
        request = sample_request(self.choose_decoding(chosen), rest)
        if strategy := request.decoding.strategy:
            self.decoding.check_abilities(request, self.decoding.spec(strategy), reads_source=True)
        return request

    def choose_decoding(self, options: Mapping[str, Any]) -> "DecodingChoice":
        """Choose a strategy and filters by the names of flags; errors as in ``sample_request``."""
        names = ("strategy", "filters", "order")
        aliases = {"temperature": "temp"}
        given = {aliases.get(name, name): value for name, value in options.items() if name not in names}
        try:
            return self.decoding.choose(given, **{name: options[name] for name in names if name in options})
        except UnknownName as error:
            raise UnknownName(error.kind, error.name, (*error.known, *aliases)) from None

    # ── training and evaluation ────────────────────────────────────────────────────────────────────────────

    def checked(self, request: "TrainRequest") -> "TrainRequest":
        """Return a request to train, once its options are known to mean something to its task.

        Raises:
            ConflictError: naming the first option that does not.
        """
        from rnngen.training.plan import check_capabilities

        if not self.has_run(request):  # which has its task, and is compared with what is given again
            check_capabilities(self.registry, self.models, request)
        return request

    def has_run(self, request: "TrainRequest") -> bool:
        """Return whether a request resumes a run that is there."""
        from rnngen.training.plan import has_run

        return has_run(self.models, request)

    def plan(self, request: "TrainRequest") -> "Plan":
        """Check a request to train, and read its text; writes nothing but the cache."""
        from rnngen.training.plan import plan

        return plan(self.registry, self.models, request)

    def with_sizes(self, request: "TrainRequest") -> "tuple[TrainRequest, Proposal | None]":
        """Choose the sizes and the dropout that a budget in minutes, or a number of parameters, leaves open.

        The proposal is None where there was nothing to choose.
        """
        minutes, given = request.training.options.minutes, request.given
        chosen = {"hidden", "layers"} & given and "dropout" in given
        timed = minutes and not chosen and request.nproc == 1
        if self.has_run(request) or request.init_from or not (request.params or timed or request.plan):
            return request, None
        from rnngen.events import report

        if "torch" not in sys.modules:
            report(LOADING)
        from rnngen.training.ensembles import member
        from rnngen.training.sizing import propose

        plan = self.plan(request)
        if count := plan.config.training.ensemble:
            proposal = propose(member(plan), request.params, given=given)
            why = f"one of {count} networks, with its share of the time; the model learns from them then"
            proposal = replace(proposal, reasons=(why, *proposal.reasons))
        else:
            proposal = propose(plan, request.params, given=given)
        return proposal.under(request), proposal

    def train(
        self,
        plan: "Plan",
        stop: Callable[[], bool] = lambda: False,
        listeners: "Sequence[Listener]" = (),
        *,
        extras: bool = True,
    ) -> "Iterator[Event]":
        """Train, and report as it goes; without ``extras`` no samples, and no exact evaluation at the end."""
        from rnngen.events import Preparing

        if "torch" not in sys.modules:
            yield Preparing(LOADING)
        from rnngen.training.fit import fit

        yield from fit(plan, stop, listeners, extras=extras)

    def adapt(
        self, model: "StoredModel", prompt: str, options: "AdaptingOptions", device: str = "cpu"
    ) -> "Adapted":
        """Let a model's weights adapt to a prompt; those on disk stay as they are."""
        from rnngen.evaluation.dynamic import adapt

        return adapt(self.registry, model, prompt, options, device)

    def check_evaluation(self, model: "StoredModel", request: "EvaluateRequest") -> None:
        """Raise ``ConflictError`` if a model cannot heed a request to evaluate it."""
        from rnngen.registry.components import restore

        spec = restore(self.registry, "task", model.config.task).registered.spec
        request.check_model(has_source=model.config.reads_source, has_labels=spec.has_labels)

    def evaluate(self, model: "StoredModel", request: "EvaluateRequest") -> "Evaluation":
        """Evaluate a model on a text, or on its own validation text."""
        from rnngen.evaluation.evaluator import Evaluator

        return Evaluator(self.registry, model, request).run()
