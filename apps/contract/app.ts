// Shapes of an app, its config vars and its formation as the API shows them.
import { type Static, Type } from '@sinclair/typebox';
import { AppName, ConfigKey, Id, ProcessType, Timestamp } from './names.ts';

export const App = Type.Object(
  {
    id: Id,
    name: AppName,
    owner: Type.String(),
    url: Type.String({ description: 'where the web process is served' }),
    gitUrl: Type.String({ description: 'the git remote' }),
    deployBranch: Type.String(),
    release: Type.Union([Type.Integer(), Type.Null()], {
      description: 'the current release, null before the first',
    }),
    createdAt: Timestamp,
  },
  { $id: 'App' },
);
export type App = Static<typeof App>;

export const CreateApp = Type.Object({ name: Type.Optional(Type.String()) }, { additionalProperties: false });
export type CreateApp = Static<typeof CreateApp>;

export const ConfigVars = Type.Object(
  { version: Type.Integer(), vars: Type.Record(Type.String(), Type.String()) },
  { $id: 'ConfigVars' },
);
export type ConfigVars = Static<typeof ConfigVars>;

/** `null` unsets a key. */
export const ConfigChange = Type.Object(
  { vars: Type.Record(ConfigKey, Type.Union([Type.String(), Type.Null()])) },
  { additionalProperties: false },
);
export type ConfigChange = Static<typeof ConfigChange>;

export const FormationEntry = Type.Object({
  processType: ProcessType,
  command: Type.Union([Type.String(), Type.Null()]),
  quantity: Type.Integer({ minimum: 0, maximum: 100 }),
  memoryMb: Type.Integer({ minimum: 16 }),
});
export type FormationEntry = Static<typeof FormationEntry>;

export const Formation = Type.Object({ entries: Type.Array(FormationEntry) }, { $id: 'Formation' });
export type Formation = Static<typeof Formation>;

export const FormationChange = Type.Object(
  {
    entries: Type.Array(
      Type.Object(
        {
          processType: ProcessType,
          quantity: Type.Optional(Type.Integer({ minimum: 0, maximum: 100 })),
          memoryMb: Type.Optional(Type.Integer({ minimum: 16, maximum: 1_048_576 })),
        },
        { additionalProperties: false },
      ),
      { minItems: 1 },
    ),
  },
  { additionalProperties: false },
);
export type FormationChange = Static<typeof FormationChange>;
