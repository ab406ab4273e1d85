// A line of an app's log, from the router, an instance or the platform.
import { type Static, Type } from '@sinclair/typebox';
import { Timestamp } from './names.ts';

/** `GET /v1/apps/:app/logs?lines=100&process=web.1&follow=1`: NDJSON of LogLine, oldest first. */
export const LogLine = Type.Object(
  {
    time: Timestamp,
    source: Type.Union([Type.Literal('app'), Type.Literal('berth')], {
      description: 'app: the app printed it; berth: the platform',
    }),
    process: Type.String({ description: 'web.1, router, …' }),
    message: Type.String(),
  },
  { $id: 'LogLine' },
);
export type LogLine = Static<typeof LogLine>;

/** On the agent's socket: `GET /logs?app=ID&lines=N&process=web.1&follow=1` → NDJSON of LogLine. `GET /attach?instance=ID` upgrades as run.ts says. */
export const agentPaths = { logs: '/logs', attach: '/attach' } as const;
