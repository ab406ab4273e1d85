// How a command of the supervisor ends when it fails: what, the facts, what to do; no stack for an error of ours.
import { AppError } from '@berth/kit/errors.ts';

export function showError(error: unknown): void {
  process.exitCode = 1;
  if (
    !(error instanceof AppError) ||
    (error.code === 'internal' && error.detail === undefined && error.cause)
  ) {
    process.stderr.write(
      ` !     ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
    );
    return;
  }
  for (const part of [error.message, error.detail, error.hint])
    for (const line of part?.split('\n') ?? [])
      if (line.trim() !== '') process.stderr.write(` !     ${line}\n`);
}
