// The router's configuration, read from its environment once at boot.
import { integer, readConfig, text } from '@berth/kit/config.ts';

export function loadConfig(env?: Record<string, string | undefined>) {
  return readConfig(
    {
      BERTH_HTTP_HOST: text('the address visitors connect to', '127.0.0.1'),
      BERTH_HTTP_PORT: integer('the port visitors connect to', 0, 65_535, 8080),
      BERTH_HTTP_FD: integer('a listening socket inherited instead of host and port; -1: none', -1, 1024, -1),
      BERTH_CONTROLLER_SOCKET: text("the controller's unix socket, source of the route table"),
      BERTH_ROUTER_SOCKET: text(
        "the router's own unix socket for health, logs and figures; none when empty",
        '',
      ),
      BERTH_ROUTER_SNAPSHOT: text('the file that keeps the last route table; none when empty', ''),
      BERTH_ROUTER_LOG: text('the request log file; none when empty', ''),
      BERTH_TRUSTED_PROXIES: text('networks whose X-Forwarded-* headers are believed, comma-separated', ''),
      BERTH_LOG_LEVEL: text('the least level that is logged', 'info'),
    },
    env,
  );
}

export type RouterConfig = ReturnType<typeof loadConfig>;
