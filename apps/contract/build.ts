// Shapes of a build: what the API shows, what the builder is given and what it reports.
import { type Static, Type } from '@sinclair/typebox';
import { ReleaseManifest } from './manifest.ts';
import { Id, ImageId, Oid, Timestamp } from './names.ts';

/** pending: row written by the controller. running: a builder holds it (its epoch). The rest is final. */
export const BuildStatus = Type.Union([
  Type.Literal('pending'),
  Type.Literal('running'),
  Type.Literal('succeeded'),
  Type.Literal('failed'),
  Type.Literal('canceled'),
  Type.Literal('superseded'),
]);
export type BuildStatus = Static<typeof BuildStatus>;

/** Commands by process type, as the Procfile or the plan gives them; run by `/bin/sh -c`. "" is what the image itself runs. */
export const ProcessTypes = Type.Record(Type.String(), Type.String());
export type ProcessTypes = Static<typeof ProcessTypes>;

export const BuildStep = Type.Object({ name: Type.String(), seconds: Type.Number(), cached: Type.Boolean() });
export type BuildStep = Static<typeof BuildStep>;

/** What made a build: a git push, the working folder (`berth deploy`), a finished image (`deploy --image`), a new base under an old image. */
export const BuildTrigger = Type.Union([
  Type.Literal('push'),
  Type.Literal('deploy'),
  Type.Literal('image'),
  Type.Literal('rebase'),
]);
export type BuildTrigger = Static<typeof BuildTrigger>;

/** How an app is built, beyond what its tree says: set by its users, in force from the next push on. */
export const BuildSettings = Type.Object({
  buildpacks: Type.Array(Type.String(), {
    description: 'names, URLs or folders, in order; none: what the tree says, or detection',
  }),
  stack: Type.Union([Type.String(), Type.Null()], {
    description: 'name of a stack, or "cnb:IMAGE" for a Cloud Native builder; null: the default',
  }),
});
export type BuildSettings = Static<typeof BuildSettings>;

export const Buildpacks = Type.Object({ buildpacks: Type.Array(Type.String()) }, { $id: 'Buildpacks' });
export type Buildpacks = Static<typeof Buildpacks>;
export const BuildpacksChange = Type.Object(
  {
    buildpacks: Type.Array(Type.String({ maxLength: 1000 }), { maxItems: 100 }),
    replaces: Type.Optional(
      Type.Array(Type.String(), {
        description: 'the list this one takes the place of; another one is answered `conflict`',
      }),
    ),
  },
  { additionalProperties: false },
);

export const Stack = Type.Object(
  {
    stack: Type.Union([Type.String(), Type.Null()], { description: 'as it was set; null: the default' }),
    default: Type.String(),
    available: Type.Array(Type.String()),
  },
  { $id: 'Stack' },
);
export type Stack = Static<typeof Stack>;
export const StackChange = Type.Object(
  { stack: Type.Union([Type.String({ maxLength: 1000 }), Type.Null()]) },
  { additionalProperties: false },
);

export const Detected = Type.Object({
  driver: Type.String({ description: '"node", "node+python", "dockerfile", "classic", "cnb"' }),
  label: Type.String({ description: '"Node.js"' }),
  why: Type.String({ description: '"package.json at the root", "set on the app"' }),
});
export type Detected = Static<typeof Detected>;

/** A layer of the image, bottom first. */
export const BuildLayer = Type.Object({
  name: Type.String({ description: '"stack", "runtime", "dependencies", "source", "output"' }),
  diffId: Type.String(),
  sizeBytes: Type.Integer({ description: 'uncompressed' }),
  cached: Type.Optional(Type.Boolean({ description: 'it was there already; absent: not known' })),
  seconds: Type.Optional(Type.Number()),
});
export type BuildLayer = Static<typeof BuildLayer>;

export const Build = Type.Object(
  {
    number: Type.Integer({ description: 'counts up from 1 within the app' }),
    status: BuildStatus,
    commit: Type.Union([Oid, Type.Null()], { description: 'null: a finished image was deployed' }),
    tree: Type.Union([Oid, Type.Null()]),
    image: Type.Union([ImageId, Type.Null()]),
    language: Type.Union([Type.String(), Type.Null()], { description: 'what was detected' }),
    trigger: BuildTrigger,
    detected: Type.Union([Detected, Type.Null()], {
      description: 'what builds it, and why; null until it has',
    }),
    details: Type.Array(Type.String(), { description: 'versions that were chosen, and who asked for them' }),
    warnings: Type.Array(Type.String()),
    layers: Type.Array(BuildLayer, { description: 'of the image, bottom first' }),
    sizeBytes: Type.Union([Type.Integer(), Type.Null()], { description: 'of all layers, uncompressed' }),
    settings: BuildSettings,
    noCache: Type.Boolean({ description: 'nothing made earlier was taken' }),
    release: Type.Union([Type.Integer(), Type.Null()], { description: 'the first release of its image' }),
    reused: Type.Boolean({ description: 'an earlier image of the same tree was taken' }),
    steps: Type.Array(BuildStep, { description: 'some run side by side: their times are no sum' }),
    error: Type.Union([Type.String(), Type.Null()]),
    user: Type.String(),
    createdAt: Timestamp,
    startedAt: Type.Union([Timestamp, Type.Null()], { description: 'a builder took it' }),
    finishedAt: Type.Union([Timestamp, Type.Null()]),
  },
  { $id: 'Build' },
);
export type Build = Static<typeof Build>;

/** The one field of a `builds` job: jobs carry ids and nothing else. */
export interface BuildJob {
  buildId: string;
}

export const BuildResult = Type.Object({
  key: Type.String({ description: 'digest of tree id and build configuration' }),
  image: ImageId,
  language: Type.String(),
  processTypes: ProcessTypes,
  port: Type.Integer({ description: 'the port a web process is told in PORT' }),
  user: Type.String({ description: 'the user that processes run as; "" is what the image says' }),
  reused: Type.Boolean(),
  steps: Type.Array(BuildStep),
  warnings: Type.Array(Type.String()),
  detected: Detected,
  details: Type.Array(Type.String(), { description: 'what was chosen: "Node.js 24.21.0 (engines.node)"' }),
  layers: Type.Array(BuildLayer),
  manifest: Type.Optional(ReleaseManifest),
  pinned: Type.Optional(
    Type.String({ description: 'the deployed image by its digest: "nginx:1.27@sha256:…", or its id' }),
  ),
  unchanged: Type.Optional(Type.Boolean({ description: 'the current release has this image: none is made' })),
  rebasedOnto: Type.Optional(Type.String({ description: 'the stack that a rebase put the image on' })),
});
export type BuildResult = Static<typeof BuildResult>;

/** A finished image that is to be released as it is. */
export const ImageRequest = Type.Object({
  reference: Type.String(),
  force: Type.Boolean({ description: 'a release even when the current one has the same image' }),
});
export type ImageRequest = Static<typeof ImageRequest>;

/** `POST /internal/builds/:id/start`: the builder takes the build; the answer is all it needs. A finished build answers 409 `conflict`. */
export const StartBuild = Type.Object({ worker: Type.String() });
export const StartedBuild = Type.Object({
  id: Id,
  number: Type.Integer(),
  epoch: Type.Integer({
    description: 'every later report must carry it; an older one is answered `stale_epoch`',
  }),
  appId: Id,
  appName: Type.String(),
  commit: Oid,
  tree: Oid,
  repository: Type.String({ description: 'absolute path of the bare repository' }),
  objectDirectories: Type.Array(Type.String(), { description: 'quarantined objects to read beside it' }),
  buildVars: Type.Record(Type.String(), Type.String(), { description: 'the config vars: secret' }),
  settings: BuildSettings,
  rebase: Type.Optional(
    Type.Object(
      { result: BuildResult },
      { description: 'only its image gets another stack; no tree is built' },
    ),
  ),
  image: Type.Optional(
    Type.Object(
      {
        ...ImageRequest.properties,
        current: Type.Union([ImageId, Type.Null()], { description: "the current release's" }),
        mayTakeAny: Type.Boolean({ description: 'an admin asks: every image that the engine has' }),
        own: Type.Array(ImageId, {
          description: "images of the user's apps: others on the engine are not theirs",
        }),
      },
      { description: 'only this image is looked at; no tree is built' },
    ),
  ),
  noCache: Type.Optional(Type.Boolean({ description: 'take nothing of the app that was made earlier' })),
  unsetVars: Type.Optional(
    Type.Array(Type.String(), { description: 'config vars that a user has unset: no manifest sets them' }),
  ),
});
export type StartedBuild = Static<typeof StartedBuild>;

/** `POST /internal/builds/:id/output`: text to append (whole lines); the answer says whether to stop. Also the heartbeat (empty text). */
export const BuildOutput = Type.Object({ epoch: Type.Integer(), text: Type.String() });
export const BuildOutputAnswer = Type.Object({ canceled: Type.Boolean() });

/** `GET /internal/builds/by-key?app=&key=`: the newest successful build of the app with this key, or 404. */
export const KnownBuild = Type.Object({ number: Type.Integer(), result: Type.Unknown() });

/** Config vars that the manifest gives a value, or that the builder has generated: set unless the app has them. Secret: no row keeps them in the clear. */
export const NewVars = Type.Record(Type.String(), Type.String());

/** `POST /internal/builds/:id/finish`: ends the build; success creates the release and its deployment in the same transaction. */
export const FinishBuild = Type.Union([
  Type.Object({
    epoch: Type.Integer(),
    status: Type.Literal('succeeded'),
    result: BuildResult,
    newVars: Type.Optional(NewVars),
  }),
  Type.Object({
    epoch: Type.Integer(),
    status: Type.Literal('failed'),
    error: Type.String({ description: 'one line for the user' }),
    hint: Type.Optional(Type.String()),
    steps: Type.Optional(Type.Array(BuildStep)),
  }),
  Type.Object({ epoch: Type.Integer(), status: Type.Literal('canceled') }),
]);
export type FinishBuild = Static<typeof FinishBuild>;

/** `POST /internal/builds/requeue`: a builder that starts gives back what an earlier life of it left running. */
export const RequeueBuilds = Type.Object({ worker: Type.String() });

/** `POST /internal/builds/:id/durable`: the image of a finished build would survive a power loss; its push may be acknowledged. */
export const BuildDurable = Type.Object({ epoch: Type.Integer() });

/** `GET /internal/images`: the images that must stay; the builder has the engine drop the others now and then. */
export const ImagesToKeep = Type.Object({ images: Type.Array(ImageId) });
export type ImagesToKeep = Static<typeof ImagesToKeep>;
