"""Approvals that wait for me: the list, one with its buttons, the links of mails, and substitutes."""

from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods

from provisioning.models import User
from provisioning.models.people import fold
from provisioning.requests import links, rights, services
from provisioning.requests import substitutes as who_decides
from provisioning.requests.models import AskedApprover, RequestStep, StepState, Substitute
from provisioning.requests.pages.common import me, page, part


@login_required
@require_GET
def approvals(request: HttpRequest) -> HttpResponse:
    """Show what waits for who looks, the oldest first."""
    rows = AskedApprover.objects.filter(user=me(request), step__state=StepState.OPEN)
    rows = rows.select_related("step__request", "instead_of").order_by("step__opened_at", "pk")
    shown = part(rows, request)
    decided = RequestStep.objects.filter(decided_by=me(request)).select_related("request").order_by("-decided_at")[:10]
    today = timezone.localdate()
    found = {
        "rows": shown.object_list,
        "page": shown,
        "decided": decided,
        "substitutes": Substitute.objects.filter(user=me(request), ends__gte=today).select_related("substitute"),
    }
    return page(request, "approvals", "Approvals", found)


@login_required
@require_http_methods(["GET", "POST"])
def approval(request: HttpRequest, pk: int) -> HttpResponse:
    """Show one request to who is asked, and take their decision."""
    step = RequestStep.objects.filter(pk=pk).select_related("request").first()
    if step is None or not rights.seen_by(me(request)).filter(pk=step.request_id).exists():
        raise Http404("There is no such approval.")
    return _decision(request, step, request.GET.get("wanted", ""))


@login_required
@require_http_methods(["GET", "POST"])
def decide_link(request: HttpRequest, token: str) -> HttpResponse:
    """Show what a link of a mail is about; only the button decides, and only for whom the link was made."""
    link = links.read(token)
    step = RequestStep.objects.filter(pk=link.step).select_related("request").first() if link else None
    if link is None or step is None:
        return page(request, "link", "This link cannot be used", {"why": "wrong"}, status=404)
    if link.user != me(request).pk:
        return page(request, "link", "This link is for somebody else", {"why": "other"}, status=403)
    return _decision(request, step, link.wanted)


def _decision(request: HttpRequest, step: RequestStep, wanted: str) -> HttpResponse:
    problem = ""
    if request.method == "POST":
        approve = request.POST.get("decision") == links.APPROVE
        if not approve and request.POST.get("decision") != links.REFUSE:
            problem = "Choose whether you approve or refuse."
        else:
            try:
                done = services.decide(
                    step.pk, me(request), approve=approve, reason=request.POST.get("reason", "")[:1000]
                )
                messages.success(request, f"You {'approved' if approve else 'refused'} {done}.")
                return redirect("my:approvals")
            except services.AskRefused as error:
                problem = str(error)
    step.refresh_from_db()
    asked = AskedApprover.objects.filter(step=step, user=me(request)).select_related("instead_of").first()
    one = step.request
    product = one.product if one.product_id else None
    found = {
        "step": step,
        "one": one,
        "product": product,
        "gives": [
            str(each) for each in product.rule.entitlements.filter(ended=False).select_related("group", "directory")
        ]
        if product
        else [],
        "asked": asked,
        "open": asked is not None and step.state == StepState.OPEN,
        "outcome": services.outcome(one, step),
        "problem": problem,
        "wanted": wanted,
        "reason": request.POST.get("reason", ""),
        "earlier": one.steps.filter(position__lt=step.position).order_by("position"),
    }
    return page(
        request, "approval", f"Decide: {one}" if found["open"] else str(one), found, status=409 if problem else 200
    )


class SubstituteForm(forms.Form):
    """Who decides instead of the person, and when."""

    username = forms.CharField(label="Their user name", max_length=255)
    starts = forms.DateField(label="First day", widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"))
    ends = forms.DateField(label="Last day", widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"))

    def __init__(self, user: User, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user = user

    def clean_username(self) -> User:
        """Find the person."""
        found = User.objects.filter(username_key=fold(self.cleaned_data["username"]), is_active=True).first()
        if found is None:
            raise forms.ValidationError("There is nobody of that user name. Write it as your colleague signs in.")
        if found.pk == self.user.pk:
            raise forms.ValidationError("This is you. Name somebody else.")
        return found

    def clean(self) -> dict[str, Any]:
        """Refuse days in the wrong order."""
        held = super().clean() or {}
        starts, ends = held.get("starts"), held.get("ends")
        if starts and ends and ends < starts:
            self.add_error("ends", "The last day is before the first.")
        return held


@login_required
@require_http_methods(["GET", "POST"])
def substitutes(request: HttpRequest) -> HttpResponse:
    """Name who decides while one is away, or take that back."""
    mine = me(request)
    form = SubstituteForm(mine, request.POST if request.method == "POST" and "remove" not in request.POST else None)
    if "remove" in request.POST:
        wanted = request.POST["remove"]
        held = Substitute.objects.filter(user=mine, pk=wanted).first() if wanted.isdecimal() else None
        if held is None:
            raise Http404("There is no such substitute.")
        who_decides.remove(held, mine.username)
        return redirect("my:substitutes")
    if request.method == "POST" and form.is_valid():
        other, starts, ends = (form.cleaned_data[name] for name in ("username", "starts", "ends"))
        who_decides.save(Substitute(user=mine, substitute=other, starts=starts, ends=ends), mine.username)
        messages.success(request, f"{other} can decide instead of you then.")
        return redirect("my:substitutes")
    rows = Substitute.objects.filter(user=mine, ends__gte=timezone.localdate()).select_related("substitute")
    found = {"form": form, "rows": rows}
    return page(request, "substitutes", "Who decides while I am away", found, status=422 if form.errors else 200)
