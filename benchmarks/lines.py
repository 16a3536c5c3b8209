"""Count the lines of src/ and pipelines/ by folder: all of them, and those of code."""

import ast
import tokenize
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NO_CODE = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef)


def code_lines(path: Path) -> int:
    """Return how many lines of a module hold code: more than a comment, a docstring or nothing."""
    with path.open("rb") as file:
        tokens = [token for token in tokenize.tokenize(file.readline) if token.type not in NO_CODE]
    lines = {line for token in tokens[1:] for line in range(token.start[0], token.end[0] + 1)}
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, DOCUMENTED) and ast.get_docstring(node) is not None:
            lines -= set(range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1))
    return len(lines)


def folder_of(path: Path) -> str:
    """Return the folder that a module counts for: pipelines, a folder of the package, or the plugins."""
    parts = path.relative_to(ROOT).parts[:-1]
    return "/".join(parts[:3] if parts[:2] == ("src", "plainmlp") else parts[:2])


def main() -> None:
    """Count, and print a table."""
    lines, code = Counter[str](), Counter[str]()
    for path in [*ROOT.glob("src/**/*.py"), *ROOT.glob("pipelines/*.py")]:
        for name in (folder_of(path), "together"):
            lines[name] += path.read_bytes().count(b"\n")
            code[name] += code_lines(path)
    print(f"{'':26}{'lines':>7}{'code':>7}")
    for name in sorted(lines, key=lambda name: (name == "together", name)):
        print(f"{name:26}{lines[name]:7,}{code[name]:7,}")


if __name__ == "__main__":
    main()
