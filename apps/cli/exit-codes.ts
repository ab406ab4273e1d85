// The exit codes of `berth`, by class of error; documented in `berth help exit-codes`. Used by main.ts only.
import type { AppError, ErrorCode } from '@berth/kit/errors.ts';

export const exitCodes = { failure: 1, usage: 2, auth: 3, notFound: 4, conflict: 5, unreachable: 6 } as const;

const byCode: Partial<Record<ErrorCode, number>> = {
  bad_request: exitCodes.usage,
  invalid: exitCodes.usage,
  unauthorized: exitCodes.auth,
  forbidden: exitCodes.auth,
  not_found: exitCodes.notFound,
  conflict: exitCodes.conflict,
  superseded: exitCodes.conflict,
  unavailable: exitCodes.unreachable,
  timeout: exitCodes.unreachable,
};

export function exitCodeOf(error: AppError): number {
  return byCode[error.code] ?? exitCodes.failure;
}
