"""The command line: `sr-explore` or `python -m sr_explore`. Reads arguments, calls `explore`, prints; nothing else."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from sr_explore.errors import UserError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="See and use what structural surgery does to an efficient super-resolution network.",
)

family = typer.Typer(
    no_args_is_help=True, help="The shipped networks as one: compare them, or ship those just trained."
)
app.add_typer(family, name="family")

Model = Annotated[str, typer.Argument(help="A shipped name (see `models`) or a file.", metavar="MODEL")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of a table.")]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda.")]
Dtype = Annotated[str, typer.Option(help="auto (float32), fast, float32, float16 or bfloat16.")]
Size = Annotated[str, typer.Option(help="Low-resolution input, height x width in pixels.", metavar="HxW")]


@app.command()
def models(as_json: AsJson = False) -> None:
    """List the shipped networks."""
    from sr_explore import zoo

    cards = sorted(zoo.cards().values(), key=lambda card: -card.macs)
    if as_json:
        _print_json([card.to_dict() for card in cards])
        return
    rows = [
        [
            card.name,
            card.parent or "",
            f"{card.params:,}",
            f"{card.macs / 1e9:.2f}",
            _score(card, "Set5"),
            _score(card, "Set14"),
            card.title,
        ]
        for card in cards
    ]
    _print_table(["name", "made from", "params", "MACs (G)", "Set5 dB", "Set14 dB", "what it is"], rows)
    typer.echo("multiply-adds for a low-resolution picture of 320 × 180 px; PSNR-Y")


@app.command()
def table(model: Model, size: Size = "180x320", as_json: AsJson = False) -> None:
    """Parameters, multiply-adds and activations, layer by layer."""
    from sr_explore import explore

    with _one_sentence():
        layers = explore.costs(model, _size(size))
    if as_json:
        _print_json(layers.to_dict())
        return
    rows = [
        [
            row.path,
            f"{row.in_channels}→{row.out_channels}",
            "×".join(map(str, row.kernel)),
            f"{row.params:,}",
            _mega(row.macs),
        ]
        for row in layers.rows
    ]
    _print_table(["layer", "channels", "kernel", "params", "MACs (M)"], rows)
    typer.echo(
        f"{len(rows)} convolutions, {layers.params:,} parameters ({layers.structural_params:,} only move channels),"
        f" {layers.macs / 1e9:.2f} G multiply-adds, {layers.activations / 1e6:.1f} M activations for {size}"
    )


@app.command()
def upscale(
    photos: Annotated[list[Path], typer.Argument(help="Photos to enlarge.")],
    model: Annotated[str, typer.Option(help="A shipped name or a file.")] = "rfdn-x4",
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder for the results.")] = Path("."),
    device: Device = "auto",
    dtype: Dtype = "auto",
) -> None:
    """Enlarge photos; results are PNG, nothing is overwritten, a bad photo does not stop the others."""
    from sr_explore import explore
    from sr_explore.images import read_photo, write_png

    with _one_sentence():
        run = explore.upscaler(model, device, dtype)
    failed = 0
    for path in photos:
        try:
            photo = read_photo(path)
            result = explore.upscale(photo, run)
            name = f"{photo.name}_x{run.scale}_{Path(model).stem}.png"
            written = write_png(out / name, result.rgb, result.alpha, result.icc)
        except UserError as error:
            typer.echo(f"{path}: {error}" if str(path) not in str(error) else str(error), err=True)
            failed += 1
            continue
        notes = f" ({'; '.join(result.notes)})" if result.notes else ""
        typer.echo(f"{path} → {written}{notes}")
    if failed:
        raise typer.Exit(1)


@app.command(name="eval")
def evaluate(
    model: Model,
    hr: Annotated[Path, typer.Option(help="Folder of reference pictures.")],
    lr: Annotated[
        Path | None, typer.Option(help="Folder of low-resolution pictures; made from the references if left out.")
    ] = None,
    device: Device = "auto",
    dtype: Dtype = "auto",
    as_json: AsJson = False,
) -> None:
    """PSNR and SSIM over a folder; MODEL may also be `bicubic`."""
    from sr_explore import explore

    with _one_sentence():
        record = explore.evaluate(model, hr, lr, device, dtype)
    if as_json:
        _print_json(record.to_dict())
        return
    rows = [[image.name, *_quality_cells(image)] for image in record.images]
    _print_table(["picture", "PSNR Y dB", "PSNR RGB dB", "SSIM Y"], [*rows, ["average", *_quality_cells(record)]])


@app.command()
def run(
    model: Model,
    stages: Annotated[
        str, typer.Option(help="As branch,merge-branches,prune-channels:pruning_ratio=0.5,reconstruct,fold")
    ],
    out: Annotated[Path | None, typer.Option("-o", "--out", help="Save the network there, as .safetensors.")] = None,
    size: Size = "180x320",
    as_json: AsJson = False,
) -> None:
    """Take a network through stages; check the exact ones, measure all."""
    from sr_explore import explore

    def show(step: Any) -> None:
        if not as_json:
            typer.echo(_step_line(step))

    with _one_sentence():
        done = explore.run_stages(model, stages, out, _size(size), show)
    if as_json:
        _print_json(
            {
                "model": model,
                "out": None if out is None else str(out),
                "steps": [_step_json(s) for s in done.record.steps],
            }
        )
    elif out is not None:
        typer.echo(f"saved to {out}")
    if any(step.equivalence and not step.equivalence.equal for step in done.record.steps):
        typer.echo("a stage that promises the same function has changed it", err=True)
        raise typer.Exit(1)


@app.command()
def export(
    model: Model,
    out: Annotated[Path, typer.Option("-o", "--out", help="The file to write, as .onnx; none is overwritten.")],
    as_json: AsJson = False,
) -> None:
    """Write a network to an ONNX file for pictures of any size, and check it against PyTorch."""
    from sr_explore import explore

    with _one_sentence():
        written, check = explore.export(model, out)
    if as_json:
        _print_json({"file": written.to_dict(), "check": {**check.to_dict(), "relative": check.relative}})
    else:
        shapes = " → ".join(" × ".join(shape) for shape in (written.input, written.output))
        sizes = ", ".join(f"{width}×{height}" for height, width in check.sizes)
        typer.echo(f"saved to {written.path}: {written.size_mb:.1f} MB, opset {written.opset}, {shapes}")
        verdict = "same as" if check.equal else "NOT THE SAME as"
        own = f"PyTorch's own round-off is {max(check.roundoffs):.1e}"
        typer.echo(f"{verdict} PyTorch, both in float32: {check.relative:.1e} of the range at {sizes} px ({own})")
    if not check.equal:
        typer.echo("the file is not the same function as the network; do not use it", err=True)
        raise typer.Exit(1)


@app.command()
def bench(
    models: Annotated[list[str], typer.Argument(help="Shipped names or files.", metavar="MODEL...")],
    size: Size = "180x320",
    device: Device = "auto",
    dtype: Dtype = "auto",
    as_json: AsJson = False,
) -> None:
    """How long networks take: median and spread, warm."""
    from sr_explore import explore

    with _one_sentence():
        records = {model: explore.bench(model, _size(size), device, dtype) for model in models}
    if as_json:
        _print_json({model: record.to_dict() for model, record in records.items()})
        return
    rows = [[m, f"{r.median_ms:.1f}", f"{r.iqr_ms:.1f}", str(r.runs), r.dtype, r.device] for m, r in records.items()]
    _print_table(["network", "median ms", "spread ms", "runs", "format", "device"], rows)


@app.command()
def train(
    recipe: Annotated[str, typer.Argument(help="family, rfdn, rlfn, a shipped recipe, or a TOML file.")],
    data: Annotated[Path, typer.Option(help="Folder of photographs.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder for checkpoints and the result.")] = Path("runs"),
    teacher: Annotated[
        str | None, typer.Option(help="Network whose pictures are matched, instead of the recipe's.")
    ] = None,
    resume: Annotated[bool, typer.Option(help="Go on from the newest checkpoint.")] = False,
    batch_times: Annotated[int, typer.Option(help="Batches so many times as large, for a GPU.")] = 1,
) -> None:
    """Train by recipe: a network, a ladder, a method's networks (rfdn, rlfn), or the whole `family`.

    SIGTERM saves and stops, --resume goes on.
    """
    from sr_explore.recipes import train_recipes
    from sr_explore.training import read_recipes, with_batches

    def say(recipe: Any, progress: Any) -> None:
        psnr = f", {progress.psnrs[-1][1]:.2f} dB on two shipped photos" if progress.psnrs else ""
        typer.echo(f"{recipe.name}: {progress.step} steps in {progress.seconds:.0f} s{psnr}; see {out / recipe.name}")

    with _one_sentence():
        recipes = [with_batches(told, batch_times) for told in read_recipes(recipe)]
        finished = train_recipes(recipes, data, out, teacher, resume, say)
    if not finished:
        typer.echo("stopped on the way; go on with --resume")


@family.command()
def report(
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder for family.html and family.png.")] = Path("."),
    size: Size = "180x320",
    device: Device = "auto",
    dtype: Dtype = "auto",
    as_json: AsJson = False,
) -> None:
    """PSNR against multiply-adds and against time measured here, every network and published ones beside them."""
    from sr_explore.family import members
    from sr_explore.plots import family_plot, family_table, save_figure

    with _one_sentence():
        found = list(members(_size(size), device, dtype))
        if as_json:
            _print_json([member.to_dict() for member in found])
            return
        typer.echo(repr(family_table(found)))
        for path in save_figure(family_plot(found), out / "family"):
            typer.echo(f"saved to {path}")


@family.command()
def ship(
    runs: Annotated[Path, typer.Argument(help="Folder that `train family -o` wrote to.")],
    sets: Annotated[Path, typer.Option(help="Folder of test sets, as Set5/HR and Set5/LRx4 in it.")],
) -> None:
    """Score what `train family` made, and put it with its cards among the shipped networks."""
    from sr_explore import family as all_of_them

    def say(card: Any) -> None:
        before = "" if card.untrained_psnr_y is None else f", {card.untrained_psnr_y:.3f} before training"
        typer.echo(f"{card.name}: Set5 {_score(card, 'Set5')} dB{before}, {card.number_format}")

    with _one_sentence():
        all_of_them.ship(runs, all_of_them.test_sets(sets), on_card=say)


@app.command(name="app")
def open_app(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int | None, typer.Option(help="Port; a free one from 7860 on if left out.")] = None,
    browser: Annotated[bool, typer.Option(help="Open the page in a browser.")] = True,
    auth: Annotated[
        str | None,
        typer.Option(help="name:password for visitors; needed beyond this machine.", envvar="SR_EXPLORE_AUTH"),
    ] = None,
    share: Annotated[bool, typer.Option("--share", help="Also at a public address, through gradio's servers.")] = False,
) -> None:
    """Open the page that upscales photos side by side."""
    with _one_sentence():
        _page().launch_page(host, port, browser, auth, share)


def _page() -> Any:
    """app.py: packed beside this file in an installed package, at the top of a checkout."""
    import importlib.util

    here = Path(__file__).parent
    path = next((p for p in (here / "_app.py", here.parent / "app.py") if p.exists()), None)
    if path is None:
        raise UserError("app.py is missing from this installation; install sr-explore again")
    spec = importlib.util.spec_from_file_location("sr_explore_page", path)
    assert spec
    assert spec.loader
    page = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = page
    spec.loader.exec_module(page)
    return page


@contextmanager
def _one_sentence() -> Iterator[None]:
    try:
        yield
    except UserError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None


def _size(text: str) -> tuple[int, int]:
    try:
        height, width = (int(side) for side in text.lower().split("x"))
    except ValueError:
        height = width = 0
    if not 1 <= min(height, width) <= max(height, width) <= 100_000:
        raise UserError(f"size is {text!r}; give height x width in pixels, as 180x320")
    return height, width


def _step_json(step: Any) -> dict[str, Any]:
    check = step.equivalence
    return {
        "stage": step.stage,
        "exact": step.exact,
        "equivalence": check and {"float64": check.float64.relative, "float32": check.float32.relative},
        "params": step.params,
        "structural_params": step.table.structural_params,
        "macs": step.macs,
        "activations": step.table.activations,
        "layers": len(step.table.rows),
        "seconds": step.seconds,
        "parameters": step.report.parameters,
        "figures": step.report.figures,
    }


def _step_line(step: Any) -> str:
    check = step.equivalence
    verdict = (
        "lossy" if check is None else f"{'same' if check.equal else 'NOT THE SAME'} ({check.float64.relative:.1e})"
    )
    achieved = step.report.figures.get("pruning_ratio_achieved")
    removed = "" if achieved is None else f"  {achieved:.1%} of the channels removed"
    return (
        f"{step.stage:<16} {verdict:<18} {step.params:>10,} params {step.macs / 1e9:>8.2f} G MACs"
        f" {len(step.table.rows):>4} layers {step.seconds:>6.1f} s{removed}"
    )


def _quality_cells(quality: Any) -> list[str]:
    return [f"{quality.psnr_y:.3f}", f"{quality.psnr_rgb:.3f}", f"{quality.ssim_y:.4f}"]


def _score(card: Any, test_set: str) -> str:
    score = (card.scores or {}).get(test_set)
    return f"{score.psnr_y:.2f}" if score else "–"


def _mega(count: int) -> str:
    return f"{count / 1e6:,.1f}"


def _print_json(document: Any) -> None:
    typer.echo(json.dumps(document, indent=2))


def _print_table(head: list[str], rows: list[list[str]]) -> None:
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    for row in [head, ["-" * width for width in widths], *rows]:
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
