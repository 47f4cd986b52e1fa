"""Directories in an LDAP server or Active Directory."""

from directories.connectors.ldap.active_directory import ActiveDirectory
from directories.connectors.ldap.connector import Ldap

__all__ = ["ActiveDirectory", "Ldap"]
