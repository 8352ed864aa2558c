#!/bin/sh
# Makes the system databases once the three nodes have found each other; a second run finds that
# done and changes nothing.
set -eu

node=http://couchdb:5984

ask() { # the password goes over a pipe: arguments are for everyone to read
  printf 'user = "kpi:%s"\n' "$(cat /run/secrets/couchdb_password)" |
    curl --config - --silent --show-error --max-time 30 --header 'Content-Type: application/json' "$@"
}

tries=60
until [ "$(ask "$node/_membership" | grep -o 'couchdb@[^"]*' | sort -u | wc -l)" -eq 3 ]; do
  tries=$((tries - 1))
  [ "$tries" -gt 0 ] || { echo "the three nodes have not found each other" >&2; exit 1; }
  sleep 5
done

if ! ask "$node/_cluster_setup" | grep -q cluster_finished; then
  ask --fail --request POST --data '{"action": "finish_cluster"}' "$node/_cluster_setup"
fi
