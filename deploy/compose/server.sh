#!/usr/bin/env bash
# One of two PostgreSQL servers. With an empty folder the one that PRIMARY names begins as the primary, and the other as its
# copy and standby; with a full one each goes on as what it was.
set -euo pipefail
data=${PGDATA:-/var/lib/postgresql/data}
options=(-c "cluster_name=$NAME" -c listen_addresses=* -c wal_keep_size=256MB)

if [ ! -s "$data/PG_VERSION" ] && [ "$NAME" != "$PRIMARY" ]; then
    install -d -o postgres -g postgres -m 700 "$data"
    until PGPASSWORD=$REPLICA_PASSWORD gosu postgres pg_basebackup --pgdata="$data" --write-recovery-conf --checkpoint=fast \
        --dbname="host=$PRIMARY user=replica application_name=$NAME"; do
        find "$data" -mindepth 1 -delete
        sleep 2
    done
elif [ ! -s "$data/PG_VERSION" ]; then
    cat >/docker-entrypoint-initdb.d/roles.sh <<'ROLES'
psql --set=ON_ERROR_STOP=1 --username=postgres --set=replica="$REPLICA_PASSWORD" --set=gateway="$MOTION_GATEWAY_SPOOL__PASSWORD" <<'SQL'
CREATE ROLE replica LOGIN REPLICATION PASSWORD :'replica';
CREATE ROLE gateway LOGIN PASSWORD :'gateway';
CREATE DATABASE gateway OWNER gateway TEMPLATE template0 ENCODING 'UTF8';
ALTER SYSTEM SET synchronous_standby_names = 'FIRST 1 (db1, db2)';
SQL
echo "host replication replica samenet scram-sha-256" >>"$PGDATA/pg_hba.conf"
ROLES
fi
exec docker-entrypoint.sh postgres "${options[@]}"
