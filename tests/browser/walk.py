"""One person's way through the portal, in the words of its pages."""

import re

from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Look, settled


class Walk:
    """Presses and reads what is on ``page``; ``look(page, name)`` takes a picture of a step."""

    def __init__(self, page: Page, look: Look) -> None:
        self.page = page
        self._look = look

    def look(self, name: str) -> None:
        """Take a picture, when pictures are wanted."""
        self._look(self.page, name)

    def sidebar(self, title: str) -> None:
        """Follow an entry of the sidebar; its name has an icon before it."""
        self.page.locator("#nav-sidebar").get_by_role("link", name=re.compile(rf"{title}$")).click()

    def tab(self, title: str) -> None:
        """Open a tab of the directory's page and wait until it is drawn again."""
        self.page.get_by_role("tab", name=title).click()
        settled(self.page)

    def button(self, name: str, within: Locator | None = None) -> None:
        """Press a button; its name may have an icon beside it."""
        words = re.compile(rf"{name}( [a-z_]+)?$")
        (within or self.page).get_by_role("button", name=words).click()

    def says(self, words: str) -> None:
        """Wait until the page shows the words."""
        expect(self.page.get_by_text(words).first).to_be_visible()

    def fill(self, **values: str) -> None:
        """Fill fields by their names; two underscores stand for a hyphen."""
        for name, value in values.items():
            self.page.locator(f"[name='{name.replace('__', '-')}']").fill(value)

    def switch_on(self, *features: str) -> None:
        """Switch features of the directory on."""
        self.tab("Features & schedule")
        for feature in features:
            self.page.get_by_label(feature, exact=True).check()

    def operation(self, name: str) -> Locator:
        """Return the panel of one operation's queries."""
        return self.page.locator(f"[data-operation={name}]")

    def write(self, operation: str, sql: str) -> None:
        """Add a statement to an operation."""
        panel = self.operation(operation)
        if panel.get_attribute("open") is None:
            panel.locator("summary").click()
        self.button("Add statement", panel)
        panel.locator("textarea").last.fill(sql)
