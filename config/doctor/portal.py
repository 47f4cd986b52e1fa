"""What is in the portal: who may sign in, the demo, and directories that do not work."""

from collections.abc import Iterator

from django.conf import settings
from django.contrib.auth.hashers import check_password

from config.doctor.mistakes import RED, YELLOW, Mistake, red, yellow
from directories.models import Directory
from provisioning.demo import DEFAULT_PASSWORD, is_demo
from provisioning.models import User
from provisioning.notices.causes import CAUSES, DANGER

STAFF = 20  # whose passwords are tried: each try takes a moment
NOTICES = ("look_first", "unreachable", "unsafe", "certificate", "scim_token")


def administrators() -> Iterator[Mistake]:
    """Somebody can sign in and do everything, and nobody with a password that everybody knows."""
    if not User.objects.filter(is_active=True, is_superuser=True).exists():
        yield red("There is no superuser.", "Run: manage.py createsuperuser")
    staff = User.objects.filter(is_active=True, is_staff=True).order_by("-is_superuser", "pk")
    for name, hashed in staff.values_list("username", "password")[:STAFF]:
        if any(check_password(known, hashed) for known in (DEFAULT_PASSWORD, name)):
            yield red(
                f"{name} signs in with a password that everybody can guess.", f"Run: manage.py changepassword {name}"
            )


def demo() -> Iterator[Mistake]:
    """A portal that others use has no demo in it."""
    if settings.HTTPS and any(is_demo(one) for one in Directory.objects.filter(kind="sqlite")):
        yield yellow("The demo is in this portal.", "Delete its directories and people, or begin with an empty one.")


def notices() -> Iterator[Mistake]:
    """What the portal tells its staff of directories and applications."""
    for cause in (CAUSES[name] for name in NOTICES):
        for found in cause.find():
            yield Mistake(RED if cause.level == DANGER else YELLOW, f"{found.title}.", found.text)
