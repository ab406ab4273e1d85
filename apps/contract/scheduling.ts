// What the scheduler reads and writes. It reads one app's state at a time, plans, and applies actions in one fenced transaction.
import { type Static, Type } from '@sinclair/typebox';
import { InstanceState } from './instance.ts';
import { Id } from './names.ts';
import { DeploymentState } from './release.ts';

/** `POST /internal/leases/:name`: takes or renews; `epoch` null = take. 409 conflict while another holder's lease is live. */
export const TakeLease = Type.Object({
  holder: Type.String(),
  epoch: Type.Union([Type.Integer(), Type.Null()]),
  ttlMs: Type.Integer(),
});
export const Lease = Type.Object({ epoch: Type.Integer(), ttlMs: Type.Integer() });

export const SchedulerInstance = Type.Object({
  id: Id,
  releaseId: Id,
  gen: Type.Integer({ description: 'the deployment generation it belongs to' }),
  processType: Type.String(),
  slot: Type.Integer(),
  hostId: Type.Union([Id, Type.Null()]),
  desired: Type.Union([Type.Literal('running'), Type.Literal('stopped')]),
  state: InstanceState,
  oneOff: Type.Boolean({ description: 'a `berth run` or a release phase' }),
  routed: Type.Boolean(),
  /** Route table version that removed it, null while routed or never routed. */
  unroutedVersion: Type.Union([Type.Integer(), Type.Null()]),
  unroutedMsAgo: Type.Union([Type.Integer(), Type.Null()]),
  /** Requests that routers still have open to it after it was unrouted; null = not known. */
  inFlight: Type.Union([Type.Integer(), Type.Null()]),
  restarts: Type.Integer(),
  exitCode: Type.Union([Type.Integer(), Type.Null()]),
  fatal: Type.Union([Type.String(), Type.Null()]),
  message: Type.Union([Type.String(), Type.Null()]),
  tail: Type.Union([Type.String(), Type.Null()]),
  createdMsAgo: Type.Integer(),
  memoryMb: Type.Integer(),
});
export type SchedulerInstance = Static<typeof SchedulerInstance>;

export const SchedulerHost = Type.Object({
  id: Id,
  name: Type.String(),
  /** ready: heard of within 6 s. suspect: within 12 s. lost: longer. */
  state: Type.Union([Type.Literal('ready'), Type.Literal('suspect'), Type.Literal('lost')]),
  memoryMb: Type.Integer(),
  reservedMb: Type.Integer(),
  cpus: Type.Integer(),
  instances: Type.Integer(),
});
export type SchedulerHost = Static<typeof SchedulerHost>;

export const SchedulerRelease = Type.Object({
  id: Id,
  number: Type.Integer(),
  processTypes: Type.Record(Type.String(), Type.String()),
});

/** `GET /internal/scheduler/apps/:id`. */
export const AppState = Type.Object({
  appId: Id,
  app: Type.String(),
  /** Counts every change of the rows below; apply() refuses a plan made from an older one with `conflict`. */
  version: Type.Integer(),
  deleted: Type.Boolean(),
  currentReleaseId: Type.Union([Id, Type.Null()]),
  currentGen: Type.Integer(),
  formation: Type.Array(
    Type.Object({ processType: Type.String(), quantity: Type.Integer(), memoryMb: Type.Integer() }),
  ),
  deployment: Type.Union([
    Type.Null(),
    Type.Object({
      id: Id,
      releaseId: Id,
      gen: Type.Integer(),
      state: DeploymentState,
      ageMs: Type.Integer(),
      stateMs: Type.Integer({ description: 'time in this state' }),
    }),
  ]),
  releases: Type.Array(SchedulerRelease, { description: 'those that the fields here name' }),
  instances: Type.Array(SchedulerInstance),
  hosts: Type.Array(SchedulerHost),
  /** Lowest table version that all live routers have acknowledged; null when no router is connected. */
  routersAcked: Type.Union([Type.Integer(), Type.Null()]),
  routeVersion: Type.Integer(),
});
export type AppState = Static<typeof AppState>;

/** One transaction's worth of decisions, executed in this order. Each is checked again against the row it changes. */
export const Action = Type.Union([
  /** A new instance of the formation, or the release phase (`processType: release`, oneOff). */
  Type.Object({
    kind: Type.Literal('create'),
    releaseId: Id,
    gen: Type.Integer(),
    processType: Type.String(),
    slot: Type.Integer(),
    hostId: Id,
    oneOff: Type.Boolean(),
  }),
  /** A one-off that a user asked for gets its host. */
  Type.Object({ kind: Type.Literal('place'), instanceId: Id, hostId: Id }),
  Type.Object({ kind: Type.Literal('route'), instanceIds: Type.Array(Id) }),
  Type.Object({ kind: Type.Literal('unroute'), instanceIds: Type.Array(Id) }),
  Type.Object({ kind: Type.Literal('stop'), instanceIds: Type.Array(Id) }),
  /** Ended instances leave the tables. */
  Type.Object({ kind: Type.Literal('forget'), instanceIds: Type.Array(Id) }),
  Type.Object({ kind: Type.Literal('lose'), instanceIds: Type.Array(Id) }),
  /** Moves the deployment on; `succeeded` also sets the app's current release and generation. */
  Type.Object({
    kind: Type.Literal('deployment'),
    deploymentId: Id,
    from: DeploymentState,
    to: DeploymentState,
    error: Type.Optional(Type.String()),
    hint: Type.Optional(Type.String()),
    /** For the pusher, one line each, as they stand: "-----> Starting web.1, web.2". */
    output: Type.Optional(Type.Array(Type.String())),
  }),
  /** Lines for the pusher alone. */
  Type.Object({ kind: Type.Literal('output'), deploymentId: Id, lines: Type.Array(Type.String()) }),
]);
export type Action = Static<typeof Action>;

/** `POST /internal/scheduler/apps/:id/apply`: 409 stale_epoch when the lease is not ours any more, 409 conflict when `version` is old. */
export const ApplyActions = Type.Object({
  epoch: Type.Integer(),
  version: Type.Integer(),
  actions: Type.Array(Action),
});
export type ApplyActions = Static<typeof ApplyActions>;
export const Applied = Type.Object({ version: Type.Integer(), routeVersion: Type.Integer() });

/** `GET /internal/events`: NDJSON hints; losing all of them costs time, never truth. Blank lines are keep-alives (every 2 s). */
export type Hint = { kind: 'app'; appId: string } | { kind: 'all' } | { kind: 'build'; buildId: string };

/** `GET /internal/scheduler/apps`: every app that may need work (full pass). */
export const SchedulerApps = Type.Object({ appIds: Type.Array(Id) });
