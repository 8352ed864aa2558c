#!/bin/sh
# The image takes its secrets from the environment only; here they come from files, and the
# environment that `docker inspect` shows stays free of them.
set -eu
umask 077

COUCHDB_USER=kpi
COUCHDB_PASSWORD=$(cat /run/secrets/couchdb_password)
export COUCHDB_USER COUCHDB_PASSWORD

# In a cluster only: who this node is; the word by which the nodes trust each other, in the file
# where Erlang looks for it; and the secret of sessions, which all nodes have to share before the
# cluster can be finished. Everyone may read a command's arguments, nobody else this RAM disk.
if [ -n "${KPI_COUCHDB_NODE:-}" ]; then
  HOME=/opt/couchdb/etc/local.d
  ERL_FLAGS="-name couchdb@$KPI_COUCHDB_NODE"
  export HOME ERL_FLAGS
  cat /run/secrets/couchdb_erlang_cookie >"$HOME/.erlang.cookie"
  printf '[chttpd_auth]\nsecret = %s\n' "$(cat /run/secrets/couchdb_auth_secret)" \
    >"$HOME/10-auth-secret.ini"
fi

exec tini -- /docker-entrypoint.sh /opt/couchdb/bin/couchdb
