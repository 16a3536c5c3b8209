"""The imports run one way: pipelines -> tracking, sweeps, stages -> data, model -> nn. These tests read them."""

import ast
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[1] / "src" / "plainmlp"
MODULES = {path.relative_to(SOURCE.parent): path for path in sorted(SOURCE.rglob("*.py"))}

# parts that import nothing of the package but themselves
LEAVES = {"system"}
# a part may import parts of a smaller number, or its own; the parts that are not named here are free
LEVELS = {"nn": 0, "data": 1, "training": 2, "evaluation": 3, "tracking": 4, "sweeps": 5}
# third-party packages that only one part may import
OWNERS = {"hydra": "composition", "omegaconf": "composition", "mlflow": "tracking"}


def module_name(path):
    """Return the dotted name of a module."""
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


NAMES = {module_name(path): full for path, full in MODULES.items()}


def nodes_of(tree, *, for_types):
    """Yield the nodes of a syntax tree, with or without what stands under `if TYPE_CHECKING`."""
    yield tree
    for child in ast.iter_child_nodes(tree):
        if for_types or not (isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING"):
            yield from nodes_of(child, for_types=for_types)


def imported_by(path, *, for_types=True):
    """Return the dotted names that a file imports, wherever in it that is; `from a import b` may mean the module a.b."""
    names = set()
    for node in nodes_of(ast.parse(path.read_text(encoding="utf-8")), for_types=for_types):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                names.add(full if full in NAMES else node.module)
    return names


def imported_at_once(path):
    """Return the names of all that a file imports outside of functions."""
    names, waiting = set(), [ast.parse(path.read_text(encoding="utf-8"))]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif not isinstance(node, (ast.FunctionDef, ast.Lambda)):
            waiting += ast.iter_child_nodes(node)
    return names


IMPORTS = {name: imported_by(path) for name, path in NAMES.items()}


def part(name):
    """Return which part of the package a module belongs to."""
    return name.split(".")[1] if "." in name else ""


def own(names):
    return {name for name in names if name.split(".")[0] == "plainmlp"}


def foreign(names):
    return {name.split(".")[0] for name in names} - {"plainmlp"} - set(sys.stdlib_module_names)


def test_the_modules_are_found():
    assert {"plainmlp", "plainmlp.nn.network", "plainmlp.data.idx", "plainmlp.config.schema"} <= set(NAMES)
    assert "numpy" in foreign(IMPORTS["plainmlp.nn.network"])
    assert "plainmlp.nn.losses" in own(IMPORTS["plainmlp.nn.network"])


def is_compiled(name):
    return name.startswith("plainmlp.nn.compiled")


@pytest.mark.parametrize("name", [name for name in NAMES if part(name) == "nn"])
def test_the_core_imports_numpy_only_and_its_compiled_form_a_compiler(name):
    assert foreign(IMPORTS[name]) <= {"numpy"} | ({"numba", "llvmlite"} if is_compiled(name) else set())
    assert {part(imported) for imported in own(IMPORTS[name])} <= {"nn"}
    assert is_compiled(name) or not any(map(is_compiled, imported_at_once(NAMES[name])))


@pytest.mark.parametrize("name", [name for name in NAMES if part(name) in LEAVES])
def test_leaves_import_nothing_of_the_package(name):
    assert {part(imported) for imported in own(IMPORTS[name])} <= {part(name)}


@pytest.mark.parametrize("name", [name for name in NAMES if part(name) in LEVELS])
def test_imports_do_not_run_back(name):
    level = LEVELS[part(name)]
    back = {
        imported
        for imported in own(IMPORTS[name])
        if part(imported) != part(name) and LEVELS.get(part(imported), -1) >= level
    }
    assert not back


@pytest.mark.parametrize("name", [name for name in NAMES if part(name) in {"data", "training", "evaluation"}])
def test_stages_know_no_configuration_tool_and_no_record_keeper(name):
    assert not foreign(IMPORTS[name]) & {"hydra", "omegaconf", "dvc", "mlflow"}
    assert not {part(imported) for imported in own(IMPORTS[name])} & {"composition", "tracking"}


@pytest.mark.parametrize("name", NAMES)
def test_libraries_of_one_part_are_imported_there_only(name):
    assert not {library for library in foreign(IMPORTS[name]) & set(OWNERS) if OWNERS[library] != part(name)}


@pytest.mark.parametrize("name", NAMES)
def test_the_package_does_not_import_its_scripts(name):
    scripts = {path.stem for path in (SOURCE.parents[1] / "pipelines").glob("*.py")}
    assert not {imported.split(".")[0] for imported in IMPORTS[name]} & (scripts | {"pipelines"})


def test_no_module_imports_itself_by_a_detour():
    graph = {name: own(imported_by(path, for_types=False)) & set(NAMES) for name, path in NAMES.items()}
    assert list(TopologicalSorter(graph).static_order())  # raises CycleError, which names the modules
