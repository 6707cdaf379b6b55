"""The one kind of error that people may see as it is."""

import difflib
from collections.abc import Iterable


class UserError(ValueError):
    """Something the user gave cannot be used; the message is one sentence that says what is wrong and what to do.

    The command line prints it without a traceback and the page shows it as it is.
    """


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The hint "did you mean …? " with the known name nearest to a mistyped one; empty if none is near."""
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.4)
    return f"did you mean {near[0]}? " if near else ""
