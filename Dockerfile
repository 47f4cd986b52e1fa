# One image for every program of the Procfile; compose.yaml shows their commands.

FROM python:3.11-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
COPY config/bin/install requirements.lock /tmp/
RUN python -m venv /opt/rollcall && /tmp/install /opt/rollcall/bin/python /tmp/requirements.lock

FROM python:3.11-slim-bookworm
ENV PATH=/opt/rollcall/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HOST=0.0.0.0 \
    PORT=8000 \
    ROLLCALL_VAR_DIR=/data \
    STATIC_ROOT=/app/staticfiles
RUN useradd --system --uid 10001 --home-dir /data rollcall && install -d -o rollcall /data
COPY --from=build /opt/rollcall /opt/rollcall
WORKDIR /app
COPY . .
# Collecting static files reads the settings, which want secrets: these two are thrown away.
RUN ROLLCALL_VAR_DIR=/tmp/var \
    SECRET_KEY=$(python -c 'import secrets; print(secrets.token_urlsafe(50))') \
    ENCRYPTION_KEYS=$(python -c 'from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())') \
    python manage.py collectstatic --noinput -v0 && rm -rf /tmp/var
USER rollcall
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s \
    CMD ["python", "-c", "import os, urllib.request as u; h = os.environ['HOST']; h = '127.0.0.1' if h in ('0.0.0.0', '::', '[::]') else h; u.build_opener(u.ProxyHandler({})).open(u.Request(f\"http://{h}:{os.environ['PORT']}/healthz\", headers={'Host': 'localhost'}), timeout=4)"]
CMD ["config/bin/program", "web"]
