#!/bin/sh
# Makes what docker-compose.yml needs to keep from others: an authority, a certificate
# for each member of the replica set, the members' key file, passwords, and Sheaf's
# connection string. What is there stays, but for certificates that end within 30 days.
#
# usage: secrets.sh FOLDER_OF_MONGODB FOLDER_OF_SHEAF
set -eu
umask 077
mongodb=$1 sheaf=$2
members="mongodb-1 mongodb-2 mongodb-3"
month=2592000 # seconds

# The users of the images; only root can give files away.
give() { if [ "$(id -u)" = 0 ]; then chown "$1" "$2"; fi; }

# keep NAME OWNER COMMAND...: the output of the command becomes the file, whole or not
# at all, unless it is there.
keep() {
	file=$1 owner=$2
	shift 2
	[ -s "$file" ] && return
	"$@" >"$file.new"
	chmod 400 "$file.new"
	give "$owner" "$file.new"
	mv "$file.new" "$file"
}

new_key() { openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256; }

authority() {
	openssl req -x509 -new -key "$mongodb/ca.key" -days 3650 -subj "/O=Sheaf/CN=Authority of a compose file" \
		-addext "keyUsage=critical,keyCertSign,cRLSign"
}

# certificate MEMBER: a key and what proves whose it is, in one file as mongod wants it.
certificate() {
	new_key >"$mongodb/work.key"
	openssl req -new -key "$mongodb/work.key" -subj "/O=Sheaf/OU=MongoDB/CN=$1" \
		-addext "subjectAltName=DNS:$1,DNS:localhost,IP:127.0.0.1" \
		-addext "extendedKeyUsage=serverAuth,clientAuth" >"$mongodb/work.csr"
	cat "$mongodb/work.key"
	openssl x509 -req -in "$mongodb/work.csr" -CA "$mongodb/ca.pem" -CAkey "$mongodb/ca.key" \
		-set_serial "0x$(openssl rand -hex 16)" -days 825 -copy_extensions copy
}

connection_string() {
	hosts=$(echo "$members" | sed 's/ /:27017,/g'):27017
	echo "mongodb://sheaf:$(cat "$mongodb/sheaf-password")@$hosts/sheaf?replicaSet=sheaf&authSource=admin&tls=true"
}

mkdir -p "$mongodb" "$sheaf"
chmod 755 "$mongodb" "$sheaf"
keep "$mongodb/ca.key" 0:0 new_key
keep "$mongodb/ca.pem" 999:999 authority
for member in $members; do
	if ! openssl x509 -checkend $month -noout -in "$mongodb/$member.pem" >/dev/null 2>&1; then
		rm -f "$mongodb/$member.pem"
	fi
	keep "$mongodb/$member.pem" 999:999 certificate "$member"
done
rm -f "$mongodb/work.key" "$mongodb/work.csr"
keep "$mongodb/keyfile" 999:999 openssl rand -base64 756
keep "$mongodb/root-password" 999:999 openssl rand -hex 32
keep "$mongodb/sheaf-password" 999:999 openssl rand -hex 32
keep "$sheaf/mongodb-uri" 65532:65532 connection_string
keep "$sheaf/ca.pem" 65532:65532 cat "$mongodb/ca.pem"
