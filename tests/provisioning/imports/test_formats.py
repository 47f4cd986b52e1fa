"""What the portal's own forms refuse is never stored by an import; the rest of the row is applied, with a warning."""

import pytest

from provisioning.models import PlannedChange, User
from reports.models import Event
from tests.provisioning.imports.conftest import Source

pytestmark = pytest.mark.django_db


def told(key: str) -> list[str]:
    """Return the report lines about a user, oldest first."""
    return list(Event.objects.filter(identifier=key).order_by("pk").values_list("message", flat=True))


@pytest.mark.heavy
def test_a_bad_address_leaves_the_old_one_and_is_told(source: Source) -> None:
    source.put("ann", "Ann", "Lee", "ann@x.org")
    source.put("bob", "Bob", "Ray", "NotAMail")
    source.run()
    assert dict(User.objects.values_list("username", "email")) == {"ann": "ann@x.org", "bob": ""}
    words = "E-mail is not an e-mail address, so it was not taken over."
    assert told("bob") == [f"bob was created from {source.directory.name}. {words}"]
    source.put("ann", "Anna", "Lee", "ann@@x")
    run = source.run()
    ann = User.objects.get(username="ann")
    assert (ann.first_name, ann.email, run.errors) == ("Anna", "ann@x.org", 0)
    assert told("ann")[-1].endswith(f": First name. {words}")
    source.put("ann", "Anna", "Lee", "ann@@@x")
    source.run()
    assert told("ann")[-1] == f"Nothing of ann was changed from {source.directory.name}. {words}"


@pytest.mark.heavy
@pytest.mark.parametrize(
    ("name", "bad", "good", "stored", "words"),
    [
        ("locale", "english", "de_de", "de-DE", "Locale is not a locale such as en-GB"),
        ("time_zone", "Moon/Sea", "Europe/Rome", "Europe/Rome", "Time zone is not a time zone such as Europe/Berlin"),
        ("title", "Cap\x07tain", "Capt.\nof x", "Capt.\nof x", "Title holds characters that cannot be shown"),
        ("phone", "555\x1b1", "+49 (0) 1", "+49 (0) 1", "Phone holds characters that cannot be shown"),
    ],
)
def test_no_field_takes_what_its_form_refuses(
    source: Source, name: str, bad: str, good: str, stored: str, words: str
) -> None:
    source.map(VALUE=f"profile.{name}")
    source.put("ann", also={"VALUE": bad})
    source.put("bob", also={"VALUE": good})
    source.run()
    assert dict(User.objects.values_list("username", name)) == {"ann": "", "bob": stored}
    assert told("ann") == [f"ann was created from {source.directory.name}. {words}, so it was not taken over."]
    for user in User.objects.all():
        user.full_clean(exclude=["password"])
    source.put("bob", "Bo", also={"VALUE": good})
    source.run()
    assert PlannedChange.objects.get(key="bob", run__directory=source.directory, before__isnull=False, action="update")


def test_of_several_addresses_the_first_is_taken(source: Source) -> None:
    source.put("ann", also={"MAIL": ("a@x.org", "b@x.org")})
    source.run()
    assert User.objects.get(username="ann").email == "a@x.org"
