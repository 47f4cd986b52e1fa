"""Adding an application, its page, its tokens and its mapping."""

import datetime as dt
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Group as Role
from django.test import Client as Browser
from django.utils import timezone

from provisioning.models import AttributeDefinition, Group, User
from provisioning.roles import AUDITOR, HELPDESK, IT_STAFF
from reports.models import Event
from scim.access import tokens
from scim.models import Client, Provider, Token
from tests.provisioning.admin.pages import form_values, text
from tests.scim.conftest import Scim, make_client

pytestmark = pytest.mark.django_db
Pages = Callable[[str], Browser]


@pytest.fixture
def signed_in() -> Pages:
    """``signed_in("IT staff")``: the browser of somebody with that role."""

    def signed_in(role: str) -> Browser:
        user = User.objects.create_user(f"user-{role}", is_staff=True, provisioned=False)
        user.groups.add(Role.objects.get(name=role))
        browser = Browser()
        browser.force_login(user)
        return browser

    return signed_in


@pytest.fixture
def it_staff(signed_in: Pages) -> Browser:
    return signed_in(IT_STAFF)


def shown_token(html: str) -> str:
    found = re.search(r'id="scim-token"[^>]*>([^<]+)<', html)
    return found[1] if found else ""


def page_of(client: Client) -> str:
    return f"/scim/client/{client.pk}/change/"


def save(browser: Browser, client: Client, **changes: Any) -> Any:
    values = form_values(browser.get(page_of(client)), "scim_form")
    return browser.post(page_of(client), {**values, **changes})


@pytest.mark.heavy
def test_a_name_is_all_it_takes(it_staff: Browser) -> None:
    response = it_staff.post("/scim/client/add/", {"name": "Okta Production", "provider": ""}, follow=True)
    html = text(response)
    client = Client.objects.get()
    assert (client.slug, client.provider) == ("okta-production", Provider.OKTA)
    assert "http://testserver/scim/okta-production/v2" in html
    token = shown_token(html)
    assert Scim(client, token, "/scim/okta-production/v2").get("/Users").status == 200
    assert "no-store" in response["Cache-Control"]
    assert shown_token(text(it_staff.get(page_of(client)))) == "", "the token shows once"
    assert not Token.objects.filter(digest=token).exists()
    assert {event.message.removeprefix("user-IT staff ") for event in Event.objects.all()} == {
        "added the SCIM application Okta Production.",
        "made a token for Okta Production: First token.",
    }


@pytest.mark.parametrize("name", ["", "okta"])
def test_a_name_is_needed_and_free(it_staff: Browser, name: str) -> None:
    make_client("Okta")
    html = text(it_staff.post("/scim/client/add/", {"name": name, "provider": ""}))
    assert ("This field is required" in html) or ("There is a SCIM application Okta already" in html)
    assert Client.objects.count() == 1


@pytest.mark.parametrize(
    ("name", "provider", "slug"),
    [
        ("Azure AD", "entra", "azure-ad"),
        ("OneLogin", "onelogin", "onelogin"),
        ("shopping list", "other", "shopping-list"),
        ("日本", "other", "scim"),
        ("Ärzte_& Pfleger", "other", "arzte-pfleger"),
    ],
)
def test_product_and_address_come_from_the_name(it_staff: Browser, name: str, provider: str, slug: str) -> None:
    for number in (1, 2):
        it_staff.post("/scim/client/add/", {"name": f"{name}{' ' * number}{number}".rstrip("1 "), "provider": ""})
    first = Client.objects.order_by("pk").first()
    assert first is not None
    assert (first.provider, first.slug) == (provider, slug)
    assert Client.objects.values("slug").distinct().count() == Client.objects.count()


@pytest.mark.heavy
@pytest.mark.parametrize("product", Provider.values)
def test_every_product_has_its_steps(it_staff: Browser, product: str) -> None:
    client = make_client("Idp", provider=product).client
    html = text(it_staff.get(page_of(client)))
    steps = html.split(f'data-steps="{product}"')[1].split("</ol>")[0]
    assert "/scim/idp/v2" in steps
    assert "oken" in steps


def test_showing_a_token_again_is_recorded(it_staff: Browser) -> None:
    scim = make_client()
    token = scim.client.tokens.get()
    response = it_staff.post(f"/scim/client/{scim.client.pk}/token/{token.pk}/show/")
    assert shown_token(text(response)) == scim.token
    assert "no-store" in response["Cache-Control"]
    assert Event.objects.get().message == "user-IT staff looked at a token of Okta: test."


@pytest.mark.heavy
@pytest.mark.parametrize(("role", "sees"), [(HELPDESK, ""), (AUDITOR, ">test<")])
def test_others_see_no_token(signed_in: Pages, role: str, sees: str) -> None:
    scim = make_client()
    browser = signed_in(role)
    html = text(browser.get(page_of(scim.client)))
    assert scim.token not in html
    assert (">test<" in html) == bool(sees)
    assert browser.post(f"/scim/client/{scim.client.pk}/token/{scim.client.tokens.get().pk}/show/").status_code == 403
    assert browser.get(f"/scim/client/{scim.client.pk}/log/").status_code == 200


def test_a_renewed_token_overlaps(it_staff: Browser) -> None:
    scim = make_client()
    old = scim.client.tokens.get()
    html = text(it_staff.post(f"/scim/client/{scim.client.pk}/token/{old.pk}/renew/"))
    old.refresh_from_db()
    assert old.expires_at is not None
    assert abs(old.expires_at - timezone.now() - tokens.OVERLAP) < dt.timedelta(minutes=1)
    assert scim.get("/Users").status == 200
    assert Scim(scim.client, shown_token(html)).get("/Users").status == 200
    Token.objects.filter(pk=old.pk).update(expires_at=timezone.now())
    assert scim.get("/Users").status == 401


def test_renewing_never_lengthens(it_staff: Browser) -> None:
    scim = make_client()
    soon = timezone.now() + dt.timedelta(hours=1)
    scim.client.tokens.update(expires_at=soon)
    it_staff.post(f"/scim/client/{scim.client.pk}/token/{scim.client.tokens.get().pk}/renew/")
    assert scim.client.tokens.order_by("pk").first().expires_at == soon


def test_a_revoked_token_is_refused_at_once(it_staff: Browser) -> None:
    scim = make_client()
    assert scim.get("/Users").status == 200
    html = text(it_staff.post(f"/scim/client/{scim.client.pk}/token/{scim.client.tokens.get().pk}/revoke/"))
    assert "There is no token" in html
    assert scim.get("/Users").status == 401
    assert "revoked a token of Okta" in Event.objects.get(operation="settings").message


def test_another_token_with_an_end(it_staff: Browser) -> None:
    scim = make_client()
    sent = {"token_label": "Test system", "token_days": "30"}
    token = shown_token(text(it_staff.post(f"/scim/client/{scim.client.pk}/token/add/", sent)))
    made = scim.client.tokens.get(label="Test system")
    assert made.expires_at is not None
    assert (made.expires_at - timezone.now()).days in (29, 30)
    assert Scim(scim.client, token).get("/Users").status == 200


def test_a_token_belongs_to_its_application(it_staff: Browser) -> None:
    one, two = make_client("One"), make_client("Two")
    token = one.client.tokens.get()
    assert it_staff.post(f"/scim/client/{two.client.pk}/token/{token.pk}/show/").status_code == 404


@pytest.mark.heavy
def test_saving_changes_what_differs_and_says_so(it_staff: Browser) -> None:
    scim = make_client()
    response = save(it_staff, scim.client, delete_deactivated="on", recycle_days="7", match="email", tab="features")
    assert response["Location"].endswith("#features")
    scim.client.refresh_from_db()
    assert (scim.client.delete_deactivated, scim.client.recycle_days, scim.client.match) == (True, 7, "email")
    assert "Delete the deactivated users, Days until they are deleted" in Event.objects.get().message
    assert save(it_staff, scim.client).status_code == 302
    assert Event.objects.count() == 1, "nothing changed, so nothing is recorded"
    assert scim.client.mappings.count() == len(make_client("Other").client.mappings.all())


@pytest.mark.heavy
def test_switches_that_are_off_are_kept_off(it_staff: Browser) -> None:
    scim = make_client(create_users=False, sync_groups=False)
    save(it_staff, scim.client)
    scim.client.refresh_from_db()
    assert (scim.client.create_users, scim.client.sync_groups, scim.client.update_users) == (False, False, True)


@pytest.mark.heavy
def test_two_people_do_not_overwrite_each_other(it_staff: Browser) -> None:
    scim = make_client()
    values = form_values(it_staff.get(page_of(scim.client)), "scim_form")
    save(it_staff, scim.client, recycle_days="5")
    html = text(it_staff.post(page_of(scim.client), {**values, "recycle_days": "9"}))
    assert "Someone else saved" in html
    scim.client.refresh_from_db()
    assert scim.client.recycle_days == 5


@pytest.mark.heavy
def test_one_way_to_sign_in_stays(it_staff: Browser) -> None:
    scim = make_client()
    values = form_values(it_staff.get(page_of(scim.client)), "scim_form")
    del values["allow_bearer"]
    assert "Leave one way to sign in on" in text(it_staff.post(page_of(scim.client), values))


def rows_of(browser: Browser, client: Client) -> dict[str, list[str]]:
    return form_values(browser.get(page_of(client)), "scim_form")


@pytest.mark.heavy
def test_a_mapped_custom_attribute_arrives(it_staff: Browser) -> None:
    AttributeDefinition.objects.create(name="badge", label="Badge")
    scim = make_client()
    values = rows_of(it_staff, scim.client)
    added = {
        "mapping_attribute": "nickName",
        "mapping_kind": "custom_profile",
        "mapping_profile": "",
        "mapping_custom_profile": "badge",
        "mapping_custom": "",
        "mapping_direction": "in",
        "mapping_expression": "{{ value | upper }}",
        "mapping_required": "yes",
    }
    response = it_staff.post(page_of(scim.client), values | {name: [*values[name], new] for name, new in added.items()})
    assert response.status_code == 302, text(response)
    scim.add("anna", nickName="b7")
    assert User.objects.get(username="anna").custom_profile == {"badge": "B7"}
    assert scim.post("/Users", {"userName": "ben"}).status == 400, "it is required"


@pytest.mark.heavy
def test_enterprise_paths_are_short_on_the_page_only(it_staff: Browser) -> None:
    scim = make_client()
    assert "enterprise:department" in rows_of(it_staff, scim.client)["mapping_attribute"]
    save(it_staff, scim.client, recycle_days="3")
    urn = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department"
    assert scim.client.mappings.filter(scim_path=urn).exists()


@pytest.mark.heavy
@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("mapping_attribute", "emails[type eq", "Write it as"),
        ("mapping_expression", "{{ value | nonsense }}", "works one way"),
        ("mapping_profile", "title", "Two rows bring a value"),
        ("mapping_profile", "", "Choose the portal attribute"),
    ],
)
def test_live_errors_and_saved_ones_are_the_same(it_staff: Browser, field: str, value: str, words: str) -> None:
    scim = make_client()
    values = rows_of(it_staff, scim.client)
    values[field][2] = value
    if not value:
        values["mapping_expression"][2] = "{{ value }}"
        values["mapping_direction"][2] = "in"
    assert words in text(it_staff.post("/scim/client/fragment/mapping/", values))
    html = text(it_staff.post(page_of(scim.client), values))
    assert "Nothing was saved yet" in html
    assert words in html


@pytest.mark.heavy
def test_the_user_name_must_be_mapped(it_staff: Browser) -> None:
    scim = make_client()
    values = rows_of(it_staff, scim.client)
    values["mapping_attribute"][0] = values["mapping_profile"][0] = ""
    assert "A row must bring the user name" in text(it_staff.post(page_of(scim.client), values))
    scim.client.mappings.all().delete()
    it_staff.post(f"/scim/client/{scim.client.pk}/default-mapping/")
    assert scim.client.mappings.filter(scim_path="userName").exists()


def test_a_switched_off_application_is_refused(it_staff: Browser) -> None:
    scim = make_client()
    it_staff.post(f"/scim/client/{scim.client.pk}/disable/")
    assert scim.get("/Users").status == 401
    it_staff.post(f"/scim/client/{scim.client.pk}/enable/")
    assert scim.get("/Users").status == 200
    lines = Event.objects.filter(operation="settings").order_by("pk")
    assert [event.message.rsplit(" ", 1)[1] for event in lines] == ["off.", "on."]


@pytest.mark.heavy
def test_a_deleted_application_leaves_its_people(it_staff: Browser) -> None:
    scim = make_client()
    scim.add("anna")
    assert "people" in text(it_staff.get(f"/scim/client/{scim.client.pk}/delete/"))
    it_staff.post(f"/scim/client/{scim.client.pk}/delete/", {"post": "yes"})
    assert not Client.objects.exists()
    assert User.objects.filter(username="anna", is_active=True).exists()
    assert scim.get("/Users").status == 401


@pytest.mark.heavy
def test_groups_are_mapped_on_the_page(it_staff: Browser) -> None:
    scim = make_client()
    path = "urn:example:group:1.0:purpose"
    response = save(
        it_staff,
        scim.client,
        group_name_expression="{{ 'Okta ' ~ value }}",
        group_description_path=path,
        group_description_direction="both",
    )
    assert response.status_code == 302
    made = scim.post("/Groups", {"displayName": "Sales", "urn:example:group:1.0": {"purpose": "Who sells"}}).json
    group = Group.objects.get()
    assert (group.name, group.description) == ("Okta Sales", "Who sells")
    assert (made["displayName"], made["urn:example:group:1.0"]) == ("Sales", {"purpose": "Who sells"})
    save(it_staff, scim.client, group_name_expression="", group_description_direction="")
    rows = scim.client.mappings.filter(resource="group").values_list("scim_path", "direction", "expression", "required")
    assert list(rows) == [("displayName", "both", "", True)]


@pytest.mark.heavy
@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("group_name_expression", "{{ value | nonsense }}", "nonsense"),
        ("group_description_path", "description", "Write it as URN:attribute"),
        ("group_description_path", "urn:ietf:params:scim:schemas:core:2.0:Group:description", "Write it as"),
        ("group_description_expression", "{{ value }}", "works one way"),
    ],
)
def test_a_mapping_of_groups_that_cannot_work_is_not_saved(
    it_staff: Browser, field: str, value: str, words: str
) -> None:
    scim = make_client()
    before = list(scim.client.mappings.values())
    response = save(it_staff, scim.client, **{field: value})
    assert words in response.content.decode()
    assert list(scim.client.mappings.values()) == before
