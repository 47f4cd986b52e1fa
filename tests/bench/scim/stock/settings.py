"""Settings of a portal that is nothing but stock django-scim2."""

import environ

env = environ.Env()
SECRET_KEY = env.str("SECRET_KEY")
ALLOWED_HOSTS = ["127.0.0.1"]
DATABASES = {"default": {**env.db_url("STOCK_DATABASE_URL"), "CONN_MAX_AGE": 60}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth", "django_scim", "tests.bench.scim.stock"]
MIDDLEWARE = ["django.middleware.common.CommonMiddleware", "tests.bench.scim.stock.door.Door"]
ROOT_URLCONF = "tests.bench.scim.stock.urls"
WSGI_APPLICATION = "tests.bench.scim.stock.wsgi.application"
MIGRATION_MODULES = {"auth": None, "contenttypes": None}  # their tables are made without history
AUTH_USER_MODEL = "stock.User"
USE_TZ = True
SCIM_SERVICE_PROVIDER = {
    "NETLOC": "127.0.0.1",
    "AUTHENTICATION_SCHEMES": [],
    "GROUP_MODEL": "tests.bench.scim.stock.models.Group",
}
