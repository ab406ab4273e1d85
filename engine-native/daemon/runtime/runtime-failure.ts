// An error that the helper or a shim answered with. Keeps the inner code, which decides exit codes 126 and 127.
import { AppError, type ErrorCode } from '@berth/kit/errors.ts';
import type { Message } from './frames.ts';

const codes: Record<string, ErrorCode> = {
  bad_request: 'bad_request',
  not_found: 'not_found',
  exists: 'conflict',
  no_space: 'no_space',
  permission: 'forbidden',
  unsupported: 'unsupported',
  cgroup: 'internal',
  network: 'internal',
  port_in_use: 'internal',
  image_user: 'bad_request',
  exec_not_found: 'bad_request',
  exec_not_executable: 'bad_request',
  internal: 'internal',
};

export class RuntimeFailure extends AppError {
  readonly runtimeCode: string;

  constructor(runtimeCode: string, message: string) {
    super(codes[runtimeCode] ?? 'internal', message);
    this.runtimeCode = runtimeCode;
  }
}

/** The error of a reply frame with `ok: false`; undefined when the reply is good. */
export function failureOf(reply: Message): RuntimeFailure | undefined {
  if (reply['ok'] !== false) return undefined;
  const error = (reply['error'] ?? {}) as { code?: unknown; message?: unknown };
  return new RuntimeFailure(String(error.code ?? 'internal'), String(error.message ?? 'no reason given'));
}

/** The exit code Docker users expect when a command could not be started: 127 not found, 126 not executable, else 128. */
export function startFailureExitCode(error: unknown): number {
  if (!(error instanceof RuntimeFailure)) return 128;
  if (error.runtimeCode === 'exec_not_found') return 127;
  return error.runtimeCode === 'exec_not_executable' ? 126 : 128;
}

/** The same for an exec: what is neither not found nor found wanting counts as not executable. */
export function execFailureExitCode(error: unknown): number {
  const code = startFailureExitCode(error);
  return code === 128 ? 126 : code;
}

/** docker's CLI turns these words into its own exit code, so the sentence must hold them. */
export function startFailureText(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  const code = startFailureExitCode(error);
  if (code === 127 && !/executable file not found|no such file or directory/.test(message))
    return `${message}: executable file not found in $PATH`;
  if (code === 126 && !/permission denied|is a directory/.test(message))
    return `${message}: permission denied`;
  return message;
}
