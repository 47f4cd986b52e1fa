"""The page for those who forgot their password: whoever asks, and whoever's name it is, the answer is the same."""

from typing import Any

from django import forms
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.generic import FormView

from config import link_mails
from config.signin import counting, limits
from config.signin.addresses import client_address, network_of
from config.signin.events import UNKNOWN
from config.signin.forms import LOOK
from config.signin.models import LinkMail
from config.signin.views import OfPortal
from reports.journal import fold


class ForgottenForm(forms.Form):
    """Who forgot it."""

    name = forms.CharField(
        label="User name or e-mail address",
        max_length=255,
        widget=forms.TextInput(attrs={"class": LOOK, "autocomplete": "username", "autofocus": ""}),
    )


@method_decorator(never_cache, name="dispatch")
class Forgotten(OfPortal, FormView):  # type: ignore[type-arg]
    """Asks for the name, and lets a mail be sent where it is somebody's."""

    title = "Choose a new password"
    form_class = ForgottenForm
    template_name = "account/forgotten.html"

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Answer where the portal can send mails."""
        if not settings.EMAIL_HOST:
            raise Http404("The portal has no mail server.")
        return super().dispatch(request, *args, **kwargs)

    def form_valid(self, form: ForgottenForm) -> HttpResponse:
        """Say what happens now, whether or not it does."""
        name, address = form.cleaned_data["name"], client_address(self.request)
        try:
            counting.count({counting.key("forgotten address", network_of(address)): limits.FORGOTTEN_ADDRESS})
        except counting.TooManyTries as error:
            form.add_error(None, f"Too many links were asked for. {error}")
            return self.form_invalid(form)
        try:
            counting.count({counting.key("forgotten name", fold(name)): limits.FORGOTTEN_NAME})
        except counting.TooManyTries:
            pass
        else:
            link_mails.ask(LinkMail.Kind.FORGOTTEN, [name], address=address or UNKNOWN)
        return self.render_to_response(self.get_context_data(form=form, asked=True))
