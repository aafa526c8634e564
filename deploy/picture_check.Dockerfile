# The picture checker of compose.picture-check.yaml.
FROM python:3.13-slim@sha256:70729b46c69b4f1e97c4822c1af3df53a1476cf5ddc6c087c0c10bc3a5678c2f AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
COPY requirements/picture_check.txt /requirements.txt
RUN python -m venv /venv \
 && /venv/bin/pip install --only-binary=:all: --require-hashes -r /requirements.txt
# The model and PyAV, which the operator chooses: docs/picture-check.md.
ARG PICTURE_CHECK_PACKAGES=""
# hadolint ignore=SC2086
RUN if [ -n "$PICTURE_CHECK_PACKAGES" ]; then \
      /venv/bin/pip install --only-binary=:all: $PICTURE_CHECK_PACKAGES; \
    fi

FROM python:3.13-slim@sha256:70729b46c69b4f1e97c4822c1af3df53a1476cf5ddc6c087c0c10bc3a5678c2f
ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1
RUN groupadd --gid 10002 checker \
 && useradd --uid 10002 --gid checker --no-create-home --shell /usr/sbin/nologin checker
COPY --from=build /venv /venv
WORKDIR /app
COPY deploy/picture_check.py picture_check.py
USER 10002:10002
EXPOSE 8090
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8090/healthz', timeout=4)"]
CMD ["python", "picture_check.py"]
