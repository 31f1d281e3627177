# One image for every process of NextPlay: `docker run IMAGE services.upload serve`. Base images are given by digest:
#
#   make image PYTHON_IMAGE=python:3.11-slim-bookworm@sha256:… NODE_IMAGE=node:22-bookworm-slim@sha256:…
#
# Nothing is fetched but packages that are pinned by hash, and no step needs root or a privileged builder.

ARG PYTHON_IMAGE=python:3.11-slim-bookworm
ARG NODE_IMAGE=node:22-bookworm-slim

# ---- what every process needs, and what the API looks like --------------------------------------------------------
FROM ${PYTHON_IMAGE} AS installed
ENV PYTHONDONTWRITEBYTECODE=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /nextplay
COPY deploy/image deploy/image
# One package has no wheel and is built, by what build.lock pins.
RUN python -m venv /nextplay/.venv \
    && .venv/bin/pip install --require-hashes --requirement deploy/image/build.lock \
    && .venv/bin/pip install --require-hashes --no-build-isolation --requirement deploy/image/requirements.lock
COPY chassis chassis
COPY gateway gateway
COPY services services
COPY operating operating
COPY protos/gen protos/gen
COPY clients/python/src clients/python/src
COPY deploy/__init__.py deploy/topics.py deploy/try_one_clip.py deploy/
ENV PYTHONPATH=/nextplay:/nextplay/protos/gen:/nextplay/clients/python/src
RUN .venv/bin/python -m compileall -q chassis gateway services operating protos/gen clients/python/src deploy \
    && .venv/bin/python -c "import json; from gateway.contract import DESCRIPTORS, read_contract; \
from gateway.openapi import document; \
print(json.dumps(document(read_contract(DESCRIPTORS.read_bytes()))))" > /tmp/openapi.json

# ---- Studio and the page of the API's documentation ---------------------------------------------------------------
FROM ${NODE_IMAGE} AS studio
WORKDIR /nextplay/web
COPY web/package.json web/package-lock.json web/.npmrc ./
RUN npm ci --no-audit --no-fund
COPY web ./
COPY --from=installed /tmp/openapi.json /tmp/openapi.json
RUN OPENAPI=file:///tmp/openapi.json npm run --silent build

# ---- the image ----------------------------------------------------------------------------------------------------
FROM ${PYTHON_IMAGE}
LABEL org.opencontainers.image.title="NextPlay" \
      org.opencontainers.image.description="The upload and processing backend of a short-video app"
ENV PATH=/nextplay/.venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONPATH=/nextplay:/nextplay/protos/gen:/nextplay/clients/python/src \
    PYTHONUNBUFFERED=1 \
    NEXTPLAY_GATEWAY_WEB_DIRECTORY=/nextplay/web/dist
WORKDIR /nextplay
COPY --from=installed /nextplay /nextplay
COPY --from=studio /nextplay/web/dist web/dist
USER 10001:10001
ENTRYPOINT ["python", "-m"]
