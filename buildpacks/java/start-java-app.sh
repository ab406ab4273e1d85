#!/bin/sh
# Starts the app that the build laid out; the default web process. The frameworks' own variables for the port get the platform's, unless the
# app has set them (SERVER_PORT is 5000 in the image, for apps that start Spring Boot themselves).
set -f
: "${PORT:=5000}"
[ "${SERVER_PORT:-5000}" != 5000 ] || SERVER_PORT=$PORT
: "${QUARKUS_HTTP_PORT:=$PORT}" "${MICRONAUT_SERVER_PORT:=$PORT}"
export PORT SERVER_PORT QUARKUS_HTTP_PORT MICRONAUT_SERVER_PORT
# shellcheck disable=SC2086 # JAVA_OPTS is a list of words
exec java $JAVA_OPTS @/opt/berth/java-app/launch "$@"
