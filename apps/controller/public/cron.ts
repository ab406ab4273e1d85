// Public endpoint: the regular runs of an app.
import { CronRun } from '@berth/contract/cron.ts';
import { type CronRow, listCron } from '@berth/store/queries/cron.ts';
import { Type } from '@sinclair/typebox';
import type { FastifyInstance } from 'fastify';
import type { Services } from '../services.ts';
import { appParams, type ForApp } from './for-app.ts';

export function cronEndpoints(server: FastifyInstance, { db }: Pick<Services, 'db'>, forApp: ForApp): void {
  server.get(
    '/v1/apps/:app/cron',
    {
      schema: {
        summary: 'The regular runs of the current release, with their next and their last minute',
        params: appParams,
        response: { 200: Type.Object({ entries: Type.Array(CronRun) }) },
      },
    },
    async (request) => {
      const app = await forApp(request);
      return { entries: (await listCron(db, app.id)).map(show) };
    },
  );
}

function show(row: CronRow): CronRun {
  const last =
    row.last_name === null || row.last_at === null
      ? null
      : {
          name: row.last_name,
          at: row.last_at.toISOString(),
          running: row.running,
          exitCode: row.running ? null : row.last_exit,
        };
  return {
    schedule: row.schedule,
    command: row.command,
    memoryMb: row.memory_mb,
    nextAt: row.next_at.toISOString(),
    last,
    note: row.note,
  };
}
