// --log-opt: which options a log driver takes and what they mean for the shim's log. Pure. Asked at create, when the user still looks.
import { AppError } from '@berth/kit/errors.ts';
import type { HostConfig } from './container-config.ts';
import { parseSize } from './parse-size.ts';

/** As json-file has them; `compress` is taken and files stay as they are, since readers must find them by name. */
const known = new Set(['max-size', 'max-file', 'labels', 'env', 'compress', 'mode', 'max-buffer-size']);

export interface LogLimits {
  /** Bytes. */
  maxSize: number;
  maxFiles: number;
}

export function logLimits({ Type, Config }: HostConfig['LogConfig']): LogLimits {
  const unknown = Object.keys(Config).find((name) => !known.has(name));
  if (unknown !== undefined)
    throw new AppError('bad_request', `unknown log opt '${unknown}' for ${Type || 'json-file'} log driver`);
  const maxFiles = Number(Config['max-file'] ?? 3);
  if (!Number.isInteger(maxFiles) || maxFiles < 1 || maxFiles > 100)
    throw new AppError('bad_request', `log option "max-file" is "${Config['max-file']}", not 1 to 100`);
  if (Config['mode'] !== undefined && !['blocking', 'non-blocking'].includes(Config['mode']))
    throw new AppError('bad_request', `logger: logging mode "${Config['mode']}" is not supported`, {
      hint: 'a container never waits for its log here',
    });
  return { maxSize: parseSize(Config['max-size'] ?? '10m', 'max-size'), maxFiles };
}
