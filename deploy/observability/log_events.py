"""Every event that is logged, found where it is: docs/log-events.md."""

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

PACKAGES = ("chassis", "operating", "services", "gateway")
LEVELS = {"info": "INFO", "warning": "WARNING", "error": "ERROR"}

_HEAD = """\
# Events in the logs

Every process writes one line of JSON for each event on stderr:

```json
{"timestamp": "2025-12-25T12:00:00.000Z", "level": "INFO", "service": "upload", "event": "upload_initiated",
 "user_id": "…", "upload_id": "…", "trace_id": "…", "span_id": "…"}
```

INFO happened as it should, WARNING went wrong and was coped with, ERROR needs somebody who looks; where an exception
led to it, `stack` says from where. Within a trace the line has its ids. What looks like a token, a key or a signed URL
is cut out of every line, and so is the row that PostgreSQL quotes in a complaint; titles, names of files and addresses
are never passed to one. `library_log` is what libraries say, with `logger` and `message`: the same at most once in ten
seconds, with `left_out`, how often it was said meanwhile, because a client whose server is away repeats itself.

This page is made from the code (`make docs`): there are no other events than these, and each has one meaning, one level
and one place.
"""
_TITLES = {"Chassis": "Every process", "Operating": "What operators do"}


@dataclass(frozen=True)
class LogEvent:
    """A call that logs. `fields` are those with a name of their own; `open_ended` if it passes others on too."""

    name: str
    level: str
    module: str
    fields: tuple[str, ...]
    open_ended: bool


def logged_events(root: Path) -> list[LogEvent]:
    """All of them, by module and line. Raises `ValueError` for a name that is not written out in the call."""
    found = []
    for package in PACKAGES:
        for file in sorted((root / package).rglob("*.py")):
            module = ".".join(file.relative_to(root).with_suffix("").parts).removesuffix(".__init__")
            found += [_event(*call, module) for call in _calls(ast.parse(file.read_text()))]
    return found


def _calls(tree: ast.Module) -> Iterator[tuple[str, ast.expr, ast.Call]]:
    """Level, name and call of each `log.info("name", …)` and `run(log.info, "name", …)`."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id="log"), attr=level), args=[name]) if level in LEVELS:
                yield LEVELS[level], name, node
            case ast.Call(args=[ast.Attribute(value=ast.Name(id="log"), attr=level), name]) if level in LEVELS:
                yield LEVELS[level], name, node


def _event(level: str, name: ast.expr, call: ast.Call, module: str) -> LogEvent:
    if not (isinstance(name, ast.Constant) and isinstance(name.value, str)):
        raise ValueError(f"{module}, line {call.lineno}: the name of the event is not written out")
    fields = tuple(keyword.arg for keyword in call.keywords if keyword.arg not in (None, "cause"))
    return LogEvent(name.value, level, module, fields, any(keyword.arg is None for keyword in call.keywords))


def page(events: Sequence[LogEvent]) -> str:
    """The text of docs/log-events.md."""
    parts = [_HEAD]
    for package in sorted({_package(event) for event in events}):
        rows = {
            event.name: f"| `{event.name}` | {event.level} | {_fields(event, events)} | `{event.module}` |"
            for event in sorted(events, key=lambda event: event.name)
            if _package(event) == package
        }
        title = _TITLES.get(package, package)
        parts.append(
            "\n".join([f"## {title}\n", "| event | level | fields | where |", "|---|---|---|---|", *rows.values()])
            + "\n"
        )
    return "\n".join(parts)


def _package(event: LogEvent) -> str:
    return event.module.removeprefix("services.").partition(".")[0].capitalize()


def _fields(event: LogEvent, events: Sequence[LogEvent]) -> str:
    """Of all calls that log it."""
    same = [one for one in events if one.name == event.name]
    named = dict.fromkeys(field for one in same for field in one.fields)
    return ", ".join([*(f"`{field}`" for field in named), *["…"] * any(one.open_ended for one in same)])
