// The proxies that are compared, each with the same hosts, the same backends, one core. Used by run.ts.
// "plain" ones set three forwarding headers and log nothing; "full" ones do what Berth's router always does: request id,
// request start, Via and one log line a request. Must never favour one: buffers, keep-alive and backlog are tuned for all.
import type { ChildProcess } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runCommandOk, startCommand } from '@berth/kit/run-command.ts';

export interface Setup {
  folder: string;
  /** The core for the proxy. */
  core: number;
  backends: number[];
  hosts: number;
}

export interface Contender {
  name: string;
  /** Runs once before the first start. */
  prepare?(setup: Setup): Promise<void>;
  start(setup: Setup, port: number): ChildProcess;
}

function pinned(core: number, ...argv: string[]): ChildProcess {
  return startCommand(['taskset', '-c', String(core), ...argv], { stdio: ['ignore', 'ignore', 'inherit'] });
}

function nginxConfig({ folder, backends, hosts }: Setup, port: number, isFull: boolean): string {
  const map = Array.from({ length: hosts }, (_, i) => `app${i}.localhost backend${i % backends.length};`);
  const upstreams = backends.map(
    (backend, i) =>
      `upstream backend${i} { server 127.0.0.1:${backend}; keepalive 128; keepalive_requests 1000000000; }`,
  );
  const log = isFull
    ? `log_format logfmt 'at=info method=$request_method path="$request_uri" host=$host request_id=$request_id fwd="$remote_addr" instance=$proxy connect=$upstream_connect_time service=$request_time status=$status bytes=$body_bytes_sent protocol=http';
  access_log ${folder}/nginx-${port}.log logfmt buffer=64k flush=1s;`
    : 'access_log off;';
  const ids = isFull
    ? 'proxy_set_header X-Request-Id $request_id; proxy_set_header X-Request-Start $msec; proxy_set_header Via "1.1 nginx"; add_header Via "1.1 nginx";'
    : '';
  return `daemon off; user root; worker_processes 1; pid ${folder}/nginx-${port}.pid;
error_log stderr crit;
events { worker_connections 8000; }
http {
  ${log}
  keepalive_requests 1000000000; keepalive_timeout 75s; tcp_nodelay on; map_hash_max_size 65536; map_hash_bucket_size 128;
  client_body_temp_path ${folder}/nginx-body; proxy_temp_path ${folder}/nginx-proxy; fastcgi_temp_path ${folder}/nginx-f;
  uwsgi_temp_path ${folder}/nginx-u; scgi_temp_path ${folder}/nginx-s;
  map $host $proxy { ${map.join('\n')} }
  map $http_upgrade $connection_value { default upgrade; '' ''; }
  ${upstreams.join('\n')}
  server {
    listen 127.0.0.1:${port} backlog=4096;
    location / {
      proxy_pass http://$proxy; proxy_http_version 1.1; proxy_buffers 16 64k; proxy_buffer_size 16k; proxy_busy_buffers_size 128k;
      proxy_max_temp_file_size 0; proxy_read_timeout 60s;
      proxy_set_header Host $http_host; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $connection_value;
      proxy_set_header X-Forwarded-For $remote_addr; proxy_set_header X-Forwarded-Proto $scheme; proxy_set_header X-Forwarded-Port $server_port;
      ${ids}
    }
  }
}`;
}

function haproxyConfig({ folder, backends }: Setup, port: number): string {
  const services = backends.map(
    (backend, i) =>
      `backend backend${i}\n  http-reuse always\n  server one 127.0.0.1:${backend} pool-max-conn 256`,
  );
  return `global
  nbthread 1
  maxconn 8000
  tune.maxpollevents 200
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  timeout tunnel 60s
  timeout http-keep-alive 75s
  option http-keep-alive
frontend visitors
  bind 127.0.0.1:${port} backlog 4096
  http-request set-header X-Forwarded-For %[src]
  http-request set-header X-Forwarded-Proto http
  http-request set-header X-Forwarded-Port %[dst_port]
  use_backend %[req.hdr(host),map(${folder}/haproxy.map)]
${services.join('\n')}
`;
}

function nginx(isFull: boolean): Contender {
  return {
    name: isFull ? 'nginx, full' : 'nginx',
    start(setup, port) {
      const path = join(setup.folder, `nginx-${port}.conf`);
      writeFileSync(path, nginxConfig(setup, port, isFull));
      return pinned(setup.core, 'nginx', '-c', path, '-e', 'stderr');
    },
  };
}

const haproxy: Contender = {
  name: 'haproxy',
  start(setup, port) {
    const { folder, hosts, backends } = setup;
    const map = Array.from({ length: hosts }, (_, i) => `app${i}.localhost backend${i % backends.length}\n`);
    writeFileSync(join(folder, 'haproxy.map'), map.join(''));
    const path = join(folder, 'haproxy.cfg');
    writeFileSync(path, haproxyConfig(setup, port));
    return pinned(setup.core, 'haproxy', '-db', '-f', path);
  },
};

const serveRouter = fileURLToPath(new URL('./serve-router.ts', import.meta.url));

const berth: Contender = {
  name: 'berth, full',
  /** Fills the compile cache, which the platform's starts find filled. */
  async prepare({ folder }) {
    const env = { NODE_COMPILE_CACHE: join(folder, 'compile-cache') };
    await runCommandOk([process.execPath, serveRouter, 'load'], { env });
  },
  start({ core, backends, hosts, folder }, port) {
    const log = join(folder, 'berth.log');
    const flags = ['--max-old-space-size=512', '--max-semi-space-size=4']; // as the supervisor starts it
    const argv = [
      process.execPath,
      ...flags,
      serveRouter,
      String(port),
      backends.join(','),
      String(hosts),
      log,
    ];
    return pinned(core, 'env', `NODE_COMPILE_CACHE=${join(folder, 'compile-cache')}`, ...argv);
  },
};

export const contenders: Contender[] = [nginx(false), nginx(true), haproxy, berth];
