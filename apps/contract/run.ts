// One-off runs: `berth run CMD`.
import { type Static, Type } from '@sinclair/typebox';
import { Id } from './names.ts';

export const StartRun = Type.Object(
  {
    command: Type.Array(Type.String(), { minItems: 1, description: 'argv' }),
    tty: Type.Boolean(),
    rows: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000 })),
    cols: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000 })),
  },
  { additionalProperties: false },
);
export type StartRun = Static<typeof StartRun>;
export const StartedRun = Type.Object({ id: Id, name: Type.String() }, { $id: 'Run' });

/**
 * `GET /v1/apps/:app/runs/:id/attach` with `Connection: Upgrade, Upgrade: berth-stream` → 101, then frames both ways:
 * one byte type, four bytes big-endian length, payload. Client → server: 0 stdin data, 1 stdin end, 2 resize (JSON {rows, cols}), 3 signal (JSON {signal}).
 * Server → client: 0 stdout, 1 stderr, 2 status line for the user, 3 exit (JSON {exitCode, message?}), after which the server closes.
 */
export const runFrames = {
  stdin: 0,
  stdinEnd: 1,
  resize: 2,
  signal: 3,
  stdout: 0,
  stderr: 1,
  status: 2,
  exit: 3,
} as const;
export const runFrameLimit = 1024 * 1024;
