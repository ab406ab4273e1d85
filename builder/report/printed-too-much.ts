// Why a build that prints without end is ended.
import { AppError } from '@berth/kit/errors.ts';

export function printedTooMuch(bytes: number): AppError {
  const limit =
    bytes >= 1024 * 1024 ? `${Math.round(bytes / 1024 / 1024)} MB` : `${Math.round(bytes / 1024)} KB`;
  return new AppError('build_failed', `the build printed more than ${limit}`, { hint: 'print less' });
}
