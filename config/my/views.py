"""The page of one's own account, the one on which the password is changed, and the one of sessions."""

from typing import Any

from allauth.usersessions.models import UserSession
from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse, reverse_lazy
from django.views.generic import FormView, TemplateView

from config.my.pages import OwnPage, ProvenPage
from config.one_time_links import ChoosePasswordForm
from config.signin import events, sessions


class OwnAccount(OwnPage, TemplateView):
    """How one signs in, and where each of it is changed."""

    title = "Your account"
    here = "my_account"
    template_name = "my/account.html"


class OwnPassword(ProvenPage, FormView):  # type: ignore[type-arg]
    """A new password in place of the one that was asked for just now."""

    title = "Change your password"
    here = "my_account"
    template_name = "my/password.html"
    form_class = ChoosePasswordForm
    success_url = reverse_lazy("my_account")

    def get_form_kwargs(self) -> dict[str, Any]:
        """Say whose it is."""
        return {**super().get_form_kwargs(), "user": self.request.user}

    def form_valid(self, form: ChoosePasswordForm) -> HttpResponse:
        """Set it; every other session of the person ends."""
        user = form.save()
        update_session_auth_hash(self.request, user)
        sessions.end(_others(self.request))
        events.password_changed(self.request, user)
        messages.success(self.request, "Your password is changed. You are signed out everywhere else.")
        return super().form_valid(form)


class OwnSessions(OwnPage, TemplateView):
    """Where one is signed in, and how each of it is ended."""

    title = "Sessions"
    here = "my_sessions"
    template_name = "my/sessions.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Read them."""
        rows = [(one, sessions.browser(one.user_agent)) for one in sessions.of(self.request.user)]
        return super().get_context_data(rows=rows, current=self.request.session.session_key, **kwargs)

    def post(self, request: HttpRequest) -> HttpResponse:
        """End one, or all but this one."""
        rows = _others(request)
        if asked := request.POST.get("session", ""):
            rows = rows.filter(pk=int(asked)) if asked.isdecimal() else rows.none()
        if number := sessions.end(rows):
            events.sessions_ended(request, request.user, number)
            messages.success(request, "Ended. The next page that is opened there asks for the password.")
        return HttpResponseRedirect(reverse("my_sessions"))


def _others(request: HttpRequest) -> Any:
    """Return the person's sessions without the one that asks."""
    return UserSession.objects.filter(user_id=request.user.pk).exclude(session_key=request.session.session_key)
