// What the git receiver reads from its environment. The only file of the part that does.
import { integer, readConfig, text } from '@berth/kit/config.ts';

const gib = 1024 ** 3;

export interface ReceiverLimits {
  /** Bytes of one push's pack, and of an unpacked request body. */
  pushMaxBytes: number;
  treeMaxFiles: number;
  treeMaxBytes: number;
  /** A push to the deploy branch is refused when the disk has less free. */
  leastFreeBytes: number;
}

export interface ReceiverConfig extends ReceiverLimits {
  socketPath: string;
  controllerSocket: string;
  /** Holds one bare repository an app: `<appId>.git`. */
  repositories: string;
  logLevel: string;
}

export function readReceiverConfig(env?: Record<string, string | undefined>): ReceiverConfig {
  const values = readConfig(
    {
      BERTH_GIT_SOCKET: text('unix socket the git receiver listens on'),
      BERTH_CONTROLLER_SOCKET: text("the controller's internal unix socket"),
      BERTH_DATA: text('data folder of the platform'),
      BERTH_LOG_LEVEL: text('pino log level', 'info'),
      BERTH_PUSH_MAX_BYTES: integer('largest push in bytes', 1024, 64 * gib, gib / 2),
      BERTH_TREE_MAX_FILES: integer('most files in a pushed tree', 1, 100_000_000, 200_000),
      BERTH_TREE_MAX_BYTES: integer('most bytes in a pushed tree', 1024, 1024 * gib, 2 * gib),
      BERTH_PUSH_LEAST_FREE_BYTES: integer(
        'free bytes on the disk below which pushes are refused',
        0,
        1024 ** 2 * gib,
        gib / 8,
      ),
    },
    env,
  );
  return {
    socketPath: values.BERTH_GIT_SOCKET,
    controllerSocket: values.BERTH_CONTROLLER_SOCKET,
    repositories: `${values.BERTH_DATA}/git`,
    logLevel: values.BERTH_LOG_LEVEL,
    pushMaxBytes: values.BERTH_PUSH_MAX_BYTES,
    treeMaxFiles: values.BERTH_TREE_MAX_FILES,
    treeMaxBytes: values.BERTH_TREE_MAX_BYTES,
    leastFreeBytes: values.BERTH_PUSH_LEAST_FREE_BYTES,
  };
}
