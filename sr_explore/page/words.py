"""What networks are called on the page, and text as HTML: everything is escaped, as it may quote somebody's file."""

from collections.abc import Sequence
from html import escape
from urllib.parse import quote

from sr_explore import explore, zoo

PHOTO = "photo"
FAMILY = ("Original network", "Cut into branches", "Branches merged", "Half the channels pruned")
LABELS: dict[str, str] = {explore.BICUBIC: "Bicubic, no network", **dict(zip(explore.JOURNEY, FAMILY, strict=True))}
LABELS |= {PHOTO: "The photo itself"}
Own = dict[str, str]
"""A visitor's own networks: names to be given to `guests.load`, and what to call them."""


def label(name: str, own: Own | None = None) -> str:
    """What a network, or another picture, is called on the page."""
    known = LABELS | (own or {})
    return known[name] if name in known else _titled(name)


def choices(names: Sequence[str], own: Own | None = None) -> list[tuple[str, str]]:
    """For a list to choose from: what to show, and what it stands for."""
    return [(label(name, own), name) for name in names]


def others() -> list[str]:
    """The shipped networks of ×4 that are not compared anyway, from the largest to the smallest."""
    rest = [card for name, card in zoo.cards().items() if name not in explore.JOURNEY and card.scale == 4]
    return [card.name for card in sorted(rest, key=lambda card: (card.name.rpartition("-")[0], -card.macs))]


def note(text: object, kind: str = "note") -> str:
    """One sentence for the page."""
    said = str(text)
    if "." not in said.split(" ", maxsplit=1)[0]:  # else it begins with the name of a file
        said = said[:1].upper() + said[1:]
    return f'<p class="{kind}" role="status">{escape(said)}</p>'


def alert(text: object) -> str:
    """One sentence for what went wrong."""
    return note(text, "alert")


def is_alert(said: str | None) -> bool:
    """Whether what stands there now was made by `alert`."""
    return (said or "").startswith('<p class="alert"')


def html_table(head: Sequence[str], rows: Sequence[Sequence[str]], links: Sequence[str] = ()) -> str:
    """A table; `links` holds one ready cell for every row, to stand last."""
    last = [f"<td>{link}</td>" for link in links] or [""] * len(rows)
    body = [f"<tr>{_cells('td', row)}{link}</tr>" for row, link in zip(rows, last, strict=True)]
    return f"<table><tr>{_cells('th', head)}</tr>{''.join(body)}</table>"


def file_link(path: str, text: str) -> str:
    """A link that saves a file of gradio's cache."""
    return f'<a href="{address(path)}" download>{escape(text)}</a>'


def address(path: str) -> str:
    """Where the browser finds a file of gradio's cache, from the page on."""
    return f"gradio_api/file={quote(path)}"


def how_long(seconds: float) -> str:
    """Seconds or minutes, roughly."""
    return f"{max(1, round(seconds))} s" if seconds < 90 else f"{round(seconds / 60)} minutes"


def _titled(name: str) -> str:
    card = zoo.cards().get(name)
    return card.title[:1].upper() + card.title[1:] if card else name


def _cells(tag: str, cells: Sequence[str]) -> str:
    return "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in cells)
