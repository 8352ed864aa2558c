#!/bin/sh
# The image takes its secrets from the environment only; here they come from files, and the
# environment that `docker inspect` shows stays free of them.
set -eu

COUCHDB_USER=kpi
COUCHDB_PASSWORD=$(cat /run/secrets/couchdb_password)
export COUCHDB_USER COUCHDB_PASSWORD

# In a cluster only: who this node is, and the word by which the nodes trust each other.
if [ -n "${KPI_COUCHDB_NODE:-}" ]; then
  ERL_FLAGS="-name couchdb@$KPI_COUCHDB_NODE -setcookie $(cat /run/secrets/couchdb_erlang_cookie)"
  export ERL_FLAGS
fi

exec tini -- /docker-entrypoint.sh /opt/couchdb/bin/couchdb
