"""Fields that the forms of several kinds have."""

from directories.connectors.base import ConnectorField, FieldType

LIMITS = "Limits"  # the group of ``request_limits``
SECONDS = 30  # for one HTTP request, where nothing else is typed

CHECKED, UNCHECKED = "yes", "no"
UNCHECKED_WORDS = (
    "The server's certificate is not checked: whoever is in between can read and change everything, and learns what "
    "the portal signs in with. Paste the certificate of its authority, and choose Checked."
)
CERTIFICATE = ConnectorField(
    "check_certificate",
    "Certificate",
    FieldType.CHOICE,
    default=CHECKED,
    choices=(
        (CHECKED, "Checked: the server must prove who it is"),
        (UNCHECKED, "NOT CHECKED: whoever is in between can read and change everything, the password included"),
    ),
)
AUTHORITY = ConnectorField(
    "ca",
    "Certificate authority (PEM)",
    FieldType.TEXTAREA,
    help_text="Only when the server's certificate is not signed by a public authority.",
)


def request_limits(megabytes: int) -> tuple[ConnectorField, ConnectorField]:
    """Return how long an HTTP request may take and how large its answer may be, ``megabytes`` unless typed."""
    number = FieldType.INTEGER
    return (
        ConnectorField(
            "timeout",
            "Time-out (seconds)",
            number,
            default=SECONDS,
            help_text="For one request.",
            group=LIMITS,
            minimum=1,
            maximum=300,
            harmless=True,
        ),
        ConnectorField(
            "largest",
            "Largest answer (MB)",
            number,
            default=megabytes,
            group=LIMITS,
            minimum=1,
            maximum=500,
            harmless=True,
        ),
    )
