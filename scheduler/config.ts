// The scheduler's configuration, read once at start. See the variables' descriptions below.
import { hostname } from 'node:os';
import { integer, readConfig, text } from '@berth/kit/config.ts';

export interface SchedulerConfig {
  controllerSocket: string;
  redisUrl: string | undefined;
  holder: string;
  memoryPercent: number;
}

export function loadConfig(): SchedulerConfig {
  const values = readConfig({
    BERTH_CONTROLLER_SOCKET: text("unix socket of the controller's internal API"),
    BERTH_INSTANCE: text('short id of this platform', 'berth'),
    REDIS_URL: text('Redis, redis://… or unix:///path; empty: work without wake-ups from the queue', ''),
    BERTH_SCHEDULER_MEMORY_PERCENT: integer(
      "share of a host's memory that instances may reserve; above 100 trusts that not all use their limit",
      10,
      1000,
      90,
    ),
  });
  return {
    controllerSocket: values.BERTH_CONTROLLER_SOCKET,
    redisUrl: values.REDIS_URL === '' ? undefined : values.REDIS_URL,
    // stable over restarts: a scheduler that comes back takes its own lease at once, under a new epoch
    holder: `${hostname()}/${values.BERTH_INSTANCE}`,
    memoryPercent: values.BERTH_SCHEDULER_MEMORY_PERCENT,
  };
}
