"""Text from a cluster is never markup: what `plain` does, and a reading of the sources for ways round it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from textual.content import Content

import tui
from tui.plain import cell, clean, hang, inline, line, plain, prose

SOURCES = sorted(Path(tui.__file__).parent.rglob("*.py"))
HOSTILE = ["[/foo]", "[[b]]", "[red]x[/red]", "a[link=javascript:x]b[/]", "$primary [", "\\[", "[@click=app.quit]q[/]"]

# Where text reaches a widget, as the first argument.
SINKS = {"Static", "Label", "Option", "Button", "Markdown", "RadioButton", "Cause", "update", "notify"}
ATTRIBUTES = {"border_title", "border_subtitle", "tooltip", "sub_title"}


@pytest.mark.parametrize("text", HOSTILE)
def test_text_stays_as_it_is(text: str) -> None:
    assert plain(text).plain == text
    assert plain(text, "bold").plain == text
    assert line("a", (text, "bold"), plain(text)).plain == f"a{text}{text}"
    assert inline(text).plain == text
    assert prose(f"before\n\n{text}").plain == f"before\n\n{text}"
    assert text in prose(f"```\n{text}\n```").plain
    assert cell(text, 40).plain == text.ljust(40)
    assert hang("x", plain(text), indent=3, width=80).plain == f"x  {text}"


@pytest.mark.parametrize("code", [*range(0x20), 0x7F, *range(0x80, 0xA0), 0x200E, 0x202E, 0x2066, 0xFEFF])
def test_control_and_direction_characters_are_made_visible(code: int) -> None:
    shown = clean(f"a{chr(code)}b")
    if chr(code) == "\n":
        assert shown == "a\nb"
    elif chr(code) == "\t":
        assert shown == "a   b"
    else:
        assert len(shown) == 3
        assert shown[1].isprintable()


def test_prose_keeps_lists_and_code_and_lets_paragraphs_flow() -> None:
    text = "One\ntwo `code`.\n\n- first\n  goes on\n- second\n\n```yaml\na: [1]\n```\n1. step\n2. **step**"
    assert prose(text).plain == "One two code.\n\n• first goes on\n• second\n\n  a: [1]\n\n1. step\n2. step"


def _builders() -> set[str]:
    """Names of the functions of `tui` that return content, and so went through `plain`."""
    names = set()
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.FunctionDef)
                and node.returns is not None
                and ast.unparse(node.returns) == "Content"
            ):
                names.add(node.name)
    return names


BUILDERS = _builders()


def _name(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def _safe(value: ast.expr, contents: set[str]) -> bool:
    """Whether an expression is content, or a literal of ours without a bracket."""
    if isinstance(value, ast.Constant):
        return isinstance(value.value, str) and "[" not in value.value
    if isinstance(value, ast.Call):
        return _name(value) in BUILDERS or (_name(value) == "clean")
    if isinstance(value, ast.IfExp):
        return _safe(value.body, contents) and _safe(value.orelse, contents)
    return ast.unparse(value) in contents


def _contents(tree: ast.Module) -> set[str]:
    """Names that are declared as content: parameters, attributes set from such parameters, and their like."""
    declared = {
        a.arg
        for a in ast.walk(tree)
        if isinstance(a, ast.arg) and a.annotation is not None and ast.unparse(a.annotation) == "Content"
    }
    stored = {
        ast.unparse(node.targets[0])
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Name) and node.value.id in declared
    }
    return declared | stored


def _violations(source: str, path: str) -> list[str]:
    tree = ast.parse(source)
    contents = _contents(tree)
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            found += [f"{path}:{node.lineno}: {wrong}" for wrong in _wrong_in(node, contents, path)]
        if isinstance(node, ast.Assign):
            titles = [t for t in node.targets if isinstance(t, ast.Attribute) and t.attr in ATTRIBUTES]
            found += [f"{path}:{node.lineno}: {t.attr}" for t in titles if not _safe(node.value, contents)]
    return found


def _wrong_in(call: ast.Call, contents: set[str], path: str) -> list[str]:
    name, wrong = _name(call), []
    on_a_dict = isinstance(call.func, ast.Attribute) and isinstance(call.func.value, ast.Dict)
    if name in SINKS and call.args and not on_a_dict and not _safe(call.args[0], contents):
        wrong.append(f"{name}({ast.unparse(call.args[0])})")
    if name == "notify":
        given = {keyword.arg: keyword.value for keyword in call.keywords}
        markup = given.get("markup")
        if not (isinstance(markup, ast.Constant) and markup.value is False):
            wrong.append("notify without markup=False")
        if "title" in given and not _safe(given["title"], contents):
            wrong.append("title of notify")
    if name in {"from_markup", "escape", "from_text"}:
        wrong.append(f"{name} reads markup")
    if name == "Content" and not path.endswith("plain.py"):
        wrong.append("Content is built in plain.py only")
    return wrong


def test_no_call_site_shows_text_without_plain() -> None:
    found = [v for path in SOURCES for v in _violations(path.read_text(encoding="utf-8"), path.name)]
    assert not found, "wrap the text in tui.plain.plain (or line, prose, clean for notify):\n" + "\n".join(found)


@pytest.mark.parametrize(
    "source",
    [
        "self.update(verdict.observed)",
        "Static(f'seen: {text}')",
        "Label(name)",
        "self.notify(clean(text))",
        "self.notify(text, markup=False)",
        "self.notify(clean(text), title=text, markup=False)",
        "Option(str(pod))",
        "widget.border_title = pod",
        "Content(text)",
        "Content.from_markup(text)",
        "Static('[b]x[/b]')",
    ],
)
def test_the_reading_finds_each_way_round(source: str) -> None:
    assert _violations(source, "somewhere.py")


def test_content_has_the_builders_we_think_of() -> None:
    assert {"plain", "line", "lines", "prose", "inline", "cell", "hang"} <= BUILDERS
    assert isinstance(plain("x"), Content)
