"""Reading a users file: every line checked first, the differences shown, and then all of it applied or none.

The user name says who a line is about. Whatever the number of lines, the users are read in a query a thousand, and
written by ``provisioning.services``, the door that the user page uses too.
"""

from collections.abc import Iterable
from typing import Any

from django.core.exceptions import ValidationError
from import_export.instance_loaders import BaseInstanceLoader
from import_export.resources import ModelResource
from import_export.results import Error, Result, RowResult

from directories.attributes import Kind, PortalAttribute
from provisioning import services
from provisioning.models import User
from provisioning.models.people import fold
from provisioning.profile.facts import NEW, Facts, differences, facts
from provisioning.profile.person import catalogue
from provisioning.profile.values import parse
from provisioning.spreadsheets import columns
from provisioning.spreadsheets.columns import FileProblem
from provisioning.spreadsheets.passwords import PasswordColumn

STAFF = "This account can sign in to the portal; only a superuser may change it."
MYSELF = "You cannot deactivate your own account."


class Loader(BaseInstanceLoader):  # type: ignore[misc]
    """Finds a line's user among those that were read beforehand."""

    def get_instance(self, row: dict[str, Any]) -> User | None:
        """Return the user, or None for a new one."""
        return self.resource.people.get(_key(row.get("username")))  # type: ignore[no-any-return]


class LineResult(RowResult):  # type: ignore[misc]
    """What one line would do: its number in the file, the user and the differences."""

    line = 0
    username = ""
    changes: dict[str, tuple[Any, Any]] = {}


class UserResource(ModelResource):  # type: ignore[misc]
    """One import of one file by ``user``, an actor of the admin."""

    class Meta:
        model = User
        fields = ()
        import_id_fields = ["username"]
        instance_loader_class = Loader
        use_bulk = True
        batch_size = None  # everything is written at the end, by bulk_update below
        skip_diff = True
        skip_unchanged = True
        report_skipped = False
        store_instance = True

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.known = catalogue()
        self.columns = columns.columns()
        self.fields = {name: self.DEFAULT_RESOURCE_FIELD(attribute=name, column_name=name) for name in self.columns}
        self.people: dict[str, User] = {}
        self.before: dict[str, Facts] = {}
        self.held: dict[str, dict[str, Any]] = {}  # what known users were, as plans write it
        self.lines: dict[str, int] = {}
        self.managers: dict[str, str] = {}  # who gets a manager that this very file creates
        self.changed: set[str] = set()

    @classmethod
    def get_row_result_class(cls) -> type[LineResult]:
        """Return ours."""
        return LineResult

    def import_data(self, dataset: Any, *args: Any, **kwargs: Any) -> Result:
        """Check the headings before anything else."""
        try:
            dataset.headers = columns.match(dataset.headers or [], self.columns)
            self.passwords = PasswordColumn(dataset, kwargs["user"])
        except FileProblem as problem:
            result = Result()
            result.append_base_error(Error(problem))
            return result
        return super().import_data(dataset, *args, **kwargs)

    def before_import(self, dataset: Any, **kwargs: Any) -> None:
        """Read everybody the file speaks of, and lock them when it is going to be applied."""
        self.actor: User = kwargs["user"]
        self.subject = f"a file of {len(dataset):,} {'user' if len(dataset) == 1 else 'users'}"
        names = {_key(name) for name in dataset["username"]}
        users = User.objects.select_related("manager")
        if not kwargs.get("dry_run"):
            users = users.select_for_update(of=("self",))
        self.people = _by_key(users, names)
        self.new = names - self.people.keys()
        managers = {_key(name) for name in dataset["manager"]} if "manager" in dataset.headers else set()
        self.bosses = self.people | _by_key(User.objects.only("username", "username_key"), managers - names)

    def before_import_row(self, row: dict[str, Any], **kwargs: Any) -> None:
        """Refuse a line about nobody, or about somebody for the second time."""
        key, line = _key(row["username"]), kwargs["row_number"] + 1
        if not key:
            raise ValidationError({"username": "The user name is missing."})
        if key in self.lines:
            raise ValidationError({"username": f"Line {self.lines[key]} is about the same user."})
        self.lines[key] = line

    def init_instance(self, row: Any = None) -> User:
        """Return a new user, who cannot sign in."""
        user = User(username=str(columns.read(row["username"])).strip())
        user.set_unusable_password()
        return user

    def after_init_instance(self, instance: User, new: bool, row: Any, **kwargs: Any) -> None:
        """Remember what the user was."""
        key = fold(instance.username)
        self.before[key] = NEW if new else facts(instance, self.known)
        if not new:
            self.held[key] = services.values_of(instance)

    def import_instance(self, instance: User, row: dict[str, Any], **kwargs: Any) -> None:
        """Put the cells into the user; collect every problem of the line."""
        problems: dict[str, ValidationError] = {}
        if refusal := self.passwords.take(_key(row["username"]), kwargs["row_number"], instance):
            problems[columns.PASSWORD] = ValidationError(refusal)
        for name, attribute in self.columns.items():
            if name not in row or name == "username":
                continue
            try:
                self._set(instance, attribute, columns.read(row[name]))
            except ValueError as error:
                problems[name] = ValidationError(str(error))
        if instance.pk is None:
            for name, attribute in self.columns.items():
                held = name in problems or attribute.kind != Kind.CUSTOM_PROFILE or name in instance.custom_profile
                if attribute.required and not held:
                    problems[name] = ValidationError(f"{attribute.label} is required.")
        if problems:
            raise ValidationError(problems)

    def _set(self, user: User, attribute: PortalAttribute, cell: Any) -> None:
        value = parse(attribute, cell)
        if attribute.kind == Kind.CUSTOM_PROFILE:
            profile = {name: held for name, held in user.custom_profile.items() if name != attribute.name}
            if value is None and attribute.required:
                raise ValueError(f"{attribute.label} is required.")
            user.custom_profile = profile if value is None else {**profile, attribute.name: value}
        elif attribute.name == "manager":
            self._set_manager(user, value)
        elif attribute.name == "active":
            user.is_active = user.is_active if value is None else value
        else:
            setattr(user, attribute.name, value or "")

    def _set_manager(self, user: User, name: str | None) -> None:
        key, own = fold(name or ""), fold(user.username)
        if name and key == own:
            raise ValueError("Nobody is their own manager.")
        if name and key in self.new:
            self.managers[own] = key
        elif name and key not in self.bosses:
            raise ValueError(f'There is no user "{name}".')
        else:
            user.manager = self.bosses[key] if name else None

    def _changes(self, user: User) -> dict[str, tuple[Any, Any]]:
        key = fold(user.username)
        after = facts(user, self.known)
        if key in self.managers:
            after[self.columns["manager"].label] = self.managers[key]
        return differences(self.before[key], after) | self.passwords.change(key)

    def skip_row(
        self, instance: User, original: Any, row: Any, import_validation_errors: dict[str, Any] | None = None
    ) -> bool:
        """Leave unchanged users alone."""
        return bool(instance.pk and not import_validation_errors and not self._changes(instance))

    def validate_instance(
        self, instance: User, import_validation_errors: Any = None, validate_unique: bool = True
    ) -> None:
        """Check the line as the user page would, and who may change whom."""
        errors = dict(import_validation_errors or {})
        if (instance.is_staff or instance.is_superuser) and not self.actor.is_superuser:
            raise ValidationError({"username": STAFF})
        if instance.pk == self.actor.pk and not instance.is_active:
            errors["active"] = ValidationError(MYSELF)
        try:
            instance.clean_fields(exclude={*errors, "manager", "password", "locale", "time_zone", "custom_profile"})
        except ValidationError as error:
            error.update_error_dict(errors)
        if errors:
            raise ValidationError(errors)

    def after_import_row(self, row: Any, row_result: LineResult, **kwargs: Any) -> None:
        """Keep the differences for the preview."""
        key = _key(row["username"])
        user = self.people.get(key) or row_result.instance
        row_result.line, row_result.username = kwargs["row_number"] + 1, str(row["username"])
        if user is not None and row_result.import_type != RowResult.IMPORT_TYPE_SKIP:
            row_result.changes = self._changes(user)

    def bulk_create(self, *args: Any, **kwargs: Any) -> None:
        """Wait for ``bulk_update``, which writes both."""

    def bulk_update(self, using_transactions: bool, dry_run: bool, raise_errors: bool, **kwargs: Any) -> None:
        """Plan the new and the changed users together; an error undoes all."""
        result = kwargs["result"]
        if dry_run or result.has_errors() or result.has_validation_errors():
            return
        names = {fold(user.username): user.username for user in self.create_instances}
        lines = []
        for user in [*self.create_instances, *self.update_instances]:
            key = fold(user.username)
            lines.append(
                services.FileLine(
                    user,
                    self.held.get(key),
                    manager=names.get(self.managers.get(key, ""), ""),
                    password=self.passwords.clear.get(key, ""),
                )
            )
        if lines:
            result.planned = services.upload(self.subject, self.actor.get_username(), lines)


def _key(cell: Any) -> str:
    return fold(str(columns.read(cell) if cell is not None else ""))


def _by_key(users: Any, keys: Iterable[str]) -> dict[str, User]:
    found: dict[str, User] = {}
    wanted = sorted(key for key in keys if key)
    for start in range(0, len(wanted), 1000):
        page = users.filter(username_key__in=wanted[start : start + 1000])
        found |= {user.username_key: user for user in page}
    return found
