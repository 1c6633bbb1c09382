#!/bin/sh
# Makes the secrets compose.yaml names, once; what is there already is left alone.
#   ./prepare.sh smtps://user:password@mail.example.org
set -eu
cd "$(dirname "$0")"

mail_url=${1:-}
if [ -z "$mail_url" ] && [ ! -s secrets/mail-url ]; then
  echo "Name the mail server: ./prepare.sh smtps://user:password@mail.example.org" >&2
  exit 1
fi

# The folder is yours alone; the files must be readable for the accounts inside the containers.
mkdir -p secrets
chmod 0700 secrets
umask 022

keep() { # name: writes standard input to a secret that is not there yet
  if [ -s "secrets/$1" ]; then cat >/dev/null; else cat >"secrets/$1"; fi
}

openssl rand -base64 32 | keep master-key
openssl rand -hex 24 | tr -d '\n' | keep database-password
printf 'postgres://gatehouse:%s@postgres/gatehouse' "$(cat secrets/database-password)" | keep database-url
[ -z "$mail_url" ] || printf '%s' "$mail_url" >secrets/mail-url

echo "Secrets are in $(pwd)/secrets. Keep a copy of master-key apart from your backups: without it they cannot be read."
