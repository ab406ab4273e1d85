// What an app may say about itself in berth.toml and app.json, and what of it travels with a release. The schemas of the two files are
// published as they stand here (builder/manifest/*.schema.json, `berth schema`); builder/manifest/README.md is their manual.
import { type Static, Type } from '@sinclair/typebox';
import { configKeyPattern, processTypePattern } from './names.ts';

const Memory = Type.String({
  pattern: '^[1-9][0-9]{0,6}([mM]|[gG])[bB]?$',
  description: 'memory',
  examples: ['512mb', '1gb'],
});
const Duration = Type.String({
  pattern: '^[1-9][0-9]{0,5}(s|m|h)$',
  description: 'a time',
  examples: ['30s', '5m'],
});
const Command = Type.String({
  minLength: 1,
  maxLength: 16_384,
  description: 'a command line for /bin/sh',
  examples: ['node server.js'],
});
const Schedule = Type.String({
  description: 'a cron expression: minute hour day month weekday, in UTC',
  examples: ['*/10 * * * *', '@daily'],
});
const Quantity = Type.Integer({ minimum: 0, maximum: 100, description: 'number of instances' });
const Port = Type.Integer({ minimum: 1, maximum: 65_535, description: 'a TCP port' });
const FolderPath = Type.String({
  pattern: '^[^/\\u0000][^\\u0000]*$',
  maxLength: 1024,
  description: 'a path below the root of the repository',
  examples: ['apps/api'],
});
const ConfigKeys = Type.String({
  pattern: configKeyPattern,
  description: 'the name of a config var',
  examples: ['NPM_TOKEN'],
});
const HttpPath = Type.String({ pattern: '^/[\\x21-\\x7e]*$', description: 'a path', examples: ['/healthz'] });
const Scalar = Type.Union([Type.String(), Type.Number(), Type.Boolean()]);

function closed<T extends Parameters<typeof Type.Object>[0]>(fields: T, description: string) {
  return Type.Object(fields, { additionalProperties: false, description });
}

const Health = closed(
  {
    path: Type.Optional(HttpPath),
    port: Type.Optional(Port),
    timeout: Type.Optional(Duration),
    grace: Type.Optional(Duration),
  },
  'When an instance counts as ready: GET `path` answers 2xx or 3xx, or without a path `port` accepts a connection. `timeout` is for one attempt, `grace` for all of them.',
);

const Process = closed(
  {
    command: Type.Optional(Command),
    quantity: Type.Optional(Quantity),
    memory: Type.Optional(Memory),
    port: Type.Optional(Port),
    stop_timeout: Type.Optional(Duration),
    health: Type.Optional(Health),
  },
  'One process type. `quantity` and `memory` apply when it first appears; `berth ps:scale` has the last word.',
);

const BuildSection = closed(
  {
    builder: Type.Optional(
      Type.Union([Type.Literal('buildpacks'), Type.Literal('dockerfile')], {
        description: 'which of the two builds the app when both could',
      }),
    ),
    buildpacks: Type.Optional(
      Type.Array(Type.String({ minLength: 1 }), { description: 'names or addresses, in order' }),
    ),
    root: Type.Optional(FolderPath),
    dockerfile: Type.Optional(FolderPath),
    target: Type.Optional(Type.String({ minLength: 1, description: 'the stage of the Dockerfile' })),
    args: Type.Optional(
      Type.Record(Type.String({ pattern: configKeyPattern }), Scalar, {
        description: 'build arguments of the Dockerfile',
      }),
    ),
    secrets: Type.Optional(
      Type.Array(ConfigKeys, { description: 'config vars that `RUN --mount=type=secret` sees' }),
    ),
    command: Type.Optional(Command),
    ignore: Type.Optional(
      Type.Array(Type.String({ minLength: 1 }), {
        description: 'paths that are no part of the app, as in .slugignore',
        examples: [['docs', '*.psd']],
      }),
    ),
  },
  'How the image is made.',
);

const VarRequest = closed(
  {
    description: Type.Optional(Type.String()),
    required: Type.Optional(Type.Boolean({ description: 'a push without it is refused' })),
    generator: Type.Optional(Type.Literal('secret', { description: '64 random hex digits, once' })),
  },
  'A config var that is not in the file: asked for, or generated once.',
);

export const BerthToml = Type.Object(
  {
    build: Type.Optional(BuildSection),
    processes: Type.Optional(
      Type.Record(Type.String({ pattern: processTypePattern }), Type.Union([Command, Process]), {
        description: 'a process type: its command, or a table',
      }),
    ),
    cron: Type.Optional(
      Type.Array(
        closed({ schedule: Schedule, command: Command, memory: Type.Optional(Memory) }, 'One regular run.'),
        { maxItems: 50 },
      ),
    ),
    release: Type.Optional(
      closed(
        { command: Command, timeout: Type.Optional(Duration) },
        'Runs on the new image before anything of the release starts; a failure stops the release.',
      ),
    ),
    env: Type.Optional(
      Type.Record(Type.String({ pattern: configKeyPattern }), Type.Union([Scalar, VarRequest]), {
        description: 'environment of the release, below its config vars',
      }),
    ),
  },
  {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'berth.toml',
    additionalProperties: false,
  },
);
export type BerthToml = Static<typeof BerthToml>;

const AppJsonVar = Type.Union([
  Scalar,
  Type.Object({
    description: Type.Optional(Type.String()),
    value: Type.Optional(Scalar),
    required: Type.Optional(Type.Boolean()),
    generator: Type.Optional(Type.Literal('secret')),
  }),
]);

const AppJsonHealthCheck = Type.Object({
  type: Type.Optional(
    Type.Union([Type.Literal('startup'), Type.Literal('readiness'), Type.Literal('liveness')]),
  ),
  name: Type.Optional(Type.String()),
  path: Type.Optional(HttpPath),
  port: Type.Optional(Port),
  timeout: Type.Optional(Type.Number({ minimum: 1, maximum: 60, description: 'seconds' })),
  attempts: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000 })),
  wait: Type.Optional(Type.Number({ minimum: 0, maximum: 600, description: 'seconds' })),
  initialDelay: Type.Optional(Type.Number({ minimum: 0, maximum: 600, description: 'seconds' })),
});

/** The parts of Heroku's app.json, and of Dokku's, that mean something here. Other fields of theirs are about the button and about review apps. */
export const AppJson = Type.Object(
  {
    env: Type.Optional(Type.Record(Type.String({ pattern: configKeyPattern }), AppJsonVar)),
    formation: Type.Optional(
      Type.Record(
        Type.String({ pattern: processTypePattern }),
        Type.Object({ quantity: Type.Optional(Quantity), size: Type.Optional(Type.String()) }),
      ),
    ),
    buildpacks: Type.Optional(Type.Array(Type.Object({ url: Type.String({ minLength: 1 }) }))),
    addons: Type.Optional(Type.Array(Type.Union([Type.String(), Type.Object({ plan: Type.String() })]))),
    scripts: Type.Optional(
      Type.Object({
        postdeploy: Type.Optional(Type.Union([Command, Type.Object({ command: Command })])),
        dokku: Type.Optional(
          Type.Object({ predeploy: Type.Optional(Command), postdeploy: Type.Optional(Command) }),
        ),
      }),
    ),
    healthchecks: Type.Optional(
      Type.Record(Type.String({ pattern: processTypePattern }), Type.Array(AppJsonHealthCheck)),
    ),
    cron: Type.Optional(Type.Array(Type.Object({ schedule: Schedule, command: Command }), { maxItems: 50 })),
  },
  {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'app.json',
    description: 'what the platform reads of it',
  },
);
export type AppJson = Static<typeof AppJson>;

export const HealthCheck = Type.Object({
  path: Type.Optional(Type.String()),
  port: Type.Optional(Type.Integer()),
  timeoutSeconds: Type.Optional(Type.Number({ description: 'one attempt' })),
  graceSeconds: Type.Optional(Type.Number({ description: 'not ready by then: the start has failed' })),
});
export type HealthCheck = Static<typeof HealthCheck>;

export const CronEntry = Type.Object({
  schedule: Type.String(),
  command: Type.String(),
  memoryMb: Type.Optional(Type.Integer()),
});
export type CronEntry = Static<typeof CronEntry>;

/** What a release carries of its manifest, beside image and process types. Names no secret: values come from a commit. */
export const ReleaseManifest = Type.Object({
  formation: Type.Record(
    Type.String(),
    Type.Object({ quantity: Type.Optional(Type.Integer()), memoryMb: Type.Optional(Type.Integer()) }),
    { description: 'for process types that appear for the first time' },
  ),
  healthChecks: Type.Record(Type.String(), HealthCheck),
  stopTimeouts: Type.Record(Type.String(), Type.Integer(), { description: 'seconds' }),
  cron: Type.Array(CronEntry),
  releaseTimeoutSeconds: Type.Optional(Type.Integer()),
  postdeploy: Type.Optional(
    Type.Object({
      first: Type.Optional(Type.String({ description: 'once, after the first deployment of the app' })),
      each: Type.Optional(Type.String({ description: 'after every deployment of a push' })),
    }),
  ),
  env: Type.Record(Type.String(), Type.String(), { description: 'config vars win over it' }),
});
export type ReleaseManifest = Static<typeof ReleaseManifest>;
