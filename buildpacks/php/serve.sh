#!/bin/bash
# Serves a PHP app on PORT: php-fpm behind nginx, or behind Apache when started as heroku-php-apache2. The default web process of PHP apps.
#   heroku-php-nginx|heroku-php-apache2 [-C server.conf] [-F fpm.conf] [-i php.ini] [-p port] [document root]
# Both servers log to stderr. SIGTERM: the web server ends the requests under way, then php-fpm ends. When one of them dies, so does the other.
set -u

usage() {
  echo "usage: ${0##*/} [-C server.conf] [-F fpm.conf] [-i php.ini] [-p port] [document root]" >&2
  exit 2
}

server=nginx
case ${0##*/} in *apache2) server=apache2 ;; esac
server_part='' fpm_part='' php_ini='' port=${PORT:-5000}
while getopts 'C:F:i:p:l:vh' option; do
  case $option in
    C) server_part=$OPTARG ;;
    F) fpm_part=$OPTARG ;;
    i) php_ini=$OPTARG ;;
    p) port=$OPTARG ;;
    l | v) ;;
    *) usage ;;
  esac
done
shift $((OPTIND - 1))
root=$(realpath -- "${1:-.}") || exit 1
[ -d "$root" ] || { echo "the document root \"${1:-.}\" is not there" >&2; exit 1; }
for part in "$server_part" "$fpm_part" "$php_ini"; do
  [ -z "$part" ] || [ -f "$part" ] || { echo "\"$part\" is not there" >&2; exit 1; }
done
[[ $port =~ ^[0-9]+$ ]] || { echo "PORT is \"$port\", which is no number" >&2; exit 1; }
case $root in *[\"\;\{\}\$]* | *$'\n'*) echo "the document root has a character that a server's settings cannot have" >&2; exit 1 ;; esac

run=$(mktemp -d /tmp/berth-php.XXXXXX)
# A pipe of our own user: servers open their log by its name, which they may not with the container's.
exec 2> >(exec cat >&2)

{
  printf '[global]\nerror_log = /proc/self/fd/2\nlog_level = warning\ndaemonize = no\n'
  printf '[www]\nlisten = %s/fpm.sock\npm = dynamic\n' "$run"
  printf 'pm.max_children = %d\npm.start_servers = 1\npm.min_spare_servers = 1\npm.max_spare_servers = 2\n' "${WEB_CONCURRENCY:-5}"
  printf 'clear_env = no\ncatch_workers_output = yes\ndecorate_workers_output = no\nphp_value[error_log] = /proc/self/fd/2\n'
  [ -z "$fpm_part" ] || cat -- "$fpm_part"
} > "$run/fpm.conf"

nginx_settings() {
  cat << END
worker_processes 1;
pid $run/nginx.pid;
error_log stderr warn;
events { worker_connections 1024; }
http {
  include /etc/nginx/mime.types;
  default_type application/octet-stream;
  access_log off;
  log_not_found off;
  server_tokens off;
  sendfile on;
  gzip on;
  gzip_types text/css application/javascript application/json image/svg+xml;
  client_max_body_size 100m;
  client_body_temp_path $run/body;
  fastcgi_temp_path $run/fastcgi;
  proxy_temp_path $run/proxy;
  scgi_temp_path $run/scgi;
  uwsgi_temp_path $run/uwsgi;
  map \$http_x_forwarded_proto \$berth_https { default ''; https on; }
  upstream php { server unix:$run/fpm.sock; }
  upstream heroku-fcgi { server unix:$run/fpm.sock; }
  server {
    listen $port default_server;
    root "$root";
    index index.php index.html index.htm;
    absolute_redirect off;
END
  if [ -n "$server_part" ]; then
    printf '    include "%s";\n' "$(realpath -- "$server_part")"
  elif [ -n "${BERTH_PHP_FRONT_CONTROLLER:-}" ]; then
    # shellcheck disable=SC2016
    echo '    location / { try_files $uri $uri/ /index.php$is_args$args; }'
  fi
  cat << 'END'
    location ~ /\.(?!well-known/) { return 404; }
    location ~ ^/(composer\.(json|lock)|Procfile|app\.json|berth\.toml)$ { return 404; }
    location ~ \.php(/|$) {
      fastcgi_split_path_info ^(.+?\.php)(/.*)$;
      if (!-f $document_root$fastcgi_script_name) { return 404; }
      include /etc/nginx/fastcgi_params;
      fastcgi_param SCRIPT_FILENAME $document_root$fastcgi_script_name;
      fastcgi_param PATH_INFO $fastcgi_path_info;
      fastcgi_param HTTPS $berth_https if_not_empty;
      fastcgi_param HTTP_PROXY "";
      fastcgi_read_timeout 600s;
      fastcgi_pass php;
    }
  }
}
END
}

apache_settings() {
  local module
  for module in mpm_event authn_core authn_file authz_core authz_host authz_user auth_basic alias autoindex deflate dir env expires filter headers \
    mime negotiation proxy proxy_fcgi remoteip rewrite setenvif; do
    echo "LoadModule ${module}_module /usr/lib/apache2/modules/mod_$module.so"
  done
  cat << END
DefaultRuntimeDir $run
PidFile $run/apache.pid
ErrorLog /proc/self/fd/2
LogLevel warn
ServerName localhost
ServerTokens Prod
Listen $port
TypesConfig /etc/mime.types
DocumentRoot "$root"
DirectoryIndex index.php index.html index.htm
SetEnvIf X-Forwarded-Proto https HTTPS=on
SetEnvIf Authorization "(.+)" HTTP_AUTHORIZATION=\$1
RequestHeader unset Proxy
<Directory />
  Require all denied
</Directory>
<Directory "$root">
  Options FollowSymLinks
  AllowOverride All
  Require all granted
</Directory>
<FilesMatch "^\.(?!well-known)|^composer\.(json|lock)\$|^Procfile\$">
  Require all denied
</FilesMatch>
<FilesMatch "\.php\$">
  <If "-f %{REQUEST_FILENAME}">
    SetHandler "proxy:unix:$run/fpm.sock|fcgi://localhost"
  </If>
</FilesMatch>
END
  [ -z "$server_part" ] || printf 'Include "%s"\n' "$(realpath -- "$server_part")"
}

set -- /usr/sbin/php-fpm8.4 --nodaemonize --fpm-config "$run/fpm.conf"
[ -z "$php_ini" ] || set -- "$@" --php-ini "$php_ini"
"$@" &
fpm=$!
# The first request must find it: without the socket the web server answers 502. Five seconds are enough for any start.
for _ in $(seq 100); do
  [ -S "$run/fpm.sock" ] && break
  kill -0 "$fpm" 2> /dev/null || break
  sleep 0.05
done

if [ "$server" = apache2 ]; then
  [ -x /usr/sbin/apache2 ] || { echo 'Apache is not in the image: name heroku-php-apache2 in the Procfile and push again' >&2; kill "$fpm"; exit 1; }
  apache_settings > "$run/apache.conf"
  /usr/sbin/apache2 -DFOREGROUND -f "$run/apache.conf" &
  graceful=WINCH
else
  nginx_settings > "$run/nginx.conf"
  /usr/sbin/nginx -e stderr -c "$run/nginx.conf" -g 'daemon off;' &
  graceful=QUIT
fi
web=$!

stopping=''
trap 'stopping=1; kill -$graceful "$web"' TERM INT
wait -n "$web" "$fpm"
code=$?
if [ -n "$stopping" ]; then
  wait "$web"
  kill -QUIT "$fpm"
  wait "$fpm"
  rm -rf "$run"
  exit 0
fi
kill "$web" "$fpm" 2> /dev/null
wait "$web" "$fpm"
rm -rf "$run"
[ "$code" -ne 0 ] || code=1
exit "$code"
