// Waits until a release that a command made is live, and says how it went. Used by config:set, config:unset, rollback and ps:restart.
// Quick ones stay one line ("… done, v4"); what takes longer shows the platform's lines as they come.
import type { OutputLine } from '@berth/contract/release.ts';
import { AppError, type ErrorCode, errorCodes } from '@berth/kit/errors.ts';
import type { ApiClient } from './api-client.ts';
import type { Output } from './output.ts';
import { printable } from './output.ts';

type End = Extract<OutputLine, { end: true }>;

/** After this the reader wants to see what is going on. */
const quietMs = 1000;

/** Throws the reason when the release did not go live. `started` is the line that stands open on the terminal. */
export async function followRelease(
  api: ApiClient,
  output: Output,
  app: string,
  release: number,
): Promise<void> {
  const path = `/v1/apps/${encodeURIComponent(app)}/releases/${release}/output`;
  const held: string[] = [];
  let quiet = true;
  const speak = () => {
    if (!quiet) return;
    quiet = false;
    output.progress('\n');
    for (const text of held) output.progress(`${text}\n`);
  };
  const timer = setTimeout(speak, quietMs);
  let end: End | undefined;
  try {
    for await (const line of api.lines<OutputLine>(path)) {
      if ('end' in line) {
        end = line;
        break;
      }
      const text = printable(line.text);
      if (quiet) held.push(text);
      else output.progress(`${text}\n`);
    }
  } finally {
    clearTimeout(timer);
  }
  if (end?.ok) return;
  if (held.length > 0) speak();
  if (!end)
    throw new AppError('unavailable', `the platform stopped telling how v${release} goes`, {
      hint: `see it with "berth releases:info v${release} -a ${app}"`,
    });
  throw failure(end);
}

function failure(end: End): AppError {
  const code: ErrorCode = Object.hasOwn(errorCodes, end.code) ? (end.code as ErrorCode) : 'deploy_failed';
  return new AppError(code, end.message, end.hint === undefined ? {} : { hint: end.hint });
}
