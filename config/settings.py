"""The one settings file: every value comes from the environment (see ``config/env.py``)."""

from pathlib import Path
from typing import Any

import django_stubs_ext
from csp.constants import NONE, SELF, UNSAFE_EVAL, UNSAFE_INLINE
from django.urls import reverse_lazy
from kombu import Exchange, Queue

from config.env import BASE_DIR, database, days_kept, encryption_keys, env, log_format, secret_key, time_zone

django_stubs_ext.monkeypatch()

VAR_DIR = Path(env.str("ROLLCALL_VAR_DIR", default=str(BASE_DIR / "var")))
VAR_DIR.mkdir(parents=True, exist_ok=True)

SECRET_KEY = secret_key()
ENCRYPTION_KEYS = encryption_keys()
DEBUG = env.bool("DEBUG", default=False)
# Health checks ask by the loopback names, whatever the portal's own name is.
ALLOWED_HOSTS = [*env.list("ALLOWED_HOSTS", default=[]), "localhost", "127.0.0.1", "[::1]"]
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
# The address that others reach the portal at, for commands, which have no request to ask.
PORTAL_URL = env.str("PORTAL_URL", default=next(iter(CSRF_TRUSTED_ORIGINS), "http://localhost:8000")).rstrip("/")

# HTTPS: on unless the portal is told that it is served in the clear (the embedded default).
HTTPS = env.bool("HTTPS", default=True)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SECURE_SSL_REDIRECT = env.bool("SECURE_SSL_REDIRECT", default=HTTPS)
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$"]
SECURE_HSTS_SECONDS = env.int("SECURE_HSTS_SECONDS", default=31_536_000 if HTTPS else 0)
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS
BEHIND_PROXY = env.bool("BEHIND_PROXY", default=False)
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if BEHIND_PROXY else None
# Whose word about the client's address counts: see ``config.signin.addresses``.
TRUSTED_PROXIES = int(env.str("TRUSTED_PROXIES", default="") or BEHIND_PROXY)
SESSION_COOKIE_AGE = env.int("SESSION_COOKIE_AGE", default=8 * 3600)
SESSION_ENGINE = "config.signin.session_store"

# Pages take nothing from elsewhere, send nothing elsewhere and are never framed. Scripts come from this portal only and
# none stands in a page. Alpine, which the admin's theme is built on, evaluates its attributes ('unsafe-eval'); htmx and
# the theme write style attributes ('unsafe-inline' for styles).
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "script-src": [SELF, UNSAFE_EVAL],
        "style-src": [SELF, UNSAFE_INLINE],
        "img-src": [SELF, "data:"],
        "object-src": [NONE],
        "base-uri": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    }
}

INSTALLED_APPS = [
    "unfold",
    "unfold.contrib.filters",
    "unfold.contrib.forms",
    "unfold.contrib.import_export",
    "config.apps.PagesConfig",  # django.contrib.admin
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.humanize",
    "django.contrib.staticfiles",
    "import_export",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_scim",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.socialaccount",
    "allauth.usersessions",
    "reports",
    "config.signin",
    "config.sso",
    "directories",
    "provisioning",
    "provisioning.recycle",
    "provisioning.search",
    "provisioning.guard",
    "provisioning.contracts",
    "provisioning.rules",
    "provisioning.requests",
    "provisioning.restore",
    "provisioning.receipts",
    "provisioning.reconciliation",
    "provisioning.notices",
    "provisioning.events",
    "provisioning.gateway",
    "provisioning.tokens",
    "scim",
    "config.apps.ConfigConfig",
]

MIDDLEWARE = [
    "config.logs.requests.RequestIds",
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "config.middleware.Sessions",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "config.middleware.Authentication",
    "config.middleware.Messages",
    "allauth.account.middleware.AccountMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "config.middleware.SecondLook",
    "config.second_factor.gate.SecondFactorFirst",
    "config.dangerous.AskAgain",
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "config" / "templates"],  # before unfold's, which it changes
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# --- Database: SQLite in var/ unless DATABASE_URL names a PostgreSQL -------------------------------------------------
_database = database(default=f"sqlite:///{VAR_DIR / 'rollcall.sqlite3'}")
if _database["ENGINE"] == "django.db.backends.sqlite3":
    _database["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 30,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    }
else:
    _database["CONN_MAX_AGE"] = env.int("CONN_MAX_AGE", default=60)
    _database["CONN_HEALTH_CHECKS"] = True
    _database.setdefault("OPTIONS", {}).setdefault("connect_timeout", 10)
    # Only what asks for it is prepared on the server (config.database.prepared).
    _database["OPTIONS"]["prepare_threshold"] = 2**30 if env.bool("PREPARE_STATEMENTS", default=True) else None
DATABASES = {"default": _database}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- Celery: Redis when REDIS_URL or CELERY_BROKER_URL is set, files under var/ otherwise ----------------------------
CELERY_BROKER_URL = env.str("CELERY_BROKER_URL", default=env.str("REDIS_URL", default="filesystem://localhost"))
# A broker that hangs must not hold up a save for long: what was saved is swept up later.
REDIS_OPTIONS = {"socket_connect_timeout": 2, "socket_timeout": 5, "socket_keepalive": True, "max_retries": 0}
CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, Any] = REDIS_OPTIONS if CELERY_BROKER_URL.startswith("redis") else {}
if CELERY_BROKER_URL.startswith("filesystem:"):
    BROKER_DIR = VAR_DIR / "broker"
    for _folder in ("queue", "control"):
        (BROKER_DIR / _folder).mkdir(parents=True, exist_ok=True)
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "data_folder_in": str(BROKER_DIR / "queue"),
        "data_folder_out": str(BROKER_DIR / "queue"),
        "control_folder": str(BROKER_DIR / "control"),
        "polling_interval": 0.1,
    }
# A worker reads its queues in turn, so what is sent to a short one does not wait for the end of a long one: what beat
# asks for, and what the sweep found, are not held up by the messages of a large import. Without --queues a worker reads
# all of them, so this is the only list of queues there is. Who loses access does not wait until a worker is free: what
# is sent to "leavers" has a worker of its own. So have imports: a delivery in the same process would wait for their
# computing thirty times. And so have events, whose receivers may be slow.
QUEUES: dict[str, list[str]] = {
    "leavers": [],  # deliveries and drains of leavers, whatever the route of the task
    "imports": [
        "provisioning.tasks.run_import",
        "provisioning.tasks.look",
        "provisioning.tasks.run_reconciliation",
        "provisioning.tasks.look_at_certificates",
    ],
    "events": ["provisioning.tasks.fan_out_events", "provisioning.tasks.send_events"],  # to receivers: may be slow
    "celery": [],  # every other task: deliveries of what was just saved
    "beat": [
        "provisioning.tasks.sweep",
        "provisioning.tasks.start_due_imports",
        "provisioning.tasks.start_due_reconciliations",
        "provisioning.tasks.settle_contracts",
        "provisioning.tasks.evaluate_rules",
        "provisioning.tasks.look_after_requests",
        "scim.tasks.*",
        "config.signin.tasks.*",
        "config.tasks.*",
        "provisioning.tasks.notices",
    ],
    "backlog": ["provisioning.tasks.drain"],
}
CELERY_TASK_QUEUES = [Queue(name, Exchange(name), routing_key=name) for name in QUEUES]
CELERY_TASK_ROUTES = {task: {"queue": name} for name, tasks in QUEUES.items() for task in tasks}
CELERY_TASK_CREATE_MISSING_QUEUES = False
CELERY_TASK_PUBLISH_RETRY = False
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_SOFT_TIME_LIMIT = None
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_SEND_TASK_EVENTS = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None  # a broker that is gone for a night is waited for
TIME_ZONE = CELERY_TIMEZONE = time_zone()
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
SEND_BESIDE = True  # a thread sends messages to the workers; off, whoever saves a user sends their own
CELERY_BEAT_SCHEDULE_FILENAME = str(VAR_DIR / "celerybeat-schedule")
CELERY_BEAT_SCHEDULE = {
    "recycle-bin": {"task": "provisioning.tasks.purge_recycle_bin", "schedule": 3600.0, "options": {"expires": 3600}},
    "report": {"task": "config.tasks.purge_report", "schedule": 3600.0, "options": {"expires": 3600}},
    "events": {"task": "provisioning.tasks.purge_events", "schedule": 3600.0, "options": {"expires": 3600}},
    "api-answers": {"task": "provisioning.tasks.forget_answers", "schedule": 3600.0, "options": {"expires": 3600}},
    "sweep": {"task": "provisioning.tasks.sweep", "schedule": 60.0, "options": {"expires": 60}},
    "scim-leavers": {"task": "scim.tasks.delete_leavers", "schedule": 3600.0, "options": {"expires": 3600}},
    "scim-log": {"task": "scim.tasks.prune_log", "schedule": 3600.0, "options": {"expires": 3600}},
    "sign-in-tries": {"task": "config.signin.tasks.prune", "schedule": 3600.0, "options": {"expires": 3600}},
    "link-mails": {"task": "config.tasks.send_link_mails", "schedule": 20.0, "options": {"expires": 20}},
    "reports-by-mail": {"task": "config.tasks.send_reports", "schedule": 60.0, "options": {"expires": 60}},
    "report-lines": {"task": "config.tasks.count_report_lines", "schedule": 60.0, "options": {"expires": 60}},
    "grants": {"task": "config.tasks.tidy_grants", "schedule": 60.0, "options": {"expires": 60}},
    "contracts": {"task": "provisioning.tasks.settle_contracts", "schedule": 60.0, "options": {"expires": 60}},
    "rules": {"task": "provisioning.tasks.evaluate_rules", "schedule": 60.0, "options": {"expires": 60}},
    "requests": {"task": "provisioning.tasks.look_after_requests", "schedule": 60.0, "options": {"expires": 60}},
    "search": {"task": "provisioning.tasks.refresh_search", "schedule": 10.0, "options": {"expires": 10}},
    "notices": {"task": "provisioning.tasks.notices", "schedule": 60.0, "options": {"expires": 60}},
    "certificates": {
        "task": "provisioning.tasks.look_at_certificates",
        "schedule": 3600.0,
        "options": {"expires": 3600},
    },
    "start-due-imports": {"task": "provisioning.tasks.start_due_imports", "schedule": 20.0, "options": {"expires": 20}},
    "start-due-reconciliations": {
        "task": "provisioning.tasks.start_due_reconciliations",
        "schedule": 60.0,
        "options": {"expires": 60},
    },
}
# Whether a database that is behind the marks outside it, a restored backup, makes the portal look first.
CONTINUITY = env.bool("CONTINUITY", default=True)
# /readyz fails when a change that could be delivered waits longer than this.
METRICS_TOKEN = env.str("METRICS_TOKEN", default="")
READY_DUE_SECONDS = env.int("READY_DUE_SECONDS", default=3600)

# --- People and sign-in ----------------------------------------------------------------------------------------------
AUTH_USER_MODEL = "provisioning.User"
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2SHA1PasswordHasher",
    "django.contrib.auth.hashers.BCryptSHA256PasswordHasher",
    "directories.hashers.BCryptPasswordHasher",
    "directories.hashers.ScryptPasswordHasher",
    "directories.hashers.SSHAPasswordHasher",
    "directories.hashers.BinarySaltPBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
AUTHENTICATION_BACKENDS = ["config.signin.backend.PortalBackend"]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "admin:index"
PASSWORD_RESET_TIMEOUT = 24 * 3600  # of the one-time links with which people choose their password
ACCOUNT_ADAPTER = "config.signin.adapter.Adapter"
ACCOUNT_FORMS = {
    "login": "config.signin.forms.SignInForm",
    "reauthenticate": "config.signin.forms.ProveByPasswordForm",
}
MFA_ADAPTER = "config.second_factor.adapter.FactorAdapter"
MFA_FORMS = {
    "authenticate": "config.second_factor.forms.CodeForm",
    "reauthenticate": "config.second_factor.forms.ProveByCodeForm",
    "activate_totp": "config.second_factor.forms.AppForm",
    "add_webauthn": "config.second_factor.forms.PasskeyForm",
    "login_webauthn": "config.second_factor.forms.PasskeySignInForm",
}
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_RECOVERY_CODES_SHOW_ONCE = True
MFA_TOTP_TOLERANCE = 1  # clocks of phones are half a minute off
MFA_ALLOW_UNVERIFIED_EMAIL = True  # allauth keeps no e-mail addresses here
MFA_RATE_LIMITS = False  # as ACCOUNT_RATE_LIMITS
SOCIALACCOUNT_ADAPTER = "config.sso.adapter.SsoAdapter"
SOCIALACCOUNT_STORE_TOKENS = False
SOCIALACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_USER_MODEL_EMAIL_FIELD = None  # e-mail addresses are the directories': allauth writes them in small letters
ACCOUNT_LOGOUT_REDIRECT_URL = "account_login"
ACCOUNT_SESSION_REMEMBER = True  # until SESSION_COOKIE_AGE, as Django does it
ACCOUNT_RATE_LIMITS = (
    False  # ``config.signin.limits`` are the portal's: over all processes, and they say when to try again
)

REST_FRAMEWORK = {
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework.authentication.SessionAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAdminUser"],
    "DEFAULT_THROTTLE_RATES": {"api-address": "1200/min", "api-user": "120/min", "api-token": "600/min"},
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Rollcall",
    "VERSION": "v1",
    "DESCRIPTION": "The REST API of the portal. Send a token of the page API tokens as a bearer token.",
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "SERVE_INCLUDE_SCHEMA": False,
    "COMPONENT_SPLIT_REQUEST": True,
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "ENUM_NAME_OVERRIDES": {
        "OnLeaveEnum": "directories.models.OnLeave",
        "MappingKindEnum": "directories.models.AttributeMapping.KINDS",
        "MappingDirectionEnum": "directories.models.MappingDirection",
    },
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "provisioning.api.schema.with_problems",
    ],
}

# --- Mail: notices to staff, where a server is named ------------------------------------------------------------------
EMAIL_HOST = env.str("EMAIL_HOST", default="")
EMAIL_PORT = env.int("EMAIL_PORT", default=25)
EMAIL_HOST_USER = env.str("EMAIL_HOST_USER", default="")
EMAIL_HOST_PASSWORD = env.str("EMAIL_HOST_PASSWORD", default="")
EMAIL_USE_TLS = env.bool("EMAIL_USE_TLS", default=False)
EMAIL_USE_SSL = env.bool("EMAIL_USE_SSL", default=False)
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default="rollcall@localhost")

# --- Directories: what of the portal's own machine may be one --------------------------------------------------------
ALLOW_LOCAL_DIRECTORIES = env.bool("ALLOW_LOCAL_DIRECTORIES", default=not HTTPS)
SQLITE_FOLDER = env.str("SQLITE_FOLDER", default=str(VAR_DIR))
SOURCE_FILES_FOLDER = env.str("SOURCE_FILES_FOLDER", default=str(VAR_DIR / "sources"))
SOURCE_SCRIPTS_FOLDER = env.str("SOURCE_SCRIPTS_FOLDER", default="")
# Networks that HTTP addresses may lead into although they are not public: see ``directories.connectors.outgoing``.
OUTGOING_NETWORKS = env.list("OUTGOING_NETWORKS", default=[] if HTTPS else ["127.0.0.0/8", "::1"])

# --- SCIM ------------------------------------------------------------------------------------------------------------
SCIM_SERVICE_PROVIDER = {
    "AUTH_CHECK_MIDDLEWARE": "scim.authentication.ClientAuthentication",
    # Mandatory, and not used: ``scim.resources.discovery`` says what each client may do, and locations come from the
    # request.
    "AUTHENTICATION_SCHEMES": [{"type": "oauthbearertoken"}],
    "NETLOC": "localhost",
}
SCIM_MAPPING_SECONDS = 2  # a process keeps an application's mapping so long before it reads it again
SCIM_LOG_BESIDE = True  # a thread writes the live log; off, each request writes its own line
EVENT_DAYS = env.int("EVENT_DAYS", default=30)  # how long events, and the log of their deliveries, are kept
EVENTS_LOOK_SECONDS = 10.0  # after so long every process knows of a new subscription
RECYCLE_DAYS = env.int("RECYCLE_DAYS", default=30)  # how long a deleted user can be restored
REPORT_DAYS = days_kept("REPORT_DAYS")  # how long lines of the report are kept; 0: for ever
REPORT_SIGN_IN_DAYS = days_kept("REPORT_SIGN_IN_DAYS")  # and those of sign-ins
SCIM_LOG_DAYS = env.int("SCIM_LOG_DAYS", default=14)  # how long the live log of SCIM requests goes back
SCIM_LOG_LINES = env.int("SCIM_LOG_LINES", default=50_000)  # and how many lines it keeps of one application
# What a client pushes may be large: groups are sent with all their members.
DATA_UPLOAD_MAX_MEMORY_SIZE = 16 * 1024 * 1024

# --- Language, time and static files ---------------------------------------------------------------------------------
LANGUAGE_CODE = "en"
USE_I18N = True
FORMAT_MODULE_PATH = ["config.formats"]
USE_TZ = True
STATIC_URL = "static/"
STATIC_ROOT = Path(env.str("STATIC_ROOT", default=str(BASE_DIR / "staticfiles")))
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {
        # /readyz answers 503 while a part is missing, and says which; that is not an error of the request.
        "without_503": {
            "()": "django.utils.log.CallbackFilter",
            "callback": lambda record: getattr(record, "status_code", None) != 503,
        },
    },
    "formatters": {"line": {"()": "config.logs.formatter.PortalFormatter", "kind": log_format()}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": env.str("LOG_LEVEL", default="INFO")},
    "loggers": {
        "celery": {"level": env.str("CELERY_LOG_LEVEL", default="WARNING")},
        "django.request": {"filters": ["without_503"]},
        # Their lines have addresses in them, which may hold keys, and at DEBUG whole headers.
        **{name: {"level": "WARNING"} for name in ("httpx2", "httpcore2")},
    },
}

UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Rollcall",
    "SITE_HEADER": "Rollcall",
    "SITE_SUBHEADER": "User provisioning",
    "SITE_URL": "",
    "SITE_SYMBOL": "how_to_reg",
    "SHOW_VIEW_ON_SITE": False,
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": "config.navigation.favicon"}],
    "STYLES": ["config.navigation.stylesheet"],
    "SCRIPTS": [
        "config.navigation.tabs_script",
        "config.navigation.accessible_script",
        "config.navigation.search_script",
    ],
    "DASHBOARD_CALLBACK": "config.dashboard.fill",
    "ACCOUNT": {"navigation": [{"title": "Your account", "link": reverse_lazy("my_account")}]},
    "SIDEBAR": {"navigation": "config.navigation.sidebar"},
}

# The pages that the report's lines lead to: column -> model and page; reports itself knows no other app.
REPORT_LINKS = {
    "user_id": ("provisioning.User", "admin:provisioning_user_change"),
    "group_id": ("provisioning.Group", "admin:provisioning_group_change"),
    "run_id": ("provisioning.ImportRun", "admin:provisioning_importrun_change"),
}
REPORT_APPLICATIONS = [  # what a line's application may be the name of
    ("directories.Directory", "admin:directories_directory_change"),
    ("scim.Client", "admin:scim_client_change"),
]
REPORT_STEPS = "provisioning.history.steps.of_lines"  # tells how lines came about
