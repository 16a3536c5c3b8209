import ast
import inspect

import mpmath
import numpy as np
import pytest

from plainmlp.nn import arithmetic, functions
from plainmlp.nn.functions import FUNCTIONS

SINGLE, DOUBLE = np.dtype(np.float32), np.dtype(np.float64)
NAMES, DTYPES = sorted(FUNCTIONS), [SINGLE, DOUBLE]
INF, NAN = np.inf, np.nan

# the largest errors, in ulp, that the docstrings promise: of float32, of float64
BOUNDS = {
    "exp": (1.05, 1.05),
    "expm1": (1.35, 1.75),
    "log": (0.9, 0.9),
    "log1p": (1.45, 1.45),
    "tanh": (1.35, 1.4),
    "sigmoid": (1.9, 1.95),
}

# pairs of x and f(x), worked by hand; signs of zeros count
SPECIAL = {
    "exp": [(0.0, 1.0), (-0.0, 1.0), (INF, INF), (-INF, 0.0), (NAN, NAN), (1e5, INF), (-1e5, 0.0)],
    "expm1": [(0.0, 0.0), (-0.0, -0.0), (INF, INF), (-INF, -1.0), (NAN, NAN), (1e5, INF), (-1e5, -1.0)],
    "log": [(1.0, 0.0), (0.0, -INF), (-0.0, -INF), (INF, INF), (-INF, NAN), (-1.0, NAN), (-1e-45, NAN), (NAN, NAN)],
    "log1p": [
        (0.0, 0.0),
        (-0.0, -0.0),
        (-1.0, -INF),
        (INF, INF),
        (-INF, NAN),
        (-1.000001, NAN),
        (-9.0, NAN),
        (NAN, NAN),
    ],
    "tanh": [(0.0, 0.0), (-0.0, -0.0), (INF, 1.0), (-INF, -1.0), (NAN, NAN), (25.0, 1.0), (-25.0, -1.0)],
    "sigmoid": [(0.0, 0.5), (-0.0, 0.5), (INF, 1.0), (-INF, 0.0), (NAN, NAN), (50.0, 1.0), (-1e5, 0.0)],
}


def apply(name, x):
    with np.errstate(all="ignore"):
        return FUNCTIONS[name](x)


def bound(name, dtype):
    return BOUNDS[name][dtype == DOUBLE]


def drawn(dtype, size):
    """Return points where something may go wrong: any bits, both ends of the exponents, near 0, 1 and break points."""
    random, info = np.random.default_rng(0), np.finfo(dtype)
    integers = np.uint32 if dtype == SINGLE else np.uint64
    ends = info.maxexp * np.log(2)
    breaks = np.array([-ends, ends, -1.0, 1.0, -0.5, 0.5, 2.0, -1.14, 0.44, *(np.arange(-9, 10) * np.log(2) / 2)])
    with np.errstate(over="ignore", under="ignore"):
        parts = [
            random.integers(0, np.iinfo(integers).max, size, dtype=integers, endpoint=True).view(dtype),
            random.integers(0, 1 << info.nmant, size // 8, dtype=integers).view(dtype),  # subnormal
            *(random.uniform(-reach, reach, size // 8) for reach in (1.5, 3, 12, 1.1 * ends)),
            random.choice([-1, 1], size // 4) * 2.0 ** random.uniform(-2 * info.nmant, 7, size // 4),
            random.choice(breaks, size // 4) * (1 + random.uniform(-1, 1, size // 4) * 2.0 ** -random.integers(1, 9)),
        ]
        return np.concatenate([part.astype(dtype) for part in parts])


def ulps(got, exact):
    """Return errors in ulp of the exact values, which have a wider dtype."""
    info, wide = np.finfo(got.dtype), exact.dtype.type
    top = np.ldexp(wide(1), info.maxexp)  # stands for infinity, where rounding would go if the exponents went on
    bounded = np.clip(exact, -top, top)
    with np.errstate(under="ignore", invalid="ignore"):
        exponents = np.clip(np.frexp(bounded)[1], info.minexp + 1, info.maxexp)
        errors = np.abs(np.clip(got.astype(wide), -top, top) - bounded) / np.ldexp(wide(1), exponents - 1 - info.nmant)
    meant = np.isnan(got) == np.isnan(exact)
    return np.where(meant, np.where(np.isnan(got), 0, errors), np.inf)


def precise(name, x):
    """Return f(x) in mpmath's arithmetic; the caller sets its precision."""
    if name == "sigmoid":
        return 1 / (1 + mpmath.exp(-x))
    return getattr(mpmath, name)(x)


def worst_against_mpmath(name, x):
    """Return the largest error in ulp and where it is."""
    got, info, worst = apply(name, x), np.finfo(x.dtype), (0.0, 0.0)
    top = mpmath.ldexp(1, int(info.maxexp))
    for point, value in zip(x.tolist(), got.tolist(), strict=True):
        exact = max(min(precise(name, mpmath.mpf(point)), top), -top)
        exponent = min(max(mpmath.frexp(exact)[1], int(info.minexp) + 1), int(info.maxexp))
        bounded = max(min(mpmath.mpf(value), top), -top)
        error = float(abs(bounded - exact) / mpmath.ldexp(1, exponent - 1 - info.nmant))
        worst = max(worst, (error, point))
    return worst


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_is_within_its_bound_of_mpmath(name, dtype):
    x = drawn(dtype, 600)
    x = x[np.isfinite(x)]
    x = {"log": x[x > 0], "log1p": x[x > -1]}.get(name, x)
    with mpmath.workprec(120):
        error, point = worst_against_mpmath(name, x)
    assert error <= bound(name, dtype), point


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_is_within_its_bound_of_a_wider_dtype(name, dtype):
    wide = np.float64 if dtype == SINGLE else np.longdouble
    if np.finfo(wide).nmant < np.finfo(dtype).nmant + 11:
        pytest.skip("no dtype here is wider than float64")
    x = drawn(dtype, 400_000 if dtype == SINGLE else 50_000)
    with np.errstate(all="ignore"):
        exact = 1 / (1 + np.exp(-x.astype(wide))) if name == "sigmoid" else getattr(np, name)(x.astype(wide))
    errors = ulps(apply(name, x), exact)
    assert errors.max() <= bound(name, dtype), x[errors.argmax()]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_special_values(name, dtype):
    x, values = np.array(SPECIAL[name], dtype).T.copy()
    got = apply(name, x)
    np.testing.assert_array_equal(got, values)
    numbers = ~np.isnan(values)
    np.testing.assert_array_equal(np.signbit(got[numbers]), np.signbit(values[numbers]))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_tails_underflow_gradually(dtype):
    info = np.finfo(dtype)
    x = np.linspace(np.log(info.tiny), np.log(info.tiny) - (info.nmant - 1) * np.log(2), 50).astype(dtype)
    for name in ("exp", "sigmoid"):
        y = apply(name, x)
        assert np.all(np.diff(y) < 0)
        assert np.all((y[1:] > 0) & (y[1:] < info.tiny))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", ["expm1", "log1p", "tanh"])
def test_smallest_numbers_are_given_back(name, dtype):
    x = np.array([1, 2, 3, 1000], np.float64) * float(np.finfo(dtype).smallest_subnormal)
    x = np.concatenate([x, -x]).astype(dtype)
    np.testing.assert_array_equal(apply(name, x), x)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_keeps_dtype_shape_and_argument(name, dtype):
    x = np.linspace(0.1, 2, 12).astype(dtype).reshape(3, 4)
    before = x.copy()
    y = apply(name, x)
    assert (y.dtype, y.shape) == (dtype, x.shape)
    np.testing.assert_array_equal(x, before)
    turned = apply(name, x.T)  # not contiguous
    np.testing.assert_array_equal(turned, y.T)


# What compiled code can read: see the module's docstring.

TREE = ast.parse(inspect.getsource(functions))
WRITTEN = {node.name: node for node in TREE.body if isinstance(node, ast.FunctionDef)}
PRIMITIVES = {"select", "by_dtype", "is_single", "absolute", "square_root", "power_of_two", "exponent"}
# the last line is of nodes that have to look as `is_plain` says
ALLOWED = (
    *(
        ast.Load,
        ast.Store,
        ast.BinOp,
        ast.Add,
        ast.Sub,
        ast.Mult,
        ast.Div,
        ast.BitAnd,
        ast.BitOr,
        ast.UnaryOp,
        ast.USub,
    ),
    *(ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.Eq, ast.NotEq, ast.Return),
    *(ast.Call, ast.Name, ast.Constant, ast.Assign, ast.Compare, ast.If),
)


def is_plain(node, callables, variables):
    match node:
        case ast.Call(func=ast.Name(id=name), keywords=keywords):
            return name in callables and not keywords
        case ast.Name(id=name):
            return name in callables | variables
        case ast.Constant(value=value):
            return type(value) in (int, float)
        case ast.Assign(targets=targets):
            return len(targets) == 1 and isinstance(targets[0], ast.Name)
        case ast.Compare(ops=ops):
            return len(ops) == 1
        case ast.If(test=ast.Call(func=ast.Name(id="is_single")), body=body, orelse=orelse):
            return isinstance(body[-1], ast.Return) and not orelse
        case _:
            return not isinstance(node, ast.Call | ast.If)


def refused(written):
    """Return what a function holds beside the allowed nodes, as text."""
    body = written.body[1:] if ast.get_docstring(written) else written.body
    nodes = [node for statement in body for node in ast.walk(statement)]
    callables = PRIMITIVES | WRITTEN.keys()
    variables = {argument.arg for argument in written.args.args}
    variables |= {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    variables |= {name for name, value in vars(functions).items() if type(value) is float}
    bad = [node for node in nodes if not isinstance(node, ALLOWED) or not is_plain(node, callables, variables)]
    if written.args.defaults or written.args.kwonlyargs or written.args.vararg or written.args.kwarg:
        bad.append(written.args)
    return [ast.unparse(node) or type(node).__name__ for node in bad + written.decorator_list]


@pytest.mark.parametrize("name", sorted(WRITTEN))
def test_functions_hold_only_what_can_be_compiled(name):
    assert refused(WRITTEN[name]) == []


@pytest.mark.parametrize(
    "body",
    [
        *(
            "if x > 0: x = -x",
            "x += 1",
            "x[x > 0] = 1",
            "a, b = x, x",
            "a = b = x",
            "y: float = x",
            "return x if x else 1",
        ),
        *(
            "return np.exp(x)",
            "return x if is_single(x) else -x",
            "if is_single(x): x = -x",
            "return select(x > 0, x, other=x)",
            "return x.T",
        ),
        *("return x ** 2", "return ~(x > 0)", "return 0 < x < 1", "return True", "return eps", "return x @ x"),
    ],
)
def test_what_cannot_be_compiled_is_refused(body):
    assert refused(ast.parse(f"def some(x):\n {body}").body[0])


def test_tables_name_every_function():
    assert {name: function.__name__ for name, function in FUNCTIONS.items()} == {name: name for name in FUNCTIONS}
    assert all(hasattr(arithmetic, name) for name in PRIMITIVES)
