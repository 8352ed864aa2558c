# One image for two programs: the exporter, and `python -m fake_server`, the KPIggybank to try it
# with. Nothing here needs BuildKit, so any engine builds it, for amd64 and arm64 alike.
FROM python:3.13.16-slim-trixie AS base

FROM base AS build
WORKDIR /source
COPY . .
# Wheels only and exact versions: no compiler, and the same packages each time. Byte code that is
# checked against nothing is the same each time too, and nobody could write it later: the root
# file system is read-only.
RUN python -m venv /build \
 && /build/bin/pip install --quiet --no-cache-dir --constraint constraints.txt hatchling \
 && /build/bin/pip wheel --quiet --no-cache-dir --no-deps --no-build-isolation --wheel-dir /wheel . \
 && python -m venv --without-pip /opt/kpi-exporter \
 && /build/bin/pip --python /opt/kpi-exporter/bin/python install --quiet --no-cache-dir \
      --no-compile --only-binary :all: --constraint constraints.txt /wheel/*.whl \
 && /opt/kpi-exporter/bin/python -m compileall -q --invalidation-mode unchecked-hash \
      /opt/kpi-exporter/lib

FROM base
# The base brings an installer along; a service has no use for one, an intruder would.
RUN rm -rf /usr/local/bin/pip* /usr/local/lib/python3.*/ensurepip \
      /usr/local/lib/python3.*/site-packages/pip* \
 && groupadd --system --gid 10001 kpi \
 && useradd --system --uid 10001 --gid kpi --no-create-home --home-dir /var/lib/kpi-exporter kpi \
 && install --directory --owner=kpi --group=kpi --mode=0750 /var/lib/kpi-exporter
COPY --from=build /opt/kpi-exporter /opt/kpi-exporter
ENV PATH=/opt/kpi-exporter/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
WORKDIR /var/lib/kpi-exporter
# By number, so that Kubernetes can see that it is not root.
USER 10001:10001
EXPOSE 3434
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 \
  CMD ["python", "-Ic", "import urllib.request as http; http.urlopen('http://127.0.0.1:3434/-/healthy', timeout=4)"]
ENTRYPOINT ["kpi-exporter"]
CMD ["serve", "--config.file=/etc/kpi-exporter/kpi-exporter.yml", "--web.listen-address=0.0.0.0:3434"]
ARG VERSION=unreleased
ARG REVISION=unknown
LABEL org.opencontainers.image.title="kpi-exporter" \
      org.opencontainers.image.description="Sign-in KPIs from KPIggybank for Prometheus" \
      org.opencontainers.image.licenses="MPL-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
