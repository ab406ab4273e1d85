// Shapes of instances and pods: what the API shows, what a host agent is told (pod) and what it reports (observed).
import { type Static, Type } from '@sinclair/typebox';
import { Id, ImageId, ProcessType, Timestamp } from './names.ts';

/**
 * pending: row written by the scheduler, no host has seen it. starting: the agent starts it, not ready yet. ready: passed its readiness check.
 * crashed: exited by itself; the agent restarts it after a back-off (`restarts` counts). unhealthy: runs but stopped answering.
 * stopped: ended because it was told to, or a one-off that ended (`exitCode`). lost: its host is gone.
 * All but pending and lost are set by the host agent's reports.
 */
export const InstanceState = Type.Union([
  Type.Literal('pending'),
  Type.Literal('starting'),
  Type.Literal('ready'),
  Type.Literal('crashed'),
  Type.Literal('stopped'),
  Type.Literal('lost'),
]);
export type InstanceState = Static<typeof InstanceState>;

export const Instance = Type.Object(
  {
    id: Id,
    name: Type.String({ description: 'process type and slot: web.1' }),
    processType: ProcessType,
    slot: Type.Integer(),
    release: Type.Integer(),
    state: InstanceState,
    stopping: Type.Boolean(),
    host: Type.Union([Type.String(), Type.Null()]),
    restarts: Type.Integer(),
    message: Type.Union([Type.String(), Type.Null()]),
    since: Timestamp,
  },
  { $id: 'Instance' },
);
export type Instance = Static<typeof Instance>;

/** How the agent finds out that an instance is ready. */
export const Readiness = Type.Union([
  Type.Object({
    kind: Type.Literal('port'),
    port: Type.Integer(),
    httpPath: Type.Union([Type.String(), Type.Null()], {
      description: 'GET it and want 2xx or 3xx; null: a TCP connect is enough',
    }),
    timeoutSeconds: Type.Number({ description: 'not ready by then: the start has failed' }),
    checkPort: Type.Optional(
      Type.Integer({ description: 'what is asked, when it is not the port that is served' }),
    ),
    attemptSeconds: Type.Optional(Type.Number({ description: 'one attempt may take this long' })),
  }),
  Type.Object({
    kind: Type.Literal('running'),
    stableMs: Type.Integer({ description: 'ready when it has run this long' }),
  }),
  Type.Object({
    kind: Type.Literal('exit'),
    timeoutSeconds: Type.Integer({ description: 'a one-off: runs to its end, killed after this' }),
  }),
]);
export type Readiness = Static<typeof Readiness>;

/** One pod a host must run: a line of the host's desired set. Carries config vars, so it lives on tmpfs or 0600 and never in a log. */
export const Pod = Type.Object({
  id: Id,
  appId: Id,
  app: Type.String(),
  name: Type.String(),
  processType: Type.String(),
  release: Type.Integer(),
  image: ImageId,
  command: Type.Array(Type.String(), { description: 'argv; empty is what the image itself runs' }),
  env: Type.Record(Type.String(), Type.String()),
  user: Type.String(),
  memoryMb: Type.Integer(),
  cpuShares: Type.Integer(),
  pids: Type.Integer(),
  readiness: Readiness,
  graceSeconds: Type.Integer({ description: 'between SIGTERM and SIGKILL' }),
  desired: Type.Union([Type.Literal('running'), Type.Literal('stopped')]),
  oneOff: Type.Union([
    Type.Null(),
    Type.Object({ attach: Type.Boolean(), tty: Type.Boolean(), rows: Type.Integer(), cols: Type.Integer() }),
  ]),
});
export type Pod = Static<typeof Pod>;

/** `GET /internal/hosts/:id/desired`: NDJSON; the first line is full, later ones are deltas. */
export type DesiredUpdate =
  | { revision: number; full: true; pods: Pod[] }
  | { revision: number; full?: false; set: Pod[]; remove: string[] };

export const ObservedInstance = Type.Object({
  id: Id,
  state: InstanceState,
  address: Type.Union([Type.String(), Type.Null()]),
  port: Type.Union([Type.Integer(), Type.Null()]),
  container: Type.Union([Type.String(), Type.Null()]),
  restarts: Type.Integer({ description: 'crashes of this instance so far' }),
  exitCode: Type.Union([Type.Integer(), Type.Null()]),
  /** For the user, one line: "exited with code 1", "listens on 127.0.0.1:3000; must listen on 0.0.0.0:5000 (PORT)". */
  message: Type.Union([Type.String(), Type.Null()]),
  /** Why a start can never work; the scheduler fails the deployment at once. */
  fatal: Type.Union([
    Type.Null(),
    Type.Literal('image_missing'),
    Type.Literal('command_not_found'),
    Type.Literal('boot_timeout'),
    Type.Literal('wrong_port'),
    Type.Literal('memory'),
    Type.Literal('other'),
  ]),
  /** The last lines it printed, when it crashed or failed to start (at most 4 KiB). */
  tail: Type.Union([Type.String(), Type.Null()]),
});
export type ObservedInstance = Static<typeof ObservedInstance>;

/** `POST /internal/hosts/:id/observed`: changes since the last report, all of them after (re)connecting; empty each 2 s as heartbeat. */
export const ObservedReport = Type.Object({
  session: Type.String(),
  full: Type.Boolean(),
  instances: Type.Array(ObservedInstance),
});
export type ObservedReport = Static<typeof ObservedReport>;

export const RegisterHost = Type.Object({
  name: Type.String(),
  session: Type.String({
    description: 'new at each start of the agent; an older session is told 409 stale_epoch',
  }),
  memoryMb: Type.Integer(),
  cpus: Type.Integer(),
  /** Unix socket where this agent serves logs and attach (one machine for now). */
  agentSocket: Type.String(),
});
export type RegisterHost = Static<typeof RegisterHost>;
export const RegisteredHost = Type.Object({ hostId: Id });
