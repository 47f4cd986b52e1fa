"""The filters of the users list. PostgreSQL answers each from an index (the tests look at the plans)."""

from typing import Any

from django.contrib import admin
from django.db import connection
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from unfold.contrib.filters.admin import DropdownFilter, TextFilter
from unfold.contrib.filters.forms import AutocompleteDropdownForm

from directories.attributes import Type
from directories.models import Directory
from provisioning.contracts.due import JOINING, joining
from provisioning.contracts.models import Employment
from provisioning.models import Account, AttributeDefinition, Membership, User
from provisioning.models.accounts import LEFT_OPEN, STALE, AccountState, LastResult
from provisioning.profile.person import attribute_of
from provisioning.profile.values import parse

Users = QuerySet[User]
LISTED_DEPARTMENTS = 500
NONE = "-"

# A loose scan of the index on (department, user name): one look-up a department, however many users there are.
_DEPARTMENTS = """
WITH RECURSIVE listed(department) AS (
    SELECT min(department) FROM provisioning_user
    UNION ALL
    SELECT (SELECT min(department) FROM provisioning_user WHERE department > listed.department)
    FROM listed WHERE listed.department IS NOT NULL
)
SELECT department FROM listed WHERE department <> '' LIMIT %s
"""


def departments() -> list[str]:
    """Return the first 500 departments in use."""
    with connection.cursor() as cursor:
        cursor.execute(_DEPARTMENTS, [LISTED_DEPARTMENTS])
        return [name for (name,) in cursor.fetchall()]


def spellings(text: str) -> set[str]:
    """Return how a value may be written, for indexes that know case."""
    return {text, text.lower(), text.upper(), text.title()}


class StateFilter(DropdownFilter):  # type: ignore[misc]
    """Active or not."""

    title = "state"
    parameter_name = "active"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Name the two."""
        return [("1", "Active"), ("0", "Inactive")]

    def queryset(self, request: HttpRequest, queryset: Users) -> Users:
        """Inactive users are few: a partial index lists them."""
        return queryset.filter(is_active=self.value() == "1") if self.value() in {"0", "1"} else queryset


class DirectoryFilter(DropdownFilter):  # type: ignore[misc]
    """Who has an account in a directory; the account filter says in which state."""

    title = "directory"
    parameter_name = "directory"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """List the directories."""
        return [(str(pk), name) for pk, name in Directory.objects.values_list("pk", "name")]

    def queryset(self, request: HttpRequest, queryset: Users) -> Users:
        """Leave it to the account filter when that is set: the two speak of one account."""
        if not directory_of(request) or request.GET.get(AccountFilter.parameter_name):
            return queryset
        return queryset.filter(_has_account(request, Q()))


class AccountFilter(DropdownFilter):  # type: ignore[misc]
    """In which state the account is, in the directory filtered by or in any."""

    title = "account"
    parameter_name = "account"
    conditions = {
        "any": Q(),
        "attention": Q(last_result=LastResult.PARKED),
        "waiting": Q(last_result=LastResult.WAITING),
        "open": LEFT_OPEN,
        "stale": STALE,
        **{state.value: Q(state=state.value) for state in AccountState},
    }

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Name the states."""
        return [
            ("open", "Left, and still has an account"),
            ("attention", "Needs attention"),
            ("waiting", "Waiting for the directory"),
            ("stale", "Disabled, and nothing deletes it"),
            *AccountState.choices,
            ("any", "Has an account"),
            ("none", "Has no account"),
        ]

    def queryset(self, request: HttpRequest, queryset: Users) -> Users:
        """Ask for an account of that user, of that directory, in that state."""
        if self.value() == "none":
            return queryset.filter(~_has_account(request, Q()))
        condition = self.conditions.get(str(self.value()))
        return queryset if condition is None else queryset.filter(_has_account(request, condition))


def _has_account(request: HttpRequest, condition: Q) -> Exists:
    accounts = Account.objects.filter(condition, user=OuterRef("pk"))
    directory = directory_of(request)
    return Exists(accounts.filter(directory=directory) if directory else accounts)


def directory_of(request: HttpRequest) -> int | None:
    """Return the id of the directory filtered by."""
    text = request.GET.get(DirectoryFilter.parameter_name, "")
    return int(text) if text.isdecimal() and len(text) < 19 else None


class ContractsFilter(DropdownFilter):  # type: ignore[misc]
    """Who is not as their contracts say, since somebody refused that or switched them by hand; and who joins soon."""

    title = "contracts"
    parameter_name = "contracts"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Name the three."""
        return [
            ("over", "Active though no contract holds"),
            ("held", "Inactive though a contract holds"),
            ("joining", f"Joins in the next {JOINING.days} days"),
        ]

    def queryset(self, request: HttpRequest, queryset: Users) -> Users:
        """Begin at the few: employments of which nothing holds or that begin soon, or inactive users."""
        if self.value() == "joining":
            return queryset.filter(pk__in=joining(timezone.now()).values("user"))
        if self.value() not in {"over", "held"}:
            return queryset
        holds = self.value() == "held"
        return queryset.filter(
            Exists(Employment.objects.filter(user=OuterRef("pk"), active=holds)), is_active=not holds
        )


class DepartmentFilter(DropdownFilter):  # type: ignore[misc]
    """One department; a list to choose from."""

    title = "department"
    parameter_name = "department"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """List the departments, and one that is filtered by though it is not listed."""
        names = departments()
        chosen = request.GET.get(self.parameter_name, "")
        if chosen and chosen != NONE and chosen not in names:
            names.append(chosen)
        return [(name, name) for name in names] + [(NONE, "No department")]

    def queryset(self, request: HttpRequest, queryset: Users) -> Users:
        """Compare the whole name."""
        if not self.value():
            return queryset
        return queryset.filter(department="" if self.value() == NONE else self.value())


class GroupFilter(admin.SimpleListFilter):
    """The members of a group, found by typing its name."""

    title = "group"
    parameter_name = "group"
    template = "unfold/filters/filters_field.html"
    form_class = AutocompleteDropdownForm

    def __init__(self, request: HttpRequest, params: dict[str, Any], model: type[User], model_admin: Any) -> None:
        self.request, self.model_admin = request, model_admin
        super().__init__(request, params, model, model_admin)

    def has_output(self) -> bool:
        """Show it always: the groups are looked up as somebody types."""
        return True

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """List none."""
        return []

    def value(self) -> str | None:
        """Return the group's id; anything else is no filter."""
        text = str(super().value() or "")
        return text if text.isdecimal() and len(text) < 19 else None

    def queryset(self, request: HttpRequest, queryset: Users) -> Users:
        """Ask for a membership."""
        if not self.value():
            return queryset
        return queryset.filter(Exists(Membership.objects.filter(group=int(self.value() or 0), user=OuterRef("pk"))))

    def choices(self, changelist: Any) -> Any:
        """Give the template the form."""
        yield {
            "form": self.form_class(
                request=self.request,
                label=" By group ",
                name=self.parameter_name,
                choices=(),
                field=Membership._meta.get_field("group"),
                model_admin=self.model_admin,
                data={self.parameter_name: self.value()},
            )
        }


def attribute_filter(definition: AttributeDefinition) -> type[admin.SimpleListFilter]:
    """Return a filter by one custom profile attribute: a list where there are choices, else the exact value."""
    base = DropdownFilter if definition.type in {Type.BOOLEAN, Type.CHOICE} else TextFilter
    options = {"true": "Yes", "false": "No"} if definition.type == Type.BOOLEAN else {c: c for c in definition.choices}

    class AttributeFilter(base):  # type: ignore[misc, valid-type]
        title = definition.label
        parameter_name = f"attribute_{definition.name}"

        def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
            return list(options.items())

        def queryset(self, request: HttpRequest, queryset: Users) -> Users:
            try:
                value = parse(attribute_of(definition), self.value())
            except ValueError:
                return queryset.none()
            return queryset if value is None else queryset.filter(has_value(definition.name, value))

    return AttributeFilter


def has_value(name: str, value: Any) -> Q:
    """Return the condition that a custom profile attribute has a value; text is tried in its usual spellings."""
    condition = Q()
    for spelling in spellings(value) if isinstance(value, str) else [value]:
        if connection.vendor == "postgresql":
            condition |= Q(custom_profile__contains={name: spelling})  # served by the GIN index
        else:
            condition |= Q(**{f"custom_profile__{name}": spelling})
    return condition
