"""Reference pages as Markdown, made from the code: Python, command line, HTTP and recipes."""

from __future__ import annotations

import ast
import inspect
import json
import textwrap
import types
import typing
from collections.abc import Iterator
from typing import Any

Row = tuple[str, ...]


def table(heads: Row, rows: list[Row]) -> str:
    """A Markdown table; bars and line breaks in cells are escaped."""
    lines = [heads, ("---",) * len(heads), *rows]
    return "\n".join("| " + " | ".join(_cell(c) for c in line) + " |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


MODULES = {
    "Bundles": ["mien.bundle"],
    "Data": ["mien.data.dataset"],
    "Measuring": [
        "mien.measure.predictions", "mien.measure.evaluate", "mien.measure.compare",
        "mien.measure.calibrate", "mien.measure.grouped", "mien.measure.methods",
    ],
    "Sharing models": ["mien.hub"],
}  # fmt: skip
"""Modules beside ``mien`` itself that are meant to be imported."""


def python_page() -> str:
    """Every public name of ``mien``, then the modules that are meant to be imported."""
    import mien

    text = ["# Python API", "", "All of this stands in `mien` itself: `import mien`.", ""]
    for name in sorted(mien.__all__, key=lambda n: (n != "load", n.isupper(), n)):
        text += [
            f"::: {_home(mien, name)}",
            "    options:",
            "      show_root_heading: true",
            "      show_root_full_path: false",
            f"      heading: mien.{name}",
            "      heading_level: 2",
            "",
        ]
    for title, modules in MODULES.items():
        text += [f"## {title}", ""]
        for module in modules:
            text += [f"### {module}", "", f"::: {module}", "    options:",
                     "      show_root_heading: false", "      heading_level: 4", ""]  # fmt: skip
    return "\n".join(text)


def _home(package: types.ModuleType, name: str) -> str:
    """Where a public name is defined: constants do not know it, so the source is asked."""
    found = getattr(package, name)
    if hasattr(found, "__qualname__"):
        return f"{found.__module__}.{found.__qualname__}"
    for node in ast.parse(inspect.getsource(package)).body:
        if isinstance(node, ast.ImportFrom) and any(a.name == name for a in node.names):
            return f"{node.module}.{name}"
    return f"{package.__name__}.{name}"


# Command line


def commands() -> Iterator[tuple[str, Any]]:
    """Every verb with its full name, groups before their verbs."""
    import typer

    from mien.cli import build

    def walk(name: str, command: Any) -> Iterator[tuple[str, Any]]:
        yield name, command
        for verb, inner in sorted(getattr(command, "commands", {}).items()):
            if not inner.hidden:
                yield from walk(f"{name} {verb}", inner)

    yield from walk("mien", typer.main.get_command(build()))


def cli_page() -> str:
    """Every verb, its help and its options."""
    text = ["# Command line", "", "`mien VERB --help` prints the same.", ""]
    for name, command in commands():
        level = "##" if name.count(" ") < 2 else "###"
        examples, said = [], []
        for paragraph in inspect.cleandoc(command.help or "").split("\n\n"):
            if paragraph.startswith("Example: "):
                examples.append(" ".join(paragraph.removeprefix("Example: ").split()))
            else:
                said.append(paragraph)
        text += [f"{level} {name}", "", *_spaced(said)]
        if examples:
            text += ["```sh", *examples, "```", ""]
        rows = [row for p in command.params if (row := _parameter(p))]
        if rows:
            text += [table(("option", "takes", "default", "what"), rows), ""]
    return "\n".join(text)


def _spaced(paragraphs: list[str]) -> list[str]:
    return [line for paragraph in paragraphs for line in (paragraph, "")]


def _parameter(parameter: Any) -> Row | None:
    if "--help" in parameter.opts:
        return None
    if parameter.param_type_name == "argument":
        names = f"`{parameter.metavar or (parameter.name or '').upper()}`"
    else:
        names = " / ".join(f"`{o}`" for o in (*parameter.opts, *parameter.secondary_opts))
    kind = _kind(parameter)
    default = parameter.default
    shown = "" if callable(default) or default in (None, False, (), []) else f"`{default}`"
    if "Sentinel" in type(default).__name__ or "UNSET" in repr(default):
        shown = ""
    said = getattr(parameter, "help", None) or ""
    if variable := getattr(parameter, "envvar", None):
        said += f" Also from the environment: `{variable}`."
    return names, kind, "required" if parameter.required else shown, said


def _kind(parameter: Any) -> str:
    """What an option takes; Typer keeps the annotation itself since 0.26, Click's type before."""
    if getattr(parameter, "is_flag", False):
        return ""
    described, kind = getattr(parameter, "type_descriptor", None), getattr(parameter, "type", None)
    if described is not None:
        annotation = described.annotation
        if annotation is bool:
            return ""
        if choices := getattr(annotation, "__members__", None):
            return ", ".join(str(choice.value) for choice in choices.values())
        name, low, high = _name(annotation).lower(), parameter.min, parameter.max
    else:
        if choices := getattr(kind, "choices", None):
            return ", ".join(map(str, choices))
        low, high = getattr(kind, "min", None), getattr(kind, "max", None)
        name = str(getattr(kind, "name", kind)).replace(" range", "")
    name = {"str": "text", "int": "integer", "float": "number"}.get(name, name)
    if low is not None and high is not None:
        return f"{name}, {low} to {high}"
    if low is not None:
        return f"{name}, from {low}"
    return name if high is None else f"{name}, to {high}"


# Recipes


def recipe_page() -> str:
    """Every key of a recipe, with its type, range and default."""
    from mien.train.recipe import Recipe

    text = [
        "# Recipe keys", "",
        "A recipe is a TOML file. `key=value` after `mien train RECIPE DATA` overrides a key; "
        "sections are dotted: `optimizer.lr=3e-4`. Unknown keys are refused.", "",
    ]  # fmt: skip
    sections = [("", Recipe)]
    sections += [(n, f.annotation) for n, f in Recipe.model_fields.items() if _is_section(f)]
    for prefix, model in sections:
        text += [f"## [{prefix}]" if prefix else "## Top level", ""]
        text += [inspect.getdoc(model) or "", ""]
        notes = _notes(model)
        rows = []
        for key, field in model.model_fields.items():
            if _is_section(field):
                continue
            name = f"{prefix}.{key}" if prefix else key
            said = " ".join((field.description or notes.get(key, "")).split())
            rows.append((f"`{name}`", _typed(field), _value(field), said.replace("``", "`")))
        text += [table(("key", "type and range", "default", "what"), rows), ""]
    return "\n".join(text)


def _is_section(field: Any) -> bool:
    return hasattr(field.annotation, "model_fields")


def _notes(model: type) -> dict[str, str]:
    """The string that follows each attribute, which Python itself does not keep."""
    (body,) = ast.parse(textwrap.dedent(inspect.getsource(model))).body
    assert isinstance(body, ast.ClassDef)
    found = {}
    for before, after in zip(body.body, body.body[1:], strict=False):
        if (
            isinstance(before, ast.AnnAssign)
            and isinstance(before.target, ast.Name)
            and isinstance(after, ast.Expr)
            and isinstance(after.value, ast.Constant)
        ):
            found[before.target.id] = str(after.value.value)
    return found


def _typed(field: Any) -> str:
    bounds = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<", "multiple_of": "multiple of"}
    words = [_name(field.annotation)]
    for rule in field.metadata:
        words += [f"{sign} {getattr(rule, key)}" for key, sign in bounds.items()
                  if getattr(rule, key, None) is not None]  # fmt: skip
    return ", ".join(words)


def _name(kind: Any) -> str:
    if typing.get_origin(kind) is typing.Literal:
        return " or ".join(f"`{json.dumps(choice)}`" for choice in typing.get_args(kind))
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        return " or ".join(_name(k) for k in typing.get_args(kind) if k is not type(None))
    if typing.get_origin(kind) is typing.Annotated:
        return _name(typing.get_args(kind)[0])
    if typing.get_origin(kind) in (dict, list, tuple):
        inner = [_name(k) for k in typing.get_args(kind)]
        return f"{typing.get_origin(kind).__name__} of {' → '.join(dict.fromkeys(inner))}"
    return getattr(kind, "__name__", str(kind))


def _value(field: Any) -> str:
    value = field.get_default(call_default_factory=True)
    return "unset" if value is None else f"`{json.dumps(value, ensure_ascii=False)}`"


def openapi() -> dict[str, Any]:
    """The service's OpenAPI document, with the embedded model."""
    import mien
    from mien.web.app import create_app

    document: dict[str, Any] = create_app(mien.load(threads=1)).openapi()
    return document


def openapi_text() -> str:
    """The document as JSON."""
    return json.dumps(openapi(), indent=1, ensure_ascii=False)


def http_page() -> str:
    """Every route with its parameters and answers, then every type."""
    document = openapi()
    text = [
        "# HTTP", "",
        f"{document['info'].get('description', '')} The same as [openapi.json](openapi.json), "
        "which a running service gives at `/openapi.json`.", "",
    ]  # fmt: skip
    for path, methods in document["paths"].items():
        for method, route in methods.items():
            text += [f"## {method.upper()} {path}", "", route.get("description")
                     or route.get("summary", ""), ""]  # fmt: skip
            if body := route.get("requestBody"):
                text += ["Body: " + ", ".join(f"`{kind}`" for kind in body["content"]) + ".", ""]
            if parameters := route.get("parameters"):
                rows = [(f"`{p['name']}`", p["in"], _schema(p["schema"]),
                         p.get("description", "")) for p in parameters]  # fmt: skip
                text += [table(("parameter", "in", "type and range", "what"), rows), ""]
            rows = [(code, _answer(a), a.get("description", ""))
                    for code, a in sorted(route["responses"].items())]  # fmt: skip
            text += [table(("status", "type", "what"), rows), ""]
    text += ["## Types", ""]
    for name, schema in sorted(document.get("components", {}).get("schemas", {}).items()):
        if properties := schema.get("properties"):
            rows = [(f"`{key}`", _schema(value), value.get("description", ""))
                    for key, value in properties.items()]  # fmt: skip
            text += [f"### {name}", "", schema.get("description", ""), "",
                     table(("key", "type and range", "what"), rows), ""]  # fmt: skip
    return "\n".join(text)


def _answer(answer: dict[str, Any]) -> str:
    return ", ".join(_schema(c.get("schema", {})) for c in answer.get("content", {}).values())


def _schema(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[1]
        return f"[{name}](#{name.lower()})" if name[0].isupper() and name != "Emotion" else name
    for union in ("anyOf", "oneOf"):
        if union in schema:
            return " or ".join(_schema(part) for part in schema[union])
    if "enum" in schema or "const" in schema:
        return " or ".join(f"`{v}`" for v in schema.get("enum", [schema.get("const")]))
    kind = str(schema.get("type", "any"))
    if kind == "array":
        return f"list of {_schema(schema.get('items', {}))}"
    low, high = schema.get("minimum"), schema.get("maximum")
    return kind if low is None and high is None else f"{kind}, {low} to {high}"
