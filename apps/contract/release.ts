// Shapes of a release and of its deployment. A release is immutable; its deployment has a state.
import { type Static, Type } from '@sinclair/typebox';
import { ProcessTypes } from './build.ts';
import { Id, ImageId, Timestamp } from './names.ts';

/**
 * pending: written with the release. release_phase: the `release` process runs on the new image. starting: new instances start beside the old.
 * Final: succeeded (routers serve the new instances), failed (the old release never left), superseded (a newer deployment took its place).
 */
export const DeploymentState = Type.Union([
  Type.Literal('pending'),
  Type.Literal('release_phase'),
  Type.Literal('starting'),
  Type.Literal('succeeded'),
  Type.Literal('failed'),
  Type.Literal('superseded'),
]);
export type DeploymentState = Static<typeof DeploymentState>;

export const Release = Type.Object(
  {
    number: Type.Integer({ minimum: 1 }),
    current: Type.Boolean(),
    status: DeploymentState,
    description: Type.String({ description: 'what made it: "push 1a2b3c4", "set A, B", "rollback to v3"' }),
    user: Type.String(),
    image: ImageId,
    build: Type.Integer({ description: 'number of the build' }),
    commit: Type.String(),
    processTypes: ProcessTypes,
    configVersion: Type.Integer(),
    error: Type.Union([Type.String(), Type.Null()]),
    createdAt: Timestamp,
  },
  { $id: 'Release' },
);
export type Release = Static<typeof Release>;

/** A release's deployment, or a restart. */
export const DeploymentStatus = Type.Object(
  {
    id: Id,
    state: DeploymentState,
    error: Type.Union([Type.String(), Type.Null()]),
    hint: Type.Union([Type.String(), Type.Null()]),
  },
  { $id: 'Deployment' },
);
export type DeploymentStatus = Static<typeof DeploymentStatus>;

export const RollbackRequest = Type.Object(
  { to: Type.Optional(Type.Integer({ minimum: 1 })) },
  { additionalProperties: false },
);

/** The one field of a `deploys` job. */
export interface DeployJob {
  appId: string;
}

/** One line of an app change followed live: `GET /internal/pushes/:id/output` and `GET /v1/apps/:app/releases/:number/output`. */
export type OutputLine =
  | { seq: number; text: string }
  | {
      end: true;
      ok: boolean;
      code: string;
      message: string;
      hint?: string;
      release: number | null;
      url: string | null;
    };

export const ReleaseMade = Type.Object({ release: Release }, { $id: 'ReleaseMade' });
export type ReleaseMade = Static<typeof ReleaseMade>;
