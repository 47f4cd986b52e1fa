"""django-scim2 as it comes, with the models and the settings that its documentation asks for, and nothing more."""
