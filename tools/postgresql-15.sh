#!/bin/bash
# Runs a command with GATEHOUSE_TEST_DATABASE_URL naming a throw-away PostgreSQL 15 of the system's packages, over TCP on
# loopback with a password, the way a production server is reached. The server and its files are gone afterwards.
#
#   tools/postgresql-15.sh npm test
set -euo pipefail

programs=/usr/lib/postgresql/15/bin
[ -x "$programs/postgres" ] || { echo "PostgreSQL 15 is not installed: tools/peers.sh installs it" >&2; exit 1; }

folder=$(mktemp -d /tmp/gatehouse-pg15-XXXXXX)
as_owner=()
if [ "$(id -u)" = 0 ]; then
  chown postgres "$folder"
  as_owner=(runuser -u postgres --)
fi
stop() {
  "${as_owner[@]}" "$programs/pg_ctl" -D "$folder/data" -m fast -w stop >/dev/null 2>&1 || true
  rm -rf "$folder"
}
trap stop EXIT
trap 'exit 130' INT TERM

password=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
install -m 600 /dev/null "$folder/password"
echo "$password" > "$folder/password"
[ ${#as_owner[@]} = 0 ] || chown postgres "$folder/password"
# Another free port each time, asked of the system.
port=$(node -e "const s = require('node:net').createServer().listen(0, '127.0.0.1', () => { console.log(s.address().port); s.close(); })")
cd "$folder"
"${as_owner[@]}" "$programs/initdb" -D "$folder/data" -U gatehouse -A scram-sha-256 --pwfile="$folder/password" \
  -E UTF8 --locale=C.UTF-8 >/dev/null
"${as_owner[@]}" "$programs/pg_ctl" -D "$folder/data" -l "$folder/log" -w \
  -o "-c listen_addresses=127.0.0.1 -c port=$port -c unix_socket_directories= -c max_connections=600 -c fsync=off" start >/dev/null
cd - >/dev/null

GATEHOUSE_TEST_DATABASE_URL="postgresql://gatehouse:$password@127.0.0.1:$port/postgres" "$@"
