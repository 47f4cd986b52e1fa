"""gunicorn's settings: threads for pages that wait, a handful of processes, everything else from the environment."""

import gc
import os
from pathlib import Path

bind = f"{os.environ.get('HOST', '127.0.0.1')}:{os.environ.get('PORT', '8000')}"
workers = int(os.environ.get("WEB_CONCURRENCY", "2"))
threads = int(os.environ.get("WEB_THREADS", "4"))
worker_class = "gthread"
timeout = 60
graceful_timeout = 20
max_requests = 10_000
max_requests_jitter = 1_000
control_socket_disable = True
logger_class = "config.logs.web_server.WebServerLogger"
access_log_format = '%(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s" %({x-request-id}o)s'
errorlog = "-"
loglevel = os.environ.get("LOG_LEVEL", "info").lower()
accesslog = "-" if os.environ.get("ACCESS_LOG", "").lower() in {"1", "true", "yes"} else None
# The heartbeat file of a worker must not wait for a disk.
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108


def post_worker_init(worker: object) -> None:
    """Look whether the database was restored."""
    from provisioning.restore import continuity  # the portal can be imported only now

    continuity.at_start()
    calm_the_collector()


def calm_the_collector() -> None:
    """Keep the garbage collector off what is loaded for good, which took a twelfth of a SCIM request's time."""
    gc.freeze()
