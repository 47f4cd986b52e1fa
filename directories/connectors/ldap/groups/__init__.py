"""The groups of an LDAP directory: reading, members, writing."""
