# The server of firstlight.
#
#   docker build -t firstlight .
#   docker build -t firstlight --secret id=pip,src=pip.conf .   # pip.conf: where pip looks, say for a CPU-only PyTorch
#
# docs/deployment.md says how it is run.

FROM python:3.11-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/firstlight
WORKDIR /build
# PyTorch goes first, by itself and at its exact version: asked for loosely it may bring several GB along.
COPY constraints.txt ./
RUN --mount=type=secret,id=pip,target=/etc/pip.conf \
    /opt/firstlight/bin/pip install -c constraints.txt "$(grep '^torch==' constraints.txt)"
COPY pyproject.toml README.md LICENSE ./
COPY src ./src
RUN --mount=type=secret,id=pip,target=/etc/pip.conf \
    /opt/firstlight/bin/pip install -c constraints.txt '.[serve,postgres]'

FROM python:3.11-slim-bookworm
RUN useradd --system --uid 10001 --no-log-init --create-home --home-dir /var/lib/firstlight firstlight
COPY --from=build /opt/firstlight /opt/firstlight
ENV PATH=/opt/firstlight/bin:$PATH PYTHONUNBUFFERED=1
USER 10001
WORKDIR /var/lib/firstlight
VOLUME ["/var/lib/firstlight"]
EXPOSE 8321
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import urllib.request as web; web.urlopen('http://127.0.0.1:8321/readyz', timeout=4)"]
ENTRYPOINT ["firstlight"]
CMD ["serve", "/models", "--store", "/var/lib/firstlight/shop.db", "--host", "0.0.0.0", "--port", "8321"]
