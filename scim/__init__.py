"""The SCIM 2.0 service on django-scim2."""
