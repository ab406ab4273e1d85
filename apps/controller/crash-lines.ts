// What the platform itself says in an app's log: which instance ended by itself, and why. Read out of the events; a source of the log endpoint.
import type { LogLine } from '@berth/contract/log.ts';
import { type CrashRow, crashesOfApp } from '@berth/store/queries/events.ts';
import type { Services } from './services.ts';

/** A ring that was lost delays a line, and no longer than this. */
const rereadMs = 5_000;
const mostAtOnce = 1_000;

export interface CrashQuery {
  appId: string;
  lines: number;
  process: string | undefined;
  follow: boolean;
}

export async function* crashLines(
  { db, bells }: Pick<Services, 'db' | 'bells'>,
  query: CrashQuery,
  signal: AbortSignal,
): AsyncGenerator<LogLine> {
  const watch = bells.watch(`crashes ${query.appId}`);
  try {
    // without past lines one is read all the same: it is the place to go on from
    const past = await crashesOfApp(db, query.appId, 0, Math.max(query.lines, 1));
    if (query.lines > 0) yield* asked(past, query);
    let afterId = past.at(-1)?.id ?? 0;
    while (query.follow && !signal.aborted) {
      const news = await crashesOfApp(db, query.appId, afterId, mostAtOnce);
      yield* asked(news, query);
      afterId = news.at(-1)?.id ?? afterId;
      await watch.wait(rereadMs, signal);
    }
  } finally {
    watch.close();
  }
}

function toLine({ data, created_at }: CrashRow): LogLine {
  const { process = 'instance', message } = data;
  return { time: created_at.toISOString(), source: 'berth', process, message: message ?? 'ended' };
}

/** "web" asks for all of a type, "web.1" for one. */
function asked(rows: readonly CrashRow[], { process }: CrashQuery): LogLine[] {
  const isAsked = (name: string) =>
    process === undefined || name === process || name.startsWith(`${process}.`);
  return rows.map(toLine).filter((line) => isAsked(line.process));
}
