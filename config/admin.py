"""The portal's own pages: roles, staff, users and the settings of the sign-in are registered from here."""

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialToken
from allauth.usersessions.models import UserSession
from django.contrib import admin
from django.contrib.auth.models import Group

import config.overviews.admin
import config.put_back
import config.roles.admin
import config.sign_in_settings
import config.staff
import config.users  # noqa: F401 - these register their pages, and how things are put back

admin.site.unregister([Group, EmailAddress, Authenticator, UserSession, SocialAccount, SocialApp, SocialToken])
admin.site.empty_value_display = "–"  # as the portal's own pages show it
