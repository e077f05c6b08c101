"""The flags of ``rnngen sample`` with which a model adapts to its prompt, and what refuses them."""

from typing import TYPE_CHECKING, Any

from rnngen.cli import flags
from rnngen.cli.render import console
from rnngen.errors import UsageError
from rnngen.options.corpus import AdaptingOptions

if TYPE_CHECKING:
    from rnngen.api import Session
    from rnngen.store.model_folder import StoredModel

adapting_flags = flags.options_from(AdaptingOptions, heading="Adapting to the prompt", common=())
"""A decorator that gives a command these flags."""


def options(params: dict[str, Any]) -> AdaptingOptions:
    """What was asked for.

    Raises:
        UsageError: if it makes no sense, alone or beside other flags; both are named.
    """
    asked = flags.collect(AdaptingOptions, params)
    for name in flags.given(AdaptingOptions, params):
        kind = name.partition("_")[0]
        if not getattr(asked, kind):
            raise UsageError(f"--{name.replace('_', '-')} says how to adapt; add --{kind}, or leave it out")
    others = {
        "--blend": params["blend"] is not None,
        "--from-state": params["from_state"] is not None,
        "--save-state": params["save_state"] is not None,
        "--interactive": params["interactive"],
        "several models": len(params["model"]) > 1,
    }
    refused = {"cache": ("--blend", "several models"), "dynamic": [one for one in others if one != "--blend"]}
    for kind, names in refused.items():
        if getattr(asked, kind):
            flags.keep_apart(f"--{kind}", names, others)
    return asked


def refuse(params: dict[str, Any]) -> None:
    """Raise ``UsageError`` if one of the flags was given for a model of pairs."""
    for name in flags.given(AdaptingOptions, params):
        raise UsageError(
            f"--{name.replace('_', '-')} is for free text or lines, and this model answers sources; "
            "leave it out"
        )


def adapted(
    here: "Session", model: "StoredModel", prompt: str, asked: AdaptingOptions, params: dict[str, Any]
) -> "StoredModel":
    """The model as the prompt makes it, if that is asked for; told on stderr."""
    if not asked.dynamic:
        return model
    found = here.adapt(model, prompt, asked, params["device"])
    if not params["quiet"]:
        console.note(
            f"adapted to {found.tokens:,} tokens of the prompt: {found.before:.3f} nats a token before, "
            f"{found.after:.3f} after"
        )
    return found.model
