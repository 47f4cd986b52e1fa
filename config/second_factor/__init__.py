"""Authenticator apps, passkeys and recovery codes, on django-allauth: who has one, who needs one, who lost one."""
