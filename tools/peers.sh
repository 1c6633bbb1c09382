#!/bin/bash
# Installs the Debian packages that tests run against: a browser, Apache with mod_auth_openidc, mod_auth_mellon and mod_shib,
# SimpleSAMLphp, OpenLDAP, PostgreSQL 15, Postfix with Cyrus SASL, and xmlsec1, oathtool, swaks, OpenDKIM, OpenDMARC and
# dkimpy as second opinions.
# Asks nothing, starts no service, and may be run again at any time.
set -euo pipefail

packages=(
  chromium-headless-shell fonts-dejavu-core fonts-liberation
  apache2 libapache2-mod-auth-openidc
  slapd ldap-utils
  postgresql-15
  libapache2-mod-auth-mellon libapache2-mod-shib simplesamlphp php-fpm php-xml php-sqlite3
  xmlsec1 oathtool
  postfix sasl2-bin libsasl2-modules swaks opendkim opendkim-tools opendmarc python3-dkim python3-dnspython
  dbconfig-no-thanks publicsuffix libresolv-wrapper
  openssl curl
)

as_root=()
if [ "$(id -u)" != 0 ]; then
  command -v sudo >/dev/null || { echo "tools/peers.sh installs packages: run it as root" >&2; exit 1; }
  as_root=(sudo)
fi
command -v apt-get >/dev/null || { echo "tools/peers.sh knows Debian and its relatives only" >&2; exit 1; }

missing=()
for package in "${packages[@]}"; do
  state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
  [ "$state" = installed ] || missing+=("$package")
done
if [ ${#missing[@]} = 0 ]; then
  echo "All peers are installed."
  exit 0
fi

# Tests start their own servers on their own ports; the packages' services would only be in the way.
policy=/usr/sbin/policy-rc.d
ours=
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$policy" >/dev/null
  "${as_root[@]}" chmod 755 "$policy"
  ours=yes
fi
forget() { [ -z "$ours" ] || "${as_root[@]}" rm -f "$policy"; }
trap forget EXIT

echo "Installing: ${missing[*]}"
apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o Dpkg::Use-Pty=0)
"${apt[@]}" update
"${apt[@]}" install --no-install-recommends "${missing[@]}"
