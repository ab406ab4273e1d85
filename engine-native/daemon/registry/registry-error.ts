// Failures as registry clients know them: the distribution spec's codes, each with its status, and the JSON they travel in.
// Thrown by the registry's routes, turned into an answer by registry-server.ts.
import { AppError, asAppError, type ErrorCode, systemCode } from '@berth/kit/errors.ts';

/** The spec's closed list (section "Error Codes"), with the status and our own code for each. */
export const registryCodes = {
  BLOB_UNKNOWN: { status: 404, code: 'not_found' },
  BLOB_UPLOAD_INVALID: { status: 400, code: 'bad_request' },
  BLOB_UPLOAD_UNKNOWN: { status: 404, code: 'not_found' },
  DIGEST_INVALID: { status: 400, code: 'bad_request' },
  MANIFEST_BLOB_UNKNOWN: { status: 404, code: 'not_found' },
  MANIFEST_INVALID: { status: 400, code: 'bad_request' },
  MANIFEST_UNKNOWN: { status: 404, code: 'not_found' },
  NAME_INVALID: { status: 400, code: 'bad_request' },
  NAME_UNKNOWN: { status: 404, code: 'not_found' },
  SIZE_INVALID: { status: 400, code: 'bad_request' },
  UNAUTHORIZED: { status: 401, code: 'unauthorized' },
  DENIED: { status: 403, code: 'forbidden' },
  UNSUPPORTED: { status: 405, code: 'unsupported' },
  TOOMANYREQUESTS: { status: 429, code: 'rate_limited' },
} as const satisfies Record<string, { status: number; code: ErrorCode }>;

export type RegistryCode = keyof typeof registryCodes;

export class RegistryError extends AppError {
  readonly registryCode: RegistryCode;
  readonly #status: number;
  readonly headers: Record<string, string>;

  constructor(
    registryCode: RegistryCode,
    message: string,
    more: { status?: number; headers?: Record<string, string> } = {},
  ) {
    super(registryCodes[registryCode].code, message);
    this.registryCode = registryCode;
    this.#status = more.status ?? registryCodes[registryCode].status;
    this.headers = more.headers ?? {};
  }

  override get status(): number {
    return this.#status;
  }
}

export interface FailureAnswer {
  status: number;
  headers: Record<string, string>;
  body: { errors: { code: string; message: string }[] };
}

/** What a client is told. The text of an unexpected failure stays inside. */
export function describeFailure(error: unknown): FailureAnswer {
  const answer = (status: number, code: string, message: string, headers = {}) => ({
    status,
    headers,
    body: { errors: [{ code, message }] },
  });
  if (error instanceof RegistryError)
    return answer(error.status, error.registryCode, error.message, error.headers);
  if (systemCode(error) === 'ENOSPC')
    return answer(507, 'UNKNOWN', 'no space left on the disk of the registry');
  const known = asAppError(error);
  if (known.status >= 500 && known.code !== 'unavailable')
    return answer(known.status, 'UNKNOWN', known.code === 'internal' ? 'internal error' : known.message);
  const code = fallbackCodes[known.status] ?? 'UNSUPPORTED';
  return answer(known.code === 'invalid' ? registryCodes[code].status : known.status, code, known.message);
}

/** For failures of the store, which knows nothing of registries. */
const fallbackCodes: Record<number, RegistryCode> = {
  400: 'DIGEST_INVALID',
  401: 'UNAUTHORIZED',
  403: 'DENIED',
  404: 'BLOB_UNKNOWN',
  409: 'BLOB_UPLOAD_INVALID',
  422: 'DIGEST_INVALID',
  429: 'TOOMANYREQUESTS',
};
