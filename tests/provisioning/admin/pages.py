"""What a browser would send: the values of a page's form, read from its HTML."""

from html.parser import HTMLParser
from typing import Any

from django.http import HttpResponse

Values = dict[str, list[str]]


class _Form(HTMLParser):
    """Collects the successful controls of one form, as HTML defines them."""

    def __init__(self, form_id: str) -> None:
        super().__init__()
        self.form_id = form_id
        self.inside = False
        self.templates = 0
        self.values: Values = {}
        self._select = ""
        self._first: str | None = None
        self._chosen = False
        self._area = ""
        self._text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.inside = found.get("id") == self.form_id
        elif tag == "template":
            self.templates += 1
        if not self.inside or self.templates or "disabled" in found:
            return
        name = found.get("name", "")
        if tag == "input" and name:
            boxed = found.get("type") in ("checkbox", "radio")
            if not boxed or "checked" in found:
                self.values.setdefault(name, []).append(found.get("value", "on" if boxed else ""))
        elif tag == "textarea":
            self._area, self._text = name, ""
        elif tag == "select":
            self._select, self._first, self._chosen = name, None, False
        elif tag == "option" and self._select:
            self._first = found.get("value", "") if self._first is None else self._first
            if "selected" in found:
                self.values.setdefault(self._select, []).append(found.get("value", ""))
                self._chosen = True

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self.inside = False
        elif tag == "template":
            self.templates -= 1
        elif tag == "textarea" and self._area:
            self.values.setdefault(self._area, []).append(self._text.removeprefix("\n"))
            self._area = ""
        elif tag == "select" and self._select:
            if not self._chosen and self._first is not None:
                self.values.setdefault(self._select, []).append(self._first)
            self._select = ""

    def handle_data(self, data: str) -> None:
        if self._area:
            self._text += data


def form_values(response: Any, form_id: str = "directory_form") -> Values:
    """Return what the form of the page would send."""
    reader = _Form(form_id)
    reader.feed(text(response))
    assert reader.values, "the page has no such form"
    return reader.values


def text(response: HttpResponse | Any) -> str:
    """Return the page's HTML."""
    return str(response.content.decode())
