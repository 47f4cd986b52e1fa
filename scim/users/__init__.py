"""The SCIM resource User."""
