// Sorts an engine's refusal to create or start a container: engine away (wait), or a fact about the release (tell the user). Pure.
import { asAppError } from '@berth/kit/errors.ts';
import type { StartFailure } from './explain-silence.ts';

/** What engines say of a command that is not in the image, or is no program: ours and dockerd's words. */
const notACommand =
  /executable file not found|exec: "[^"]*": .*(no such file or directory|permission denied|is a directory)|exec.*not.found|not executable/i;

/** Undefined: the engine is away or busy, which says nothing about the pod. */
export function startFailureOf(error: unknown, image: string): StartFailure | undefined {
  const { code, message } = asAppError(error);
  if (code === 'unavailable' || code === 'timeout') return undefined;
  if (code === 'not_found' && /image/i.test(message))
    return { fatal: 'image_missing', message: `cannot start: image "${image}" is not on this host` };
  if (notACommand.test(message)) return { fatal: 'command_not_found', message: `cannot start: ${message}` };
  return { fatal: 'other', message: `cannot start: ${message}` };
}
