"""The layout of the package: folders as floors, imports that run one way, modules and functions of a size to read."""

import ast
import sys
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

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


@cache
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


@cache
def imports_of(name):
    """Return the names that a module imports, wherever in it that is."""
    return set(names_in(ast.walk(tree_of(FILES[name]))))


def imported_at_once(path):
    """Return the names that a file imports outside of functions."""
    found, waiting = [], [tree_of(path)]
    while waiting:
        found.append(waiting.pop())
        if not isinstance(found[-1], ast.FunctionDef | ast.Lambda):
            waiting += ast.iter_child_nodes(found[-1])
    return set(names_in(found))


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
    assert "numpy" in foreign(imports_of("plainmlp.nn.network"))
    assert "plainmlp.nn.losses" in own(imports_of("plainmlp.nn.network"))
    assert "plainmlp.tracking.store" in own(imports_of("plainmlp.tracking.recording.training"))


def test_no_module_is_loose():
    assert [path.name for path in SOURCE.glob("*.py")] == ["__init__.py"]
    assert {path.name for path in SOURCE.iterdir() if path.is_dir() and path.name != "__pycache__"} == set(FLOORS)


FOLDERS = sorted(set(SOURCE.rglob("__init__.py")) - {SOURCE / "__init__.py"})  # the package itself lists what it offers


def test_a_folder_says_what_it_is_for_and_no_more():
    for path in FOLDERS:
        tree = tree_of(path)
        assert ast.get_docstring(tree), path
        assert len(tree.body) == 1, path


def test_imports_do_not_run_back():
    for name in MODULES:
        assert {each for each in own(imports_of(name)) if folder(each) not in allowed_below(name)} == set(), name


def test_no_module_imports_itself_by_a_detour():
    graph = {name: own(imports_of(name)) & set(FILES) for name in FILES}
    assert list(TopologicalSorter(graph).static_order())  # raises CycleError, which names the modules


def test_no_result_comes_from_tracking():
    for name in MODULES:
        if folder(name) in RESULTS:
            assert {each for each in own(imports_of(name)) if folder(each) == "tracking"} == set(), name
            assert not foreign(imports_of(name)) & {"hydra", "omegaconf", "dvc", "mlflow"}, name


def is_compiled(name):
    return name.startswith("plainmlp.nn.compiled")


def test_the_core_imports_numpy_only_and_its_compiled_form_a_compiler():
    for name in MODULES:
        if folder(name) == "nn":
            assert foreign(imports_of(name)) <= {"numpy", *(("numba", "llvmlite") if is_compiled(name) else ())}, name
            assert is_compiled(name) or not any(map(is_compiled, imported_at_once(FILES[name]))), name


def test_libraries_of_one_folder_are_imported_there_only():
    for name in FILES:
        owned = foreign(imports_of(name)) & set(OWNERS)
        assert {library for library in owned if OWNERS[library] != folder(name)} == set(), name


def test_the_package_does_not_import_its_scripts():
    scripts = {path.stem for path in SCRIPTS} | {"pipelines"}
    for name in FILES:
        assert not {imported.split(".")[0] for imported in imports_of(name)} & scripts, name


def body_lines(function):
    """Return how many lines the body of a function has, without its docstring."""
    documented = ast.get_docstring(function) is not None and len(function.body) > 1
    return function.end_lineno - function.body[1 if documented else 0].lineno + 1


def test_modules_and_functions_have_a_size_to_read():
    for path in [*sorted((ROOT / "src").rglob("*.py")), *SCRIPTS]:
        functions = [node for node in ast.walk(tree_of(path)) if isinstance(node, ast.FunctionDef)]
        assert [node.name for node in functions if body_lines(node) > LONGEST_FUNCTION] == [], path
        assert path.read_text(encoding="utf-8").count("\n") <= LONGEST_FILE, path
