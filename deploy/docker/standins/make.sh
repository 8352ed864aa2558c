#!/usr/bin/env bash
# Stand-ins for the images of the stack, on a machine that reaches no image registry: the base of
# Debian's Python, Debian's Prometheus and Alertmanager, and pouchdb-server for CouchDB, each under
# the tag that the stack asks for. Enough for functional tests, for nothing else. There is none of
# Grafana. As root, on Debian, with docker.io and debootstrap installed and `make system` done.
set -euo pipefail
cd "$(dirname "$0")/../../.."

tag_of() { sed -n "s|^    image: \($1:.*\)|\1|p" docker-compose.yml; }
base=$(sed -n 's/^FROM \(.*\) AS base$/\1/p' Dockerfile)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

if ! docker image inspect "$base" >/dev/null 2>&1; then
  debootstrap --variant=minbase \
    --include=ca-certificates,curl,python3,python3-pip,python3-venv,tini bookworm "$work/tree"
  ln -s /usr/bin/python3 "$work/tree/usr/local/bin/python"
  # Whatever authorities this machine trusts on the way to the package registries.
  cp /etc/ssl/certs/ca-certificates.crt "$work/tree/etc/ssl/certs/"
  tar -C "$work/tree" --exclude='./var/cache/apt/*' --exclude='./var/lib/apt/lists/*' -c . |
    docker import --change "ENV PIP_CERT=/etc/ssl/certs/ca-certificates.crt" - "$base"
fi

build() { # an image under this tag, from the Dockerfile on standard input and this folder
  DOCKER_BUILDKIT=0 docker build --quiet --tag "$1" --file - "$2"
}

# Debian's promtool is older than `check ready`, by which the stack asks.
build "$(tag_of prom/prometheus)" deploy/docker/standins <<END
FROM $base
RUN apt-get -qq update && apt-get -qq install --no-install-recommends prometheus \
 && printf '#!/bin/sh\n[ "\$2" != ready ] || exec curl -fsS http://127.0.0.1:9090/-/ready\nexec /usr/bin/promtool "\$@"\n' \
      > /usr/local/bin/promtool \
 && chmod +x /usr/local/bin/promtool \
 && install --directory --owner=nobody --group=nogroup /prometheus
USER 65534
ENTRYPOINT ["prometheus"]
END

build "$(tag_of prom/alertmanager)" deploy/docker/standins <<END
FROM $base
RUN apt-get -qq update && apt-get -qq install --no-install-recommends prometheus-alertmanager \
 && install --directory --owner=nobody --group=nogroup /alertmanager
USER 65534
ENTRYPOINT ["prometheus-alertmanager"]
END

mkdir "$work/couchdb"
cp -r .cache/pouchdb/node_modules deploy/docker/standins/couchdb.js "$work/couchdb/"
build "$(tag_of couchdb)" "$work/couchdb" <<END
FROM $base
RUN apt-get -qq update && apt-get -qq install --no-install-recommends nodejs \
 && groupadd --gid 5984 couchdb && useradd --uid 5984 --gid couchdb couchdb \
 && mkdir -p /opt/couchdb/etc/default.d /opt/couchdb/etc/local.d /opt/couchdb/bin \
 && install --directory --owner=couchdb --group=couchdb /opt/couchdb/data \
 && printf '#!/bin/sh\nexec node /standin/couchdb.js\n' > /docker-entrypoint.sh \
 && chmod +x /docker-entrypoint.sh
COPY . /standin
ENTRYPOINT ["tini", "--", "/docker-entrypoint.sh"]
CMD ["/opt/couchdb/bin/couchdb"]
END
