"""The sizes that keep small what everybody has to read.

Lines of code are counted: blank lines, comments and docstrings are not, so that nobody saves on explanations.
"""

import ast
import io
import tokenize
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NOT_CODE = {
    *(tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT),
    *(tokenize.ENCODING, tokenize.ENDMARKER),
}


def lines_of_code(source: str) -> int:
    """How many lines hold a token of code."""
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in NOT_CODE:
            lines.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Expr(value=ast.Constant(value=str()), end_lineno=int(end)):
                lines -= set(range(node.lineno, end + 1))
    return len(lines)


def test_blank_lines_comments_and_docstrings_are_no_code() -> None:
    source = '"""A module."""\n\n# why\ndef two() -> int:\n    """Two\n    lines."""\n    return 2  # lines of code\n'
    assert lines_of_code(source) == 2


@pytest.mark.parametrize(("package", "most"), [("chassis", 2750), ("operating", 550), ("gateway", 899)])
def test_a_package_that_everybody_reads_stays_small(package: str, most: int) -> None:
    sizes = {
        str(file.relative_to(ROOT)): lines_of_code(file.read_text()) for file in sorted((ROOT / package).rglob("*.py"))
    }
    total = sum(sizes.values())
    assert total <= most, f"{package} has {total} lines of code, {total - most} too many: {sizes}"


def test_no_file_has_more_than_one_subject_by_its_length() -> None:
    """About 300 lines: what is longer becomes a package of the same name."""
    roots = ("chassis", "services", "operating", "gateway", "deploy", "clients/python/src", "benchmarks")
    files = [file for root in roots for file in sorted((ROOT / root).rglob("*.py"))]
    long = {str(file.relative_to(ROOT)): lines for file in files if (lines := len(file.read_text().splitlines())) > 350}
    assert not long
