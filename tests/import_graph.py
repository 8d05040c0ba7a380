"""The import graph of a source tree, and the rules that it has to keep.

Everything is read from the source with ``ast``; nothing is imported. ``test_layers.py`` holds celeriac's own rules and
proves on small trees that each of them can fail.
"""

import ast
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

#: Layers by dotted prefix; the longest prefix that fits a module decides.
Layers = Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Import:
    """One import statement, or call of ``import_module``, resolved to a module."""

    #: Dotted name of the module that imports.
    source: str
    #: Dotted name of what it imports; "?" where only the running program knows.
    target: str
    line: int
    in_function: bool = False
    #: Written as a call (``import_module("...")``), not as a statement.
    by_call: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What is allowed, and every exception to it with its reason."""

    #: The package that the rules are about.
    package: str
    layers: Layers
    #: Pairs of prefixes that import nothing of each other.
    apart: tuple[tuple[str, str], ...] = ()
    #: (importing module, what it imports inside a function) -> why.
    in_functions: Mapping[tuple[str, str], str] = field(default_factory=dict)
    #: Modules that import by a name they are given -> why.
    by_name: Mapping[str, str] = field(default_factory=dict)
    #: Third-party library -> prefixes of the modules that may import it.
    libraries: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    #: Standard library modules that the lowest layer does without.
    impure: frozenset[str] = frozenset()
    #: (module of the lowest layer, impure module) -> why.
    impure_all_the_same: Mapping[tuple[str, str], str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """Modules and the imports between them."""

    modules: frozenset[str]
    imports: tuple[Import, ...]


def read_tree(root: Path) -> Tree:
    """Read all modules below ``root``, a directory that holds packages."""
    files = {_module_name(root, path): path for path in sorted(root.rglob("*.py"))}
    modules = frozenset(files)
    imports = [found for name, path in files.items() for found in _imports(name, path, modules)]
    return Tree(modules=modules, imports=tuple(imports))


def violations(tree: Tree, rules: Rules) -> list[str]:
    """Return one sentence per rule broken, and per exception that nothing needs any more."""
    return [
        *_unknown_modules(tree, rules),
        *_upward_arrows(tree, rules),
        *_forbidden_neighbours(tree, rules),
        *_cycles(tree),
        *_hidden_imports(tree, rules),
        *_misplaced_libraries(tree, rules),
        *_impurities(tree, rules),
    ]


def layer_of(module: str, layers: Layers) -> int | None:
    """Return a module's layer; None for a module without one."""
    parts = module.split(".")
    for length in range(len(parts), 0, -1):
        layer = layers.get(".".join(parts[:length]))
        # The package itself is no prefix: a new module in it has to be given a layer.
        if layer is not None and (length > 1 or len(parts) == 1):
            return layer
    return None


def _module_name(root: Path, path: Path) -> str:
    parts = list(path.relative_to(root).with_suffix("").parts)
    if parts[-1] == "__init__":
        parts.pop()
    return ".".join(parts)


def _imports(source: str, path: Path, modules: frozenset[str]) -> Iterator[Import]:
    tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    yield from _walk(tree, source, modules, in_function=False)


def _walk(node: ast.AST, source: str, modules: frozenset[str], *, in_function: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and _is_type_checking(child.test):
            for statement in child.orelse:
                yield from _walk(ast.Module([statement], []), source, modules, in_function=in_function)
            continue
        for target in _targets(child, modules):
            yield Import(source=source, target=target, line=_line(child), in_function=in_function)
        called = _called_import(child)
        if called is not None:
            yield Import(source=source, target=called, line=_line(child), in_function=in_function, by_call=True)
        is_function = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        yield from _walk(child, source, modules, in_function=in_function or is_function)


def _line(node: ast.AST) -> int:
    return getattr(node, "lineno", 0)


def _is_type_checking(test: ast.expr) -> bool:
    return (isinstance(test, ast.Name) and test.id == "TYPE_CHECKING") or (
        isinstance(test, ast.Attribute) and test.attr == "TYPE_CHECKING"
    )


def _targets(node: ast.AST, modules: frozenset[str]) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        package = "." * node.level + (node.module or "")
        for alias in node.names:
            # `from package import module` imports the module; `from module import name` the module before.
            whole = f"{package}.{alias.name}"
            yield whole if whole in modules else package


def _called_import(node: ast.AST) -> str | None:
    if not isinstance(node, ast.Call):
        return None
    function = node.func
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    if name not in {"import_module", "__import__"}:
        return None
    first = node.args[0] if node.args else None
    if isinstance(first, ast.Constant) and isinstance(first.value, str):
        return first.value
    return "?"


def _inside(module: str, prefix: str) -> bool:
    return module == prefix or module.startswith(f"{prefix}.")


def _within(tree: Tree) -> Iterator[Import]:
    """Yield the imports of the tree's own modules."""
    return (found for found in tree.imports if found.target in tree.modules)


def _unknown_modules(tree: Tree, rules: Rules) -> Iterator[str]:
    for module in sorted(tree.modules):
        if layer_of(module, rules.layers) is None:
            yield f"{module} has no layer: give it one in the table."


def _upward_arrows(tree: Tree, rules: Rules) -> Iterator[str]:
    for found in _within(tree):
        source, target = layer_of(found.source, rules.layers), layer_of(found.target, rules.layers)
        if source is not None and target is not None and target > source:
            yield (
                f"{found.source}:{found.line} (layer {source}) imports {found.target} (layer {target}), "
                "which is above it: pass in what it needs."
            )


def _forbidden_neighbours(tree: Tree, rules: Rules) -> Iterator[str]:
    pairs = [pair for one, other in rules.apart for pair in ((one, other), (other, one))]
    for found in _within(tree):
        for source, target in pairs:
            if _inside(found.source, source) and _inside(found.target, target):
                yield f"{found.source}:{found.line} imports {found.target}; {source} and {target} stay apart."


def _cycles(tree: Tree) -> Iterator[str]:
    graph: dict[str, set[str]] = {module: set() for module in tree.modules}
    for found in _within(tree):
        graph[found.source].add(found.target)
    for knot in _strongly_connected(graph):
        if len(knot) > 1 or knot[0] in graph[knot[0]]:
            yield f"These modules import each other in a circle: {', '.join(sorted(knot))}."


def _strongly_connected(graph: Mapping[str, Iterable[str]]) -> Iterator[list[str]]:
    """Yield the strongly connected components of a graph (Kosaraju: order by finish, then walk the reversed graph)."""
    order: list[str] = []
    seen: set[str] = set()
    for start in graph:
        order.extend(_finish_order(start, graph, seen))
    backwards: dict[str, set[str]] = {node: set() for node in graph}
    for node, targets in graph.items():
        for target in targets:
            backwards[target].add(node)
    seen = set()
    for start in reversed(order):
        if start not in seen:
            yield list(_finish_order(start, backwards, seen))


def _finish_order(start: str, graph: Mapping[str, Iterable[str]], seen: set[str]) -> Iterator[str]:
    if start in seen:
        return
    seen.add(start)
    for target in graph[start]:
        yield from _finish_order(target, graph, seen)
    yield start


def _hidden_imports(tree: Tree, rules: Rules) -> Iterator[str]:
    used: set[tuple[str, str]] = set()
    callers: set[str] = set()
    for found in tree.imports:
        place = f"{found.source}:{found.line}"
        key = (found.source, found.target)
        if found.by_call and found.target == "?":
            callers.add(found.source)
            if found.source not in rules.by_name:
                yield f"{place} imports by a name that only the running program knows: list it, with the reason."
        elif found.in_function or found.by_call:
            used.add(key)
            if key not in rules.in_functions:
                yield f"{place} hides the import of {found.target}: move it to the top of the module."
    for source, target in sorted(set(rules.in_functions) - used):
        yield f"{source} no longer hides an import of {target}: strike the exception."
    for source in sorted(set(rules.by_name) - callers):
        yield f"{source} no longer imports by name: strike the exception."


def _misplaced_libraries(tree: Tree, rules: Rules) -> Iterator[str]:
    for found in tree.imports:
        library = found.target.split(".")[0]
        if library in sys.stdlib_module_names or library in {rules.package, "?"}:
            continue
        places = rules.libraries.get(library)
        if places is None:
            yield f"{found.source}:{found.line} imports {library}, a library that nobody has decided on."
        elif not any(_inside(found.source, place) for place in places):
            yield f"{found.source}:{found.line} imports {library}, which belongs in {', '.join(places)} only."


def _impurities(tree: Tree, rules: Rules) -> Iterator[str]:
    used: set[tuple[str, str]] = set()
    lowest = min(rules.layers.values())
    for found in tree.imports:
        library = found.target.split(".")[0]
        if library in rules.impure and layer_of(found.source, rules.layers) == lowest:
            used.add((found.source, library))
            if (found.source, library) not in rules.impure_all_the_same:
                yield (
                    f"{found.source}:{found.line} imports {library}; the lowest layer is values only: no input or "
                    "output, no threads, no clock."
                )
    for source, library in sorted(set(rules.impure_all_the_same) - used):
        yield f"{source} no longer imports {library}: strike the exception."
