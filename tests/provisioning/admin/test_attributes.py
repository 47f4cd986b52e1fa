import pytest

from directories.models import AttributeMapping
from provisioning.models import AttributeDefinition, User
from tests.provisioning.admin import roll

pytestmark = pytest.mark.django_db
ADD = "/provisioning/attributedefinition/add/"


def page(definition: AttributeDefinition, what: str = "change") -> str:
    return f"/provisioning/attributedefinition/{definition.pk}/{what}/"


def posted(**fields: str) -> dict[str, str]:
    return {"label": "Size", "name": "size", "type": "text", "choices": "", "position": "0", **fields}


def errors(response) -> dict[str, list[str]]:
    return dict(response.context["adminform"].form.errors)


@pytest.mark.heavy
def test_choices_are_written_one_a_line(it_staff) -> None:
    response = it_staff.post(ADD, posted(type="choice", choices=" S \r\n\r\nM\r\nM\r\n"))
    assert response.status_code == 302, errors(response)
    made = AttributeDefinition.objects.get()
    assert made.choices == ["S", "M"]
    assert "S\nM" in roll.words(it_staff.get(page(made)))
    assert errors(it_staff.post(ADD, posted(name="other", type="choice")))["choices"] == ["Write at least one choice."]


@pytest.mark.parametrize("name", ["email", "username", "active", "Size", "1st", "a b", "café", ""])
def test_names_that_mappings_could_not_use(it_staff, name: str) -> None:
    assert "name" in errors(it_staff.post(ADD, posted(name=name)))


def test_the_name_stays(it_staff) -> None:
    size = roll.definition("size")
    assert it_staff.post(page(size), posted(name="other", label="Größe")).status_code == 302
    size.refresh_from_db()
    assert (size.name, size.label) == ("size", "Größe")


def test_a_type_does_not_change_under_values(it_staff) -> None:
    size = roll.definition("size")
    assert it_staff.post(page(size), posted(type="number")).status_code == 302  # nobody has a value
    roll.person("anna", custom_profile={"size": 5})
    said = errors(it_staff.post(page(size), posted(type="date")))["type"][0]
    assert said.startswith("1 user has a value of the type number")


@pytest.mark.heavy
def test_text_becomes_a_choice_when_every_value_is_one(it_staff) -> None:
    size = roll.definition("size")
    roll.person("anna", custom_profile={"size": "S"})
    roll.person("ben", custom_profile={"size": "Ü"})
    said = errors(it_staff.post(page(size), posted(type="choice", choices="S\nM")))["type"][0]
    assert said == '1 user has a value that is not among the choices: "Ü". Add it, or change them.'
    assert it_staff.post(page(size), posted(type="choice", choices="S\nÜ")).status_code == 302
    assert "choices" in errors(it_staff.post(page(size), posted(type="choice", choices="Ü")))
    assert it_staff.post(page(size), posted(type="text")).status_code == 302


@pytest.mark.heavy
def test_deleting_takes_the_values(it_staff, django_assert_max_num_queries) -> None:
    size = roll.definition("size", label="Size")
    User.objects.bulk_create(
        User(username=f"user{number}", custom_profile={"size": "S", "it's": number}) for number in range(200)
    )
    assert "Size, and its value of 200 users." in roll.words(it_staff.get(page(size, "delete")))
    with django_assert_max_num_queries(20):
        response = it_staff.post(page(size, "delete"), {"post": "yes"}, follow=False)
    assert response.status_code == 302
    assert not AttributeDefinition.objects.exists()
    assert User.objects.get(username="user7").custom_profile == {"it's": 7}
    assert not User.objects.filter(custom_profile__has_key="size").exists()


def test_a_mapped_attribute_is_not_deleted(it_staff) -> None:
    size = roll.definition("size", label="Size")
    AttributeMapping.objects.create(
        directory=roll.directory("APPSDB"), directory_attribute="SIZE", kind="custom_profile", portal_attribute="size"
    )
    assert "mapped by APPSDB" in roll.words(it_staff.get(page(size, "delete")))
    it_staff.post(page(size, "delete"), {"post": "yes"})
    data = {"action": "delete_selected", "_selected_action": [size.pk], "post": "yes"}
    it_staff.post("/provisioning/attributedefinition/", data)
    assert AttributeDefinition.objects.exists()


def test_helpdesk_has_no_business_here(client_of) -> None:
    client, size = client_of("Helpdesk"), roll.definition("size")
    assert client.get("/provisioning/attributedefinition/").status_code == 403
    assert client.post(page(size, "delete"), {"post": "yes"}).status_code == 403
