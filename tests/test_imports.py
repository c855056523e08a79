"""Imports go one way, stay light, and reach Dask's private side in one module."""

import ast
import graphlib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "stratum_dask"
FOLDERS = {
    f"{PACKAGE}.optimizations": ROOT / "optimizations",
    f"{PACKAGE}.scheduler_plugins": ROOT / "scheduler_plugins",
    PACKAGE: ROOT / PACKAGE,
}
# What a module whose name begins so may import of this package: a closed list.
ALLOWED = {
    "optimizations": {"optimizations", "graph", "errors", "config"},
    "errors": set(),
    "config": {"errors"},
    "graph": {"errors"},
}
ONLY_FOR_PEOPLE = {
    "asking",
    "cli",
    "cluster_facts",
    "doctor",
    "doctor_text",
    "dropin",
    "top",
}
HEAVY = [
    "dask.array",
    "dask.dataframe",
    "distributed",
    "numpy",
    "pandas",
    "pyarrow",
    "scipy",
    "sklearn",
]


def modules():
    """Map the name of every module to its file, real folders only."""
    found = {}
    for package, folder in FOLDERS.items():
        for file in folder.rglob("*.py"):
            inside = file.relative_to(folder)
            if package == PACKAGE and inside.parts[0] in {
                "optimizations",
                "scheduler_plugins",
            }:
                continue  # a link to one of the others
            parts = [package, *inside.with_suffix("").parts]
            found[".".join(parts).removesuffix(".__init__")] = file
    return found


MODULES = modules()


_LATER = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


def statements(tree, *, at_import):
    """Yield import statements; ``at_import``: those that run when the module does."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            yield node
        elif isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            if not at_import:
                yield from statements(node, at_import=at_import)
        elif not (at_import and isinstance(node, _LATER)):
            yield from statements(node, at_import=at_import)


def imports(name, *, at_import=False):
    """Return all modules of the package that the code of ``name`` imports."""
    file = MODULES[name]
    folder = name if file.name == "__init__.py" else name.rpartition(".")[0]
    found = set()
    for node in statements(ast.parse(file.read_text()), at_import=at_import):
        if isinstance(node, ast.Import):
            targets = [alias.name for alias in node.names]
        else:
            above = folder.split(".")
            above = above[: len(above) - node.level + 1] if node.level else []
            base = ".".join([*above, *filter(None, [node.module])])
            targets = [f"{base}.{alias.name}" for alias in node.names]
        for target in targets:
            while target not in MODULES and "." in target:
                target = target.rpartition(".")[0]
            if target in MODULES:
                found.add(target)
    return found


def head(name):
    """Return the part of a module's name that stands behind the package's."""
    return name.split(".")[1] if "." in name else ""


IMPORTS = {name: imports(name) for name in MODULES}


def test_the_package_was_found():
    assert {head(name) for name in MODULES} >= set(ALLOWED) | ONLY_FOR_PEOPLE
    assert IMPORTS[f"{PACKAGE}.config"] == {f"{PACKAGE}.errors"}


@pytest.mark.parametrize("part", ALLOWED)
def test_a_part_imports_only_what_lies_below_it(part):
    beyond = {
        (name, target)
        for name, targets in IMPORTS.items()
        if head(name) == part
        for target in targets
        if head(target) not in ALLOWED[part] | {""}
    }
    assert beyond == set()


def test_no_module_needs_itself_while_it_is_imported():
    needs = {name: imports(name, at_import=True) - {name} for name in MODULES}
    graphlib.TopologicalSorter(needs).prepare()


def test_nobody_imports_the_command_line():
    users = {
        (name, target)
        for name, targets in IMPORTS.items()
        if head(name) not in ONLY_FOR_PEOPLE
        for target in targets
        if head(target) in ONLY_FOR_PEOPLE
    }
    assert users == set()


def private_uses(tree):
    """Yield what is taken from ``dask._task_spec`` or another private module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            base = node.module or ""
            for target in (f"{base}.{alias.name}" for alias in node.names):
                if target.startswith("dask._"):
                    yield target
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.startswith("dask._"):
                    yield alias.name


def test_only_the_graph_module_reaches_for_private_nodes():
    users = {
        name
        for name, file in MODULES.items()
        for target in private_uses(ast.parse(file.read_text()))
        if target.startswith("dask._task_spec")
    }
    assert users == {f"{PACKAGE}.graph"}


@pytest.mark.parametrize("name", sorted(MODULES))
def test_a_module_has_one_idea_and_says_which(name):
    text = MODULES[name].read_text()
    lines = text.count("\n")
    described = ast.get_docstring(ast.parse(text))
    assert lines <= 300
    assert described


@pytest.mark.parametrize(
    "statement",
    [
        "import stratum_dask",
        "import stratum_dask; stratum_dask.enable",
        "import stratum_dask.config",
        "import stratum_dask.cli",
    ],
)
def test_importing_ours_before_dask_works_and_is_light(fresh_python, statement):
    code = (
        f"import sys\n{statement}\nprint(*[m for m in {HEAVY!r} if m in sys.modules])"
    )
    assert fresh_python(code).stdout.split() == []


def test_dask_with_the_package_installed_is_as_light_as_without(fresh_python):
    code = (
        "import sys, dask\n"
        "print('stratum_dask.activation' in sys.modules)\n"
        f"print(*[m for m in {HEAVY!r} if m in sys.modules])"
    )
    assert fresh_python(code).stdout.splitlines() == ["True", ""]


def test_every_optimization_imports_without_optional_libraries(fresh_python):
    names = [name for name in MODULES if head(name) == "optimizations"]
    code = (
        "import sys, importlib\n"
        "import dask\n"
        f"for name in {HEAVY[3:]!r}:\n"
        "    sys.modules[name] = None\n"
        f"for name in {names!r}:\n"
        "    importlib.import_module(name)\n"
        "print('imported')"
    )
    assert fresh_python(code).stdout.strip() == "imported"
