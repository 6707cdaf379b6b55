"""The one kind of error that people may see as it is."""


class UserError(ValueError):
    """Something the user gave cannot be used; the message is one sentence that says what is wrong and what to do.

    The command line prints it without a traceback and the page shows it as it is.
    """
