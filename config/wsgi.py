"""The WSGI application that gunicorn serves."""

import importlib
import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

application = get_wsgi_application()
importlib.import_module("config.urls")  # reads the pages, so that the first request does not wait for them
