// The one error class of the platform and its closed list of codes. Every part throws it; the HTTP layer maps codes to statuses.
// Callers branch on `code`, never on text. Must never carry a secret in message, detail or hint.

/** Each code with its HTTP status and whether trying the same again may help. */
export const errorCodes = {
  bad_request: { status: 400, retryable: false },
  unauthorized: { status: 401, retryable: false },
  forbidden: { status: 403, retryable: false },
  not_found: { status: 404, retryable: false },
  conflict: { status: 409, retryable: false },
  superseded: { status: 409, retryable: false },
  stale_epoch: { status: 409, retryable: false },
  too_large: { status: 413, retryable: false },
  invalid: { status: 422, retryable: false },
  build_failed: { status: 422, retryable: false },
  release_failed: { status: 422, retryable: false },
  deploy_failed: { status: 422, retryable: false },
  rate_limited: { status: 429, retryable: true },
  internal: { status: 500, retryable: false },
  unsupported: { status: 501, retryable: false },
  unavailable: { status: 503, retryable: true },
  timeout: { status: 504, retryable: true },
  no_space: { status: 507, retryable: false },
} as const satisfies Record<string, { status: number; retryable: boolean }>;

export type ErrorCode = keyof typeof errorCodes;

export interface ErrorOptions {
  /** A second line with the facts: ids, limits, what was found. */
  detail?: string;
  /** What the reader should do now. */
  hint?: string;
  cause?: unknown;
}

/** How an error crosses a process boundary. */
export interface ErrorBody {
  error: { code: ErrorCode; message: string; detail?: string; hint?: string; retryable: boolean };
}

export class AppError extends Error {
  readonly code: ErrorCode;
  readonly detail: string | undefined;
  readonly hint: string | undefined;

  constructor(code: ErrorCode, message: string, options: ErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'AppError';
    this.code = code;
    this.detail = options.detail;
    this.hint = options.hint;
  }

  get status(): number {
    return errorCodes[this.code].status;
  }

  get retryable(): boolean {
    return errorCodes[this.code].retryable;
  }

  toBody(): ErrorBody {
    const { code, message, detail, hint, retryable } = this;
    return {
      error: {
        code,
        message,
        ...(detail === undefined ? {} : { detail }),
        ...(hint === undefined ? {} : { hint }),
        retryable,
      },
    };
  }
}

export function isErrorBody(value: unknown): value is ErrorBody {
  if (typeof value !== 'object' || value === null || !('error' in value)) return false;
  const inner = value.error;
  return typeof inner === 'object' && inner !== null && 'code' in inner && 'message' in inner;
}

/** Rebuilds the error another process sent; an unknown code becomes `internal`. */
export function fromErrorBody(body: ErrorBody): AppError {
  const { code, message, detail, hint } = body.error;
  const known: ErrorCode = Object.hasOwn(errorCodes, code) ? code : 'internal';
  return new AppError(known, message, {
    ...(detail === undefined ? {} : { detail }),
    ...(hint === undefined ? {} : { hint }),
  });
}

/** Any thrown value as an AppError; what is not ours becomes `internal` and keeps the original as cause. */
export function asAppError(error: unknown): AppError {
  if (error instanceof AppError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new AppError('internal', message, { cause: error });
}

/** The system error code (`ENOENT`, `EADDRINUSE`, …) of a thrown value, if it has one. */
export function systemCode(error: unknown): string | undefined {
  if (typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'string')
    return error.code;
  return undefined;
}
