// The regular runs of an app, as the API shows them.
import { type Static, Type } from '@sinclair/typebox';
import { Timestamp } from './names.ts';

export const CronRun = Type.Object(
  {
    schedule: Type.String({ description: 'a cron expression, in UTC' }),
    command: Type.String(),
    memoryMb: Type.Integer(),
    nextAt: Timestamp,
    last: Type.Union([
      Type.Null(),
      Type.Object({
        name: Type.String({ description: 'the one-off: "run.12"' }),
        at: Timestamp,
        running: Type.Boolean(),
        exitCode: Type.Union([Type.Integer(), Type.Null()], {
          description: 'null: it runs, or never started',
        }),
      }),
    ]),
    note: Type.Union([Type.String(), Type.Null()], { description: 'why a minute was left out' }),
  },
  { $id: 'CronRun' },
);
export type CronRun = Static<typeof CronRun>;
