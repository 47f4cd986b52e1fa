"""What the library raises, as the SCIM errors that a client gets: the right class, and words without its insides."""

from collections.abc import Iterator
from contextlib import contextmanager

from pydantic import ValidationError
from scim2_models import Error, SCIMException

from scim.errors import ScimError


@contextmanager
def as_scim_errors() -> Iterator[None]:
    """Turn the library's exceptions into ScimError."""
    try:
        yield
    except SCIMException as error:
        cause = error.__cause__
        raise _of_validation(cause) if isinstance(cause, ValidationError) else _of(error.to_error()) from None
    except ValidationError as error:
        raise _of_validation(error) from None


def _of_validation(error: ValidationError) -> ScimError:
    """Return the first of the errors; a client corrects one and asks again."""
    return _of(Error.from_validation_errors(error.errors(include_url=False, include_input=False))[0])


def _of(error: Error) -> ScimError:
    detail = (error.detail or "The value does not fit the attribute.").rstrip(".")
    return ScimError(error.status or 400, f"{detail}.", error.scim_type or "invalidValue")
