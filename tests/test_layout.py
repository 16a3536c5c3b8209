"""The layout of the package: folders as floors, imports that run one way, modules and functions of a size to read."""

import ast
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src" / "plainmlp"
SCRIPTS = sorted((ROOT / "pipelines").glob("*.py"))
# from the ground up: a folder imports only those before it; the first two import nothing but themselves
FLOORS = (
    "system",
    "nn",
    "config",
    "data",
    "training",
    "evaluation",
    "tracking",
    "composition",
    "sweeps",
    "proof",
    "estimators",
    "exports",
)
GROUND = {"system", "nn"}
RESULTS = FLOORS[: FLOORS.index("tracking")]  # what a result comes from; nothing of it is tracked there
# third-party packages that only one folder may import
OWNERS = {"hydra": "composition", "omegaconf": "composition", "mlflow": "tracking"}
LONGEST_FILE, LONGEST_FUNCTION = 350, 40  # lines; of a function those of its body, without the docstring


def module_name(path):
    """Return the dotted name of a module."""
    parts = path.relative_to(SOURCE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {module_name(path): path for path in sorted(SOURCE.rglob("*.py"))}


def tree_of(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def names_in(nodes):
    """Yield the dotted names that the imports among some nodes stand for; `from a import b` may mean the module a.b."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: relative import"
            full = (f"{node.module}.{alias.name}" for alias in node.names)
            yield from (name if name in FILES else node.module for name in full)


def imported_by(path):
    """Return the names that a file imports, wherever in it that is."""
    return set(names_in(ast.walk(tree_of(path))))


def imported_at_once(path):
    """Return the names that a file imports outside of functions."""
    found, waiting = [], [tree_of(path)]
    while waiting:
        found.append(waiting.pop())
        if not isinstance(found[-1], ast.FunctionDef | ast.Lambda):
            waiting += ast.iter_child_nodes(found[-1])
    return set(names_in(found))


IMPORTS = {name: imported_by(path) for name, path in FILES.items()}


def folder(name):
    """Return which folder of the package a module is in; the package itself is in none."""
    return name.split(".")[1] if "." in name else ""


def own(names):
    return {name for name in names if name.split(".")[0] == "plainmlp"}


def foreign(names):
    return {name.split(".")[0] for name in names} - {"plainmlp"} - set(sys.stdlib_module_names)


def allowed_below(name):
    """Return the folders that a module may import from."""
    floor = folder(name)
    return {floor} if floor in GROUND else {*FLOORS[: FLOORS.index(floor) + 1]}


MODULES = [name for name in FILES if folder(name)]


def test_the_modules_are_found():
    assert {"plainmlp", "plainmlp.nn.network", "plainmlp.data.idx", "plainmlp.config.schema"} <= set(FILES)
    assert "numpy" in foreign(IMPORTS["plainmlp.nn.network"])
    assert "plainmlp.nn.losses" in own(IMPORTS["plainmlp.nn.network"])
    assert "plainmlp.tracking.store" in own(IMPORTS["plainmlp.tracking.recording.training"])


def test_no_module_is_loose():
    assert [path.name for path in SOURCE.glob("*.py")] == ["__init__.py"]
    assert {path.name for path in SOURCE.iterdir() if path.is_dir() and path.name != "__pycache__"} == set(FLOORS)


FOLDERS = sorted(set(SOURCE.rglob("__init__.py")) - {SOURCE / "__init__.py"})  # the package itself lists what it offers


@pytest.mark.parametrize("path", FOLDERS, ids=lambda path: path.parent.name)
def test_a_folder_says_what_it_is_for_and_no_more(path):
    tree = tree_of(path)
    assert ast.get_docstring(tree)
    assert len(tree.body) == 1


@pytest.mark.parametrize("name", MODULES)
def test_imports_do_not_run_back(name):
    assert {each for each in own(IMPORTS[name]) if folder(each) not in allowed_below(name)} == set()


def test_no_module_imports_itself_by_a_detour():
    graph = {name: own(names) & set(FILES) for name, names in IMPORTS.items()}
    assert list(TopologicalSorter(graph).static_order())  # raises CycleError, which names the modules


@pytest.mark.parametrize("name", [name for name in MODULES if folder(name) in RESULTS])
def test_no_result_comes_from_tracking(name):
    assert {each for each in own(IMPORTS[name]) if folder(each) == "tracking"} == set()
    assert not foreign(IMPORTS[name]) & {"hydra", "omegaconf", "dvc", "mlflow"}


def is_compiled(name):
    return name.startswith("plainmlp.nn.compiled")


@pytest.mark.parametrize("name", [name for name in MODULES if folder(name) == "nn"])
def test_the_core_imports_numpy_only_and_its_compiled_form_a_compiler(name):
    assert foreign(IMPORTS[name]) <= {"numpy"} | ({"numba", "llvmlite"} if is_compiled(name) else set())
    assert is_compiled(name) or not any(map(is_compiled, imported_at_once(FILES[name])))


@pytest.mark.parametrize("name", FILES)
def test_libraries_of_one_folder_are_imported_there_only(name):
    assert {library for library in foreign(IMPORTS[name]) & set(OWNERS) if OWNERS[library] != folder(name)} == set()


@pytest.mark.parametrize("name", FILES)
def test_the_package_does_not_import_its_scripts(name):
    scripts = {path.stem for path in SCRIPTS}
    assert not {imported.split(".")[0] for imported in IMPORTS[name]} & (scripts | {"pipelines"})


def body_lines(function):
    """Return how many lines the body of a function has, without its docstring."""
    documented = ast.get_docstring(function) is not None and len(function.body) > 1
    return function.end_lineno - function.body[1 if documented else 0].lineno + 1


PATHS = {str(path.relative_to(ROOT)): path for path in [*sorted((ROOT / "src").rglob("*.py")), *SCRIPTS]}


@pytest.mark.parametrize("name", PATHS)
def test_modules_and_functions_have_a_size_to_read(name):
    text = PATHS[name].read_text(encoding="utf-8")
    functions = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef)]
    assert [node.name for node in functions if body_lines(node) > LONGEST_FUNCTION] == []
    assert text.count("\n") <= LONGEST_FILE
