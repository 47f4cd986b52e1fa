"""The users list and page as the portal shows them: with what is about their sign-in."""

from django.conf import settings
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from config import link_mails
from config.roles import granting
from config.sign_in_settings import NO_MAIL
from config.signin import policy
from config.signin.models import LinkMail
from provisioning.admin import protection
from provisioning.admin.users.admin import UserAdmin
from provisioning.models import User

SWITCHED_OFF = "People who are not staff may not sign in yet. Switch that on first, under Settings > Sign-in."

admin.site.unregister(User)


@admin.register(User)
class PortalUserAdmin(UserAdmin):
    """Everybody in the portal, and the links with which they choose a password."""

    actions: tuple[str, ...] = (*UserAdmin.actions, "invite")  # type: ignore[assignment]

    @admin.action(description="Invite selected users to sign in", permissions=["change"])
    def invite(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        """Let a mail with a one-time link be sent to each who is active and has an e-mail address."""
        if not settings.EMAIL_HOST:
            messages.error(request, NO_MAIL)
            return
        if not policy.current().self_service:
            messages.error(request, SWITCHED_OFF)
            return
        people = protection.changeable(request.user, queryset).filter(is_active=True).exclude(email="")
        names = list(people.order_by().values_list("username", flat=True))
        link_mails.ask(LinkMail.Kind.INVITATION, names, actor=request.user.get_username())
        messages.success(request, f"Invited: {len(names):,}. Their mails go out within a few minutes.")
        if left_out := queryset.count() - len(names):
            messages.warning(
                request, f"Left out: {left_out:,}, who are inactive, have no e-mail address, or are staff."
            )

    @admin.display(description="Roles held")
    def roles_held(self, user: User) -> str:
        """Name the roles, each with its end and where it comes from."""
        return ", ".join(str(one) for one, _ in granting.of(user)) or "None"

    @admin.display(description="Roles held")
    def roles_panel(self, user: User) -> SafeString:
        """Say besides from whom and why, with the page that gives more; for superusers."""
        held = "; ".join(words for _, words in granting.of(user)) or "None"
        address = reverse("admin:portal_staff_roles", args=[user.pk])
        return format_html('{} · <a class="text-link" href="{}">Give a role with an end …</a>', held, address)

    @admin.display(description="Portal password")
    def portal_password(self, user: User) -> SafeString:
        """Say whether there is one, with the pages that only superusers can open."""
        message = '{} · <a class="text-link" href="../password/">Set a new one</a>'
        if policy.may_sign_in(user):
            address = reverse("admin:portal_staff_link", args=[user.pk])
            message += f' · <a class="text-link" href="{address}">Make a link with which they choose one</a>'
        return format_html(message, self.has_password(user))
