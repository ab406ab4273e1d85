// The supervisor: starts PostgreSQL, Redis and the parts in their order, keeps them alive, and stops them in reverse.
// Run by `up` (in the foreground, or detached). Its own death stops the parts and neither the databases nor any app.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Logger } from '@berth/kit/logging.ts';
import { type Platform, passedEnvironment } from './config.ts';
import { holdPort } from './hold-port.ts';
import { rotateLog } from './log-file.ts';
import { type Part, partEnvironment, parts, partsWithDatabase, partsWithRedis } from './parts.ts';
import { postgresPlan, postgresUrl } from './postgres.ts';
import { redisPlan, redisUrl } from './redis.ts';
import { partPlan } from './start-part.ts';
import { type PartStatus, SupervisedPart } from './supervise-part.ts';

/** Logs grow by lines; half a minute bounds how far past its size a file gets. */
const rotateEveryMs = 30_000;

export class Supervisor {
  readonly #platform: Platform;
  readonly #log: Logger;
  readonly #databases: SupervisedPart[];
  readonly #parts: { part: Part; supervised: SupervisedPart }[];
  readonly #heldPort: { fd: number; close(): void } | undefined;
  readonly #rotation: NodeJS.Timeout;

  constructor(platform: Platform, log: Logger) {
    this.#platform = platform;
    this.#log = log;
    this.#databases = [
      ...(platform.databaseUrl === '' ? [new SupervisedPart(postgresPlan(platform), log)] : []),
      ...(platform.redisUrl === '' ? [new SupervisedPart(redisPlan(platform), log)] : []),
    ];
    this.#heldPort = holdPort(platform.httpHost, platform.httpPort);
    this.#parts = parts.map((part) => ({ part, supervised: this.#supervise(part) }));
    this.#rotation = setInterval(() => this.#rotateLogs(), rotateEveryMs).unref();
  }

  /** Resolves when everything serves; while one part cannot start it waits, and status says which. */
  async start(): Promise<void> {
    const first = [...this.#databases, ...this.#stage(0)].map((one) => one.start());
    await Promise.all(first);
    await Promise.all(this.#stage(1).map((one) => one.start()));
    await Promise.all(this.#stage(2).map((one) => one.start()));
  }

  status(): PartStatus[] {
    return [...this.#databases, ...this.#parts.map(({ supervised }) => supervised)].map((one) =>
      one.status(),
    );
  }

  /** Stops the parts that make or change things; the engine and the databases go on. */
  async stopControlPlane(): Promise<void> {
    await Promise.all(this.#stage(2).map((one) => one.stop()));
    await Promise.all(this.#stage(1).map((one) => one.stop()));
  }

  /** Stops all that is left. Containers of apps live on. */
  async stopRest(): Promise<void> {
    clearInterval(this.#rotation);
    await this.stopControlPlane();
    await Promise.all(this.#stage(0).map((one) => one.stop()));
    await Promise.all(this.#databases.map((one) => one.stop()));
    this.#heldPort?.close();
  }

  #stage(stage: Part['stage']): SupervisedPart[] {
    return this.#parts.filter(({ part }) => part.stage === stage).map(({ supervised }) => supervised);
  }

  #supervise(part: Part): SupervisedPart {
    const fd = part.name === 'router' ? this.#heldPort?.fd : undefined;
    return new SupervisedPart(partPlan(part, this.#platform, this.#environmentOf(part), fd), this.#log);
  }

  #environmentOf(part: Part): Record<string, string> {
    const platform = this.#platform;
    const database = platform.databaseUrl || postgresUrl(platform);
    const redis = platform.redisUrl || redisUrl(platform);
    return {
      ...passedEnvironment(),
      ...partEnvironment(platform),
      ...(partsWithDatabase.includes(part.name) ? { DATABASE_URL: database } : {}),
      ...(partsWithRedis.includes(part.name) ? { REDIS_URL: redis } : {}),
    };
  }

  #rotateLogs(): void {
    const names = [...this.status().map(({ name }) => name), 'supervisor'];
    for (const name of names) {
      const path = join(this.#platform.logDir, `${name}.log`);
      if (existsSync(path) && rotateLog(path)) this.#log.info({ log: path }, 'log rotated');
    }
  }
}
