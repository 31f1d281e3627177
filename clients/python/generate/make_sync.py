"""Writes `nextplay_client/sync/`, the client for programs without an event loop, from `nextplay_client/aio/`.

    python clients/python/generate/make_sync.py && ruff format clients/python/src/nextplay_client/sync

Each public method of an asynchronous class gets a synchronous one with the same arguments and the same text, which runs
it on an event loop in another thread. So there is one client, and two ways to call it.
"""

import ast
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "src" / "nextplay_client"
KEPT_MODULES = {
    *("collections.abc", "pathlib", "types"),
    *("nextplay_client.tokens", "nextplay_client.types", "nextplay_client.uploading"),
}
CLIENT_INIT = '''
    def __init__(self, base_url: str, token: Token) -> None:
        self._served = AsyncClient(base_url, token)
        self._thread = LoopThread()
{parts}

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections. What still runs in other threads ends with RuntimeError."""
        if self._thread.runs:
            self._thread.close(self._served.aclose())
'''
PART_INIT = """
    def __init__(self, thread: LoopThread, served: {served}) -> None:
        self._thread = thread
        self._served = served
"""


def make_sync() -> dict[str, str]:
    """The modules of the package by file name, not yet formatted."""
    files = {path.name: _module(path) for path in sorted((PACKAGE / "aio").glob("[a-z]*.py"))}
    return {
        "__init__.py": '"""The client for programs without an event loop: made by generate/make_sync.py."""\n'
    } | files


def _module(path: Path) -> str:
    tree = ast.parse(path.read_text())
    (served,) = (node for node in tree.body if isinstance(node, ast.ClassDef))
    body = _class(served)
    imports = [
        *(line for node in tree.body if isinstance(node, ast.ImportFrom) and (line := _import(node, body))),
        *("import builtins" for node in tree.body if isinstance(node, ast.Import) and "builtins." in body),
        f"from nextplay_client.aio.{path.stem} import {served.name}",
        "from nextplay_client.loop_thread import LoopThread",
    ]
    if served.name == "AsyncClient":
        imports += [f"from nextplay_client.sync.{name.lower()} import {name}" for name, _ in _parts(served)]
    # Sorted as ruff sorts them: the standard library first.
    ours = sorted(line for line in imports if "nextplay_client" in line)
    others = sorted((line for line in imports if line not in ours), key=lambda line: line.startswith("from"))
    told = f'"""{ast.get_docstring(tree)}\n\nMade of aio/{path.name} by generate/make_sync.py, not by hand.\n"""'
    return "\n".join([told, "", *others, *([""] if others else []), *ours, "", "", body])


def _import(node: ast.ImportFrom, body: str) -> str | None:
    """What the synchronous class needs of an import."""
    if node.module not in KEPT_MODULES:
        return None
    tokens = set(ast.unparse(ast.parse(body)).replace('"', " ").replace("'", " ").translate(_APART).split())
    names = [{"AsyncIterator": "Iterator"}.get(alias.name, alias.name) for alias in node.names]
    used = sorted(name for name in names if name in tokens)
    return f"from {node.module} import {', '.join(used)}" if used else None


_APART = str.maketrans(dict.fromkeys("[](){},.:|=", " "))


def _class(served: ast.ClassDef) -> str:
    name = served.name.removeprefix("Async")
    told = str(ast.get_docstring(served, clean=False)).replace("`async with`", "`with`")
    if name == "Client":
        parts = "\n".join(
            f"        self.{attribute} = {kind}(self._thread, self._served.{attribute})"
            for kind, attribute in _parts(served)
        )
        init = CLIENT_INIT.format(parts=parts)
    else:
        init = PART_INIT.format(served=served.name)
    methods = [node for node in served.body if isinstance(node, ast.AsyncFunctionDef) and _is_offered(node.name)]
    return f'class {name}:\n    """{told}"""\n{init}\n' + "\n".join(map(_method, methods))


def _is_offered(name: str) -> bool:
    return not name.startswith("_") and name != "aclose"


def _parts(client: ast.ClassDef) -> list[tuple[str, str]]:
    """Class and attribute of what the client consists of."""
    (init,) = (node for node in client.body if isinstance(node, ast.FunctionDef) and node.name == "__init__")
    made = [node for node in init.body if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call)]
    return [
        (node.value.func.id.removeprefix("Async"), node.targets[0].attr)
        for node in made
        if isinstance(node.value, ast.Call)
        and isinstance(node.value.func, ast.Name)
        and isinstance(node.targets[0], ast.Attribute)
        and node.value.func.id.startswith("Async")
    ]


def _method(node: ast.AsyncFunctionDef) -> str:
    returns = ast.unparse(node.returns or ast.Constant(None))
    call = f"self._served.{node.name}({', '.join(_passed(node.args))})"
    told = ast.get_docstring(node, clean=False)
    if returns.startswith("AsyncIterator["):
        returns = returns.removeprefix("Async")
        body = f"return self._thread.iterate({call})"
    elif returns == "None":
        body = f"self._thread.run({call})"
    else:
        body = f"return self._thread.run({call})"
    return f'    def {node.name}({ast.unparse(node.args)}) -> {returns}:\n        """{told}"""\n        {body}\n'


def _passed(arguments: ast.arguments) -> list[str]:
    return [
        *(argument.arg for argument in arguments.args[1:]),
        *(f"{argument.arg}={argument.arg}" for argument in arguments.kwonlyargs),
    ]


def main() -> None:
    (PACKAGE / "sync").mkdir(exist_ok=True)
    for name, text in make_sync().items():
        (PACKAGE / "sync" / name).write_text(text)


if __name__ == "__main__":
    main()
