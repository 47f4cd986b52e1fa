"""The live log of SCIM requests."""
