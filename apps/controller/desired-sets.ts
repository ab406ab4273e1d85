// What each host must run, streamed to its agent: a full set when it connects, deltas after each change.
// Pods carry config vars in the clear: they leave this process only through the agents' socket.
import type { DesiredUpdate, Pod } from '@berth/contract/instance.ts';
import type { HealthCheck } from '@berth/contract/manifest.ts';
import type { Database } from '@berth/store/database.ts';
import { appById } from '@berth/store/queries/apps.ts';
import { sealedConfig } from '@berth/store/queries/config-versions.ts';
import { type InstanceRow, instanceById, instancesOfHost } from '@berth/store/queries/instances.ts';
import { type ReleaseRow, releaseById } from '@berth/store/queries/releases.ts';
import type { ConfigSealer } from './seal-config.ts';
import { shellCommand } from './shell-command.ts';

export interface PodLimits {
  bootTimeoutSeconds: number;
  releaseTimeoutSeconds: number;
  graceSeconds: number;
}

export interface ChangedInstance {
  id: string;
  hostId: string;
}

/** A one-off that a user started may run this long: a forgotten `berth run` must not hold memory for ever. */
const runTimeoutSeconds = 24 * 3600;
/** A worker counts as up when it has run this long without exiting. */
const workerStableMs = 1000;

export class DesiredSets {
  readonly #db: Database;
  readonly #sealer: ConfigSealer;
  readonly #limits: PodLimits;
  readonly #hosts = new Map<string, (update: DesiredUpdate) => void>();
  #revision = Date.now();
  #chain: Promise<unknown> = Promise.resolve();

  constructor(db: Database, sealer: ConfigSealer, limits: PodLimits) {
    this.#db = db;
    this.#sealer = sealer;
    this.#limits = limits;
  }

  /** An agent subscribes and gets its full set first. Returns how to unsubscribe. */
  async subscribe(hostId: string, send: (update: DesiredUpdate) => void): Promise<() => void> {
    const work = this.#chain.then(async () => {
      const rows = await instancesOfHost(this.#db, hostId);
      send({ revision: ++this.#revision, full: true, pods: await this.#pods(rows) });
      this.#hosts.set(hostId, send);
    });
    this.#chain = work.catch(() => {});
    await work;
    return () => {
      if (this.#hosts.get(hostId) === send) this.#hosts.delete(hostId);
    };
  }

  /** Sends the present state of these instances to their hosts; one that has no row any more is removed there. */
  publish(changed: ChangedInstance[]): Promise<void> {
    const work = this.#chain.then(() => this.#publish(changed));
    this.#chain = work.catch(() => {});
    return work;
  }

  async #publish(changed: ChangedInstance[]): Promise<void> {
    for (const [hostId, group] of Map.groupBy(changed, (entry) => entry.hostId)) {
      const send = this.#hosts.get(hostId);
      if (!send) continue; // the agent is away; it gets the full set when it returns
      const rows = await Promise.all(group.map((entry) => instanceById(this.#db, entry.id)));
      const set = await this.#pods(rows.filter((row) => row !== undefined));
      const remove = group.filter((_, index) => rows[index] === undefined).map((entry) => entry.id);
      send({ revision: ++this.#revision, set, remove });
    }
  }

  async #pods(rows: InstanceRow[]): Promise<Pod[]> {
    const releases = new Map<
      string,
      Promise<{ release: ReleaseRow; vars: Record<string, string>; app: string } | undefined>
    >();
    const pods: Pod[] = [];
    for (const row of rows) {
      const known = releases.get(row.release_id) ?? this.#release(row.release_id);
      releases.set(row.release_id, known);
      const facts = await known;
      if (facts) pods.push(toPod(row, facts.release, facts.app, facts.vars, this.#limits));
    }
    return pods;
  }

  async #release(id: string) {
    const release = await releaseById(this.#db, id);
    if (!release) return undefined;
    const [app, sealed] = await Promise.all([
      appById(this.#db, release.app_id),
      sealedConfig(this.#db, release.app_id, release.config_number),
    ]);
    if (!app) return undefined;
    return { release, app: app.name, vars: sealed ? this.#sealer.open(release.app_id, sealed) : {} };
  }
}

/** The pod of one instance row: pure, so that a test can assert all of it. */
export function toPod(
  row: InstanceRow,
  release: ReleaseRow,
  app: string,
  vars: Record<string, string>,
  limits: PodLimits,
): Pod {
  const name = `${row.process_type}.${row.slot}`;
  const environment = { ...release.manifest.env, ...vars };
  const line = release.process_types[row.process_type] ?? 'exit 127';
  // No line at all: the image's own entrypoint and command (an app with a Dockerfile).
  const command = row.command ?? (line === '' ? [] : shellCommand(line));
  return {
    id: row.id,
    appId: row.app_id,
    app,
    name,
    processType: row.process_type,
    release: release.number,
    image: release.image,
    command,
    env: {
      ...environment,
      PORT: String(release.port),
      BERTH_APP: app,
      BERTH_RELEASE: `v${release.number}`,
      BERTH_PROCESS: name,
      BERTH_INSTANCE: row.id,
    },
    user: release.run_user,
    memoryMb: row.memory_mb,
    cpuShares: 1024,
    pids: 1024,
    readiness: readinessOf(row, release, environment, limits),
    graceSeconds: release.manifest.stopTimeouts?.[row.process_type] ?? limits.graceSeconds,
    desired: row.desired,
    oneOff: row.one_off ? (row.terminal ?? { attach: false, tty: false, rows: 24, cols: 80 }) : null,
  };
}

function readinessOf(
  row: InstanceRow,
  release: ReleaseRow,
  env: Record<string, string>,
  limits: PodLimits,
): Pod['readiness'] {
  if (row.one_off) {
    const phaseSeconds = release.manifest.releaseTimeoutSeconds ?? limits.releaseTimeoutSeconds;
    return {
      kind: 'exit',
      timeoutSeconds: row.process_type === 'release' ? phaseSeconds : runTimeoutSeconds,
    };
  }
  const check: HealthCheck = release.manifest.healthChecks?.[row.process_type] ?? {};
  const isWeb = row.process_type === 'web';
  if (!isWeb && check.port === undefined) return { kind: 'running', stableMs: workerStableMs };
  return {
    kind: 'port',
    port: isWeb ? release.port : (check.port ?? release.port),
    // What an operator sets counts before what the tree says.
    httpPath: (isWeb ? env['BERTH_HEALTH_PATH'] : undefined) ?? check.path ?? null,
    timeoutSeconds: check.graceSeconds ?? limits.bootTimeoutSeconds,
    ...(isWeb && check.port !== undefined && check.port !== release.port ? { checkPort: check.port } : {}),
    ...(check.timeoutSeconds === undefined ? {} : { attemptSeconds: check.timeoutSeconds }),
  };
}
