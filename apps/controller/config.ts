// The controller's settings, read once at start.
import { integer, readConfig, text } from '@berth/kit/config.ts';

export function controllerConfig() {
  return readConfig({
    BERTH_DATA: text('the data folder'),
    BERTH_RUN: text('the run folder'),
    BERTH_DOMAIN: text('apps are served at NAME.<domain>', 'localhost'),
    BERTH_HTTP_PORT: integer('port of the router, for URLs', 1, 65_535, 8080),
    BERTH_API_HOST: text('address the API listens on', '127.0.0.1'),
    BERTH_API_PORT: integer('port of the API and git', 1, 65_535, 7070),
    BERTH_PUBLIC_API_URL: text('how users reach the API', 'http://127.0.0.1:7070'),
    BERTH_CONTROLLER_SOCKET: text('unix socket for the other parts'),
    BERTH_GIT_SOCKET: text('unix socket of the git receiver'),
    BERTH_ENGINE_SOCKET: text('unix socket of the engine, for documents about images'),
    BERTH_ROUTER_SOCKET: text('admin socket of the router'),
    BERTH_KEY_FILE: text('file with the key that wraps the config keys (0600)'),
    DATABASE_URL: text('the PostgreSQL database'),
    REDIS_URL: text('the Redis server'),
    BERTH_BOOT_TIMEOUT: integer('seconds a web process may take until it listens', 1, 3600, 60),
    BERTH_RELEASE_TIMEOUT: integer('seconds a release phase may take', 1, 86_400, 3600),
    BERTH_GRACE: integer('seconds between SIGTERM and SIGKILL', 1, 3600, 30),
    BERTH_LOG_LEVEL: text('pino level', 'info'),
  });
}

export type ControllerConfig = ReturnType<typeof controllerConfig>;
