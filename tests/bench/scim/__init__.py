"""The SCIM service beside stock django-scim2 and scim2-server's memory, over HTTP, with the same people."""
