"""What keeps people from losing access by accident, by clicks: absence, a second person, and the restored backup.

Each page is looked at wide and narrow, dark and light.
"""

from collections.abc import Callable

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from directories.models import Directory, ProvisioningSettings
from provisioning.models import User
from provisioning.outbound.accounts import outbox
from provisioning.outbound.accounts.delivery import deliver
from provisioning.outbound.outlook import look as look_at
from provisioning.restore import holding
from provisioning.restore.models import HeldDirectory
from tests.browser.conftest import NARROW, WIDE, Look, sticking_out
from tests.browser.test_looks import axe_faults
from tests.browser.walk import Walk
from tests.provisioning.crew import Crews, crews, save_crew_directory
from tests.provisioning.imports.conftest import Source, source

__all__ = ["crews", "source"]
pytestmark = pytest.mark.django_db(transaction=True)


class SafetyWalk(Walk):
    """A walk that looks at each of its pages in every size and theme."""

    def fits(self, name: str) -> None:
        """Take pictures, when they are wanted; nothing may stick out, and axe finds nothing serious."""
        self.look(name)
        faults: list[str] = []
        for dark, size in ((True, NARROW), (False, WIDE)):
            self.page.evaluate("dark => document.documentElement.classList.toggle('dark', dark)", dark)
            self.page.set_viewport_size(size)
            faults += sticking_out(self.page)
            faults += axe_faults(self.page, only_colours=dark)
        assert not faults, "\n".join(faults)


@pytest.fixture
def walk(page: Page, sign_in: Callable[[Page, User], None], look: Look) -> SafetyWalk:
    """A superuser on Start."""
    page.goto("/login/")
    sign_in(page, User.objects.create_superuser("root", provisioned=False))
    page.goto("/")
    return SafetyWalk(page, look)


def work(directory: Directory) -> None:
    deliver(directory.pk, outbox.LEASES.due(directory.pk, 1000))


def test_an_empty_source_takes_nobody_away_and_a_small_one_waits(walk: SafetyWalk, source: Source) -> None:
    source.put_many(30)
    source.run()
    rows, source.rows = source.rows, []
    empty = source.run()
    walk.page.goto(f"/provisioning/importrun/{empty.pk}/change/")
    walk.says("The import failed")
    walk.fits("empty-source")
    assert User.objects.filter(username__startswith="user", is_active=True).count() == 30
    source.set(max_leavers=2)
    source.rows = rows[:5]
    source.put("fresh", "Fresh")
    shrunk = source.run()
    walk.page.goto(f"/provisioning/importrun/{shrunk.pk}/change/")
    walk.says("Waits for a decision")
    walk.says("25 people of 30 would be deactivated")
    walk.fits("waits-partly-applied")
    assert User.objects.filter(username="fresh").exists()  # the rest went on


def test_four_eyes_are_not_switched_off_by_one_person(walk: SafetyWalk) -> None:
    directory = Directory.objects.create(name="CRM", kind="memory", answered_at=timezone.now())
    ProvisioningSettings.objects.create(directory=directory, four_eyes=True)
    walk.page.goto(f"/directories/directory/{directory.pk}/change/#features")
    walk.page.get_by_label("Four eyes for approvals").uncheck()
    walk.page.get_by_role("button", name="Save", exact=True).click()
    walk.says("These settings wait for a second person")
    walk.fits("second-person")
    walk.button("Withdraw")
    walk.says("root refused what root asked for")
    expect(walk.page.get_by_label("Four eyes for approvals")).to_be_checked()


def test_a_restored_portal_looks_first(walk: SafetyWalk, crews: Crews) -> None:
    directory = save_crew_directory("CRM")
    User.objects.create(username="ann.lee", first_name="Ann", last_name="Lee")
    holding.hold_all("Its database was restored from a backup.")
    work(directory)
    assert not crews["CRM"].rows
    walk.page.goto("/")
    walk.says("Nothing goes out: this portal looks first.")
    walk.page.get_by_role("link", name="Look first").last.click()
    look_at(directory.pk, read=True)
    walk.page.reload()
    walk.says("To be created")
    walk.fits("look-first")
    walk.page.get_by_label("Type how many accounts are created").fill("1")
    walk.button("Let CRM go")
    walk.says("CRM is brought in line now.")
    assert not HeldDirectory.objects.exists()
    work(directory)
    assert set(crews["CRM"].rows) == {"ann.lee"}
