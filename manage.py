#!/usr/bin/env python
"""Django's command line for Rollcall."""

import os
import sys


def main() -> None:
    """Run the named management command; a setting that is missing is a sentence, not a traceback."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line

    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        sys.exit(f"Rollcall cannot start. {error}")


if __name__ == "__main__":
    main()
