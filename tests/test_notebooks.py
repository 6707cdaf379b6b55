"""Notebooks are thin, and each runs from a fresh kernel. Whoever adds one adds nothing here."""

import ast
import asyncio
import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nbformat
import psutil
import pytest
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

NOTEBOOKS = sorted(Path(__file__).parents[1].joinpath("notebooks").glob("*.ipynb"))
MOST_CELLS, MOST_LINES = 40, 6
CELL_TIMEOUT_S = 120
# Threads that wait give their core away instead of spinning: on cores that other work shares, five times faster.
QUIET_THREADS = {"OMP_WAIT_POLICY": "PASSIVE"}
_ABSOLUTE = re.compile(r"^(/\w|~/|[A-Za-z]:[\\/])")
_NETWORK = re.compile(r"\b(https?|ftp)://|\bfrom_pretrained\b|\burlopen\b|\brequests\.")


def faults(notebook: Any) -> list[str]:
    """What breaks the rules for notebooks, one sentence each."""
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    found = [f"{len(code)} code cells, at most {MOST_CELLS}"] if len(code) > MOST_CELLS else []
    if "widgets" in notebook.metadata:
        found.append("widget state is stored")
    if not notebook.cells or not notebook.cells[0].source.startswith("# "):
        found.append("it does not begin with a title")
    if not code or "parameters" not in code[0].metadata.get("tags", []):
        found.append("the first code cell is not tagged parameters")
    for number, cell in enumerate(code, start=1):
        found += [f"code cell {number}: {fault}" for fault in _faults_of(cell, is_first=number == 1)]
    return found


def _faults_of(cell: Any, is_first: bool) -> Iterator[str]:
    if cell.outputs or cell.execution_count is not None:
        yield "outputs are stored"
    try:
        tree = ast.parse(cell.source)
    except SyntaxError:
        yield "not plain Python"
        return
    if (lines := _lines_beside_imports(cell.source, tree)) > MOST_LINES:
        yield f"{lines} lines, at most {MOST_LINES}"
    if is_first and not all(isinstance(statement, ast.Assign) for statement in tree.body):
        yield "parameters are assignments and nothing else"
    if len({statement.lineno for statement in tree.body}) < len(tree.body):
        yield "two statements on one line"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            yield f"{type(node).__name__}: logic belongs in the package"
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and _ABSOLUTE.match(node.value):
            yield f"absolute path {node.value!r}"
    if _NETWORK.search(cell.source):
        yield "it asks the network"


def _lines_beside_imports(source: str, tree: ast.Module) -> int:
    imports = set()
    for statement in tree.body:
        if isinstance(statement, ast.Import | ast.ImportFrom):
            imports.update(range(statement.lineno, (statement.end_lineno or statement.lineno) + 1))
    lines = enumerate(source.splitlines(), start=1)
    return sum(1 for number, line in lines if line.strip() and number not in imports)


def thin() -> Any:
    """A notebook that keeps all rules."""
    parameters = new_code_cell("PHOTO = 'fig'\nSIZE = 3", metadata={"tags": ["parameters"]})
    body = new_code_cell("from os import (\n    path,\n    sep,\n)\n\na = 1\nb = 2\nc = 3\nd = 4\n\n# why\ne = 5")
    return new_notebook(cells=[new_markdown_cell("# Title"), parameters, body])


def _set_source(text: str) -> Callable[[Any], None]:
    return lambda notebook: notebook.cells[-1].update(source=text)


PLANTED: dict[str, tuple[Callable[[Any], None], str]] = {
    "many cells": (lambda n: n.cells.extend(new_code_cell("a") for _ in range(39)), "41 code cells"),
    "many lines": (_set_source("\n".join("abcdefg")), "7 lines"),
    "one long statement": (_set_source("f(\n1,\n2,\n3,\n4,\n5,\n)"), "7 lines"),
    "function": (_set_source("def f():\n    return 1"), "FunctionDef"),
    "class": (_set_source("class A:\n    pass"), "ClassDef"),
    "lambda": (_set_source("f = lambda x: x"), "Lambda"),
    "semicolon": (_set_source("a = 1; b = 2"), "two statements"),
    "magic": (_set_source("%matplotlib inline"), "not plain Python"),
    "shell": (_set_source("!ls"), "not plain Python"),
    "absolute path": (_set_source("open('/home/me/photo.png')"), "absolute path"),
    "home": (_set_source("open('~/photo.png')"), "absolute path"),
    "windows path": (_set_source("open(r'C:\\photo.png')"), "absolute path"),
    "network": (_set_source("load('https://example.org/photo.png')"), "network"),
    "output": (lambda n: n.cells[-1].outputs.append(new_output("stream", text="1")), "outputs are stored"),
    "counter": (lambda n: n.cells[-1].update(execution_count=3), "outputs are stored"),
    "widget state": (lambda n: n.metadata.update(widgets={}), "widget state"),
    "no tag": (lambda n: n.cells[1].metadata.clear(), "not tagged parameters"),
    "tag too late": (lambda n: n.cells.insert(1, new_code_cell("a = 1")), "not tagged parameters"),
    "parameters that work": (lambda n: n.cells[1].update(source="print(1)"), "nothing else"),
    "no title": (lambda n: n.cells.pop(0), "title"),
}


def test_there_are_notebooks():
    assert NOTEBOOKS
    assert NOTEBOOKS[0].name == "00_start_here.ipynb"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_are_thin(path: Path):
    notebook: Any = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert faults(notebook) == []


def test_the_rules_let_a_thin_notebook_pass():
    assert faults(thin()) == []


@pytest.mark.parametrize("name", PLANTED)
def test_the_rules_catch_what_is_planted(name: str):
    plant, sentence = PLANTED[name]
    notebook = thin()
    plant(notebook)
    found = faults(notebook)
    assert len(found) == 1
    assert sentence in found[0]


def run_notebook(notebook: Any, folder: Path) -> list[Any]:
    """Run a notebook in a fresh kernel of this very Python, in `folder`; every output of every cell."""
    # Nobody else's kernel: with no kernels to be found, jupyter_client makes one of the running interpreter.
    specs = KernelSpecManager(kernel_dirs=[], ensure_native_kernel=True)
    manager = AsyncKernelManager(kernel_name="python3", kernel_spec_manager=specs)
    resources = {"metadata": {"path": str(folder)}}
    options: dict[str, Any] = {"timeout": CELL_TIMEOUT_S, "store_widget_state": False, "resources": resources}
    try:
        NotebookClient(notebook, km=manager, **options).execute(env={**os.environ, **QUIET_THREADS})
    finally:  # nbclient leaves a manager that it was given alone, and twenty kernels fill the memory
        asyncio.run(manager.shutdown_kernel(now=True))
    return [output for cell in notebook.cells for output in cell.get("outputs", [])]


@pytest.mark.notebook
def test_notebooks_run_in_the_python_that_tests_them(tmp_path: Path):
    cell = new_code_cell("import sys, os\nprint(sys.executable)\nprint(os.getcwd())\nprint(os.getpid())")
    notebook = new_notebook(cells=[cell])
    (output,) = run_notebook(notebook, tmp_path)
    executable, folder, kernel = output.text.split()
    assert not psutil.pid_exists(int(kernel)), "the kernel outlives its notebook"
    assert Path(executable) == Path(sys.executable)
    assert Path(folder).resolve() == tmp_path.resolve()


@pytest.mark.notebook
@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_run_twice_from_a_fresh_kernel(path: Path, tmp_path: Path):
    for _ in range(2):
        notebook = nbformat.read(path, as_version=4)
        outputs = run_notebook(notebook, tmp_path)  # raises at the first cell that fails
        assert outputs
        assert [output for output in outputs if output.output_type == "error"] == []
        assert [output.text for output in outputs if output.get("name") == "stderr"] == []
    assert list(tmp_path.iterdir()) == [], "a notebook leaves nothing behind"
