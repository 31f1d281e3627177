"""The kind of import-linter contract in which `.importlinter` says who may import whom, layer by layer.

    [importlinter:contract:domain]
    name = the domain imports the standard library and chassis.errors
    type = imports
    modules = services.*.domain
    may_import = chassis.errors

A name covers the modules below it; `*` stands for any part of a name; a leading dot for the importer's own service.
The standard library and what a module's own name covers are always allowed. With `may_import` everything else is
forbidden, with `may_not_import` everything else is allowed; `installed` stands for any package that is not ours.
Only direct imports count: what is allowed is checked for its own imports in its own contract.
"""

import sys
from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Any

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output

OURS = ("chassis", "services", "operating", "gateway", "deploy", "nextplay", "nextplay_client")


class ImportsContract(Contract):
    """Modules that directly import only what they may."""

    type_name = "imports"

    # import-linter replaces these declarations by lists of strings in each contract.
    modules: Any = fields.ListField(subfield=fields.StringField())
    except_modules: Any = fields.ListField(subfield=fields.StringField(), required=False, default=())
    may_import: Any = fields.ListField(subfield=fields.StringField(), required=False)
    may_not_import: Any = fields.ListField(subfield=fields.StringField(), required=False)

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        wrong = [
            f"{importer} -> {imported} (line {detail['line_number']})"
            for importer in sorted(graph.modules)
            if _covered(importer, self.modules) and not _covered(importer, self.except_modules)
            for imported in sorted(graph.find_modules_directly_imported_by(importer))
            if not self._allows(importer, imported)
            for detail in graph.get_import_details(importer=importer, imported=imported)
        ]
        return ContractCheck(kept=not wrong, metadata={"wrong": wrong})

    def render_broken_contract(self, check: ContractCheck) -> None:
        for line in check.metadata["wrong"]:
            output.print_error(line)

    def _allows(self, importer: str, imported: str) -> bool:
        if imported.partition(".")[0] in sys.stdlib_module_names or _same(importer, imported, self.modules):
            return True
        if self.may_not_import:
            return not _covered(imported, _seen_from(importer, self.may_not_import))
        if "installed" in self.may_import and imported.partition(".")[0] not in OURS:
            return True
        return _covered(imported, _seen_from(importer, self.may_import))


def _seen_from(importer: str, patterns: Iterable[str]) -> list[str]:
    """The patterns with the importer's own service in the place of the leading dot."""
    own = ".".join(importer.split(".")[:2])
    return [f"{own}{pattern}" if pattern.startswith(".") else pattern for pattern in patterns]


def _covered(module: str, patterns: Iterable[str]) -> bool:
    return any(_covers(pattern, module) for pattern in patterns)


def _covers(pattern: str, module: str) -> bool:
    wanted, given = pattern.split("."), module.split(".")
    return len(wanted) <= len(given) and all(map(fnmatchcase, given, wanted))


def _same(importer: str, imported: str, patterns: Iterable[str]) -> bool:
    """Whether both are parts of one package that a pattern names."""
    for pattern in patterns:
        depth = len(pattern.split("."))
        if _covers(pattern, importer) and importer.split(".")[:depth] == imported.split(".")[:depth]:
            return True
    return False
