# Built twice from one base: the first stage has pip and its caches, the second only what runs.
FROM python:3.13-slim@sha256:70729b46c69b4f1e97c4822c1af3df53a1476cf5ddc6c087c0c10bc3a5678c2f AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
COPY requirements/run.txt /requirements.txt
# Only wheels: nothing is compiled, and no package's setup script runs here.
RUN python -m venv /venv \
 && /venv/bin/pip install --only-binary=:all: --require-hashes -r /requirements.txt \
 && /venv/bin/pip uninstall --yes pip

FROM python:3.13-slim@sha256:70729b46c69b4f1e97c4822c1af3df53a1476cf5ddc6c087c0c10bc3a5678c2f
ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1
RUN groupadd --gid 10001 bot \
 && useradd --uid 10001 --gid bot --no-create-home --shell /usr/sbin/nologin bot \
 && install --directory --owner=bot --group=bot /data
COPY --from=build /venv /venv
WORKDIR /app
# The default DATABASE_URL names data/bot.db, which is then on the volume. Set here, it would exclude DATABASE_URL_FILE.
RUN ln -s /data data
COPY bot bot
COPY cogs cogs
# Now, because the root file system is read-only when it runs.
RUN python -m compileall -q bot cogs
USER 10001:10001
VOLUME /data
EXPOSE 8080
# Liveness only: an outage of Discord's must not restart the bot.
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-m", "bot", "healthcheck"]
CMD ["python", "-m", "bot"]
