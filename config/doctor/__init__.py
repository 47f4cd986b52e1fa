"""``manage.py doctor``: the usual mistakes of an installation, each in a plain sentence with the next step."""
