"""`python -m sr_explore` is the command line."""

from sr_explore.cli import app

app(prog_name="sr-explore")
