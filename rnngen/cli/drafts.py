"""What ``rnngen sample --draft`` needs beside its flags: what it cannot stand beside, its start, its end."""

from typing import TYPE_CHECKING, Any

from rnngen.builtins.strategies.options import DraftOptions
from rnngen.cli import flags
from rnngen.cli.render import console
from rnngen.errors import UsageError

if TYPE_CHECKING:
    from rnngen.api import Session
    from rnngen.generation.writing import Writer
    from rnngen.store.model_folder import StoredModel


def check(params: dict[str, Any]) -> None:
    """Refuse flags that a draft is of no use for; ``--draft none`` becomes None.

    Raises:
        UsageError: naming both flags.
    """
    params["draft"] = flags.collect(DraftOptions, params).draft
    others = {
        "--beam": params["beam"],
        "--best-of": params["best_of"] is not None,
        "--mbr": params["mbr"] is not None,
        "--strategy contrastive": params["contrast"] is not None,
        "--cache": bool(params["cache"]),
        "--count": params["count"] > 1,
        "--interactive": params["interactive"],
        "--device": params["device"] != "cpu",
        "--quantize": params["quantize"] is not None,
        "several models": len(params["model"]) > 1,
    }
    found = [other for other, asked in others.items() if asked]
    if params["draft"] is not None and found:
        raise UsageError(
            f"--draft and {found[0]} cannot stand together: a draft is for one text that one model draws on "
            "the CPU, in full weights; leave one of them out"
        )


def begin(here: "Session", writer: "Writer", model: "StoredModel", params: dict[str, Any]) -> None:
    """Let a writer draft, if it is asked to."""
    options = flags.collect(DraftOptions, params)
    if options.draft is not None:
        from rnngen.generation.drafting import speculate

        speculate(here, writer, model, options)


def tell(writer: "Writer", params: dict[str, Any]) -> None:
    """Say how often the draft was right, if there was one."""
    found = writer.hasten.foresight if writer.hasten else None
    if found and not params["quiet"]:
        console.note(f"draft: {found.accepted} of {found.proposed} guessed tokens were right")
