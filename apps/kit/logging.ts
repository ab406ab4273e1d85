// pino set up once for every process: one JSON line an event, constant messages, fields for variables.
// Must never be given a secret; the Secret type prints as redacted should one slip in.
import { type Logger, pino } from 'pino';

export type { Logger };

/** A logger that writes to stderr, so that stdout stays free for a program's own output. */
export function createLogger(part: string, level = 'info'): Logger {
  return pino(
    {
      level,
      base: { part },
      timestamp: pino.stdTimeFunctions.isoTime,
      redact: {
        paths: ['req.headers.authorization', 'req.headers.cookie', '*.password', '*.token'],
        censor: '[redacted]',
      },
      serializers: { err: pino.stdSerializers.err },
    },
    pino.destination({ fd: 2, sync: true }),
  );
}
