"""The forms of a SCIM application's page."""
