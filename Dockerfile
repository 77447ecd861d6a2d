# One image for each role: docker build --target api|watcher|worker|flower .
#
# The images of the service (api, watcher) hold no Celery, and those of the workers (worker, flower) no arq: the two want
# versions of redis-py that exclude each other. Each follows its own hashed lock in requirements/.
ARG PYTHON_VERSION=3.12

FROM python:${PYTHON_VERSION}-slim AS python
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_NO_INPUT=1 \
    PIP_ROOT_USER_ACTION=ignore


# ── What the images are made of; none of these stages is shipped. ──

FROM python AS wheel
WORKDIR /src
COPY requirements/build.txt requirements/
RUN pip install --require-hashes --only-binary :all: -r requirements/build.txt
COPY pyproject.toml README.md LICENSE ./
COPY app app
COPY bridge bridge
COPY workers workers
# The build backend is the locked one from above, so nothing unlocked is fetched.
RUN pip wheel --no-deps --no-index --no-build-isolation --wheel-dir /wheel .

FROM python AS service-packages
RUN python -m venv --without-pip /opt/petiole
COPY requirements/service.txt requirements/
RUN pip --python /opt/petiole/bin/python install --require-hashes --only-binary :all: -r requirements/service.txt
COPY --from=wheel /wheel /wheel
RUN pip --python /opt/petiole/bin/python install --no-deps --no-index /wheel/*.whl \
    && pip --python /opt/petiole/bin/python check

FROM python AS worker-packages
RUN python -m venv --without-pip /opt/petiole
COPY requirements/workers.txt requirements/
RUN pip --python /opt/petiole/bin/python install --require-hashes --only-binary :all: -r requirements/workers.txt
COPY --from=wheel /wheel /wheel
RUN pip --python /opt/petiole/bin/python install --no-deps --no-index /wheel/*.whl \
    && pip --python /opt/petiole/bin/python check


# ── What all images share. ──

FROM python AS runtime
LABEL org.opencontainers.image.title="Petiole" \
      org.opencontainers.image.description="The asyncio front of Celery: submit over REST, follow over server-sent events." \
      org.opencontainers.image.licenses="MIT"
# Packages are compiled when they are installed; a process that writes bytecode later would need a writable image.
ENV PATH=/opt/petiole/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    PETIOLE_HOST=0.0.0.0
RUN groupadd --gid 10001 petiole \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin petiole
WORKDIR /opt/petiole
# SIGTERM: uvicorn ends its streams, arq its jobs, Celery finishes its tasks. `petiole` becomes the program it starts
# (exec), so the signal reaches that program and not a shell.
STOPSIGNAL SIGTERM
# By number, so that an orchestrator can see that it is not root.
USER 10001:10001


# ── The service. ──

FROM runtime AS service
COPY --from=service-packages /opt/petiole /opt/petiole
RUN for name in celery kombu billiard amqp vine flower; do \
        if python -c "import $name" 2>/dev/null; then echo "The service must not hold $name." >&2; exit 1; fi; \
    done

FROM service AS api
ENV PETIOLE_PORT=8000
EXPOSE 8000
# Alive, not ready: a restart would not mend a Redis that is away. Ask /readyz before sending it traffic.
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 \
    CMD python -c "import os, urllib.request as r; r.urlopen('http://127.0.0.1:' + os.environ['PETIOLE_PORT'] + '/healthz', timeout=4)"
CMD ["petiole", "api"]

FROM service AS watcher
COPY docker/watcher_is_alive.py docker/
# Not `arq --check`: all watchers share the key that reads, so one of them would vouch for the others.
HEALTHCHECK --interval=10s --timeout=8s --start-period=20s --retries=3 \
    CMD python docker/watcher_is_alive.py
CMD ["petiole", "watcher"]


# ── The workers: stock Celery. ──

FROM runtime AS workers
COPY --from=worker-packages /opt/petiole /opt/petiole

FROM workers AS worker
# Through the broker, so it says that the worker consumes and not only that it runs. Importing Celery costs about a
# second of one core, hence the long interval.
HEALTHCHECK --interval=30s --timeout=20s --start-period=30s --retries=3 \
    CMD celery -A "${PETIOLE_WORKER_APP:-workers.celery_app:app}" inspect ping --timeout 5 -d "celery@$(hostname)"
CMD ["petiole", "worker"]

FROM workers AS flower
ENV PETIOLE_FLOWER_PORT=5555
EXPOSE 5555
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 \
    CMD python -c "import os, urllib.request as r; r.urlopen('http://127.0.0.1:' + os.environ['PETIOLE_FLOWER_PORT'] + '/healthcheck', timeout=4)"
CMD ["petiole", "flower"]
