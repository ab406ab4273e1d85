// Which runtime a container asks for: the engine's own, which keeps the shim as its parent. Called when a create request is read.
// Another one is refused, never replaced in silence: whoever asks for a virtual machine must not get a namespace.
import { AppError } from '@berth/kit/errors.ts';

const own = ['', 'berth'];
/** Runtimes that people know by these names, and that this engine does not drive. */
const others = ['runc', 'crun', 'runsc', 'kata', 'kata-runtime', 'io.containerd.runc.v2'];

export function checkRuntime(name: string): void {
  if (own.includes(name)) return;
  if (others.includes(name))
    throw new AppError('unsupported', `runtime "${name}" is not supported by this engine`, {
      hint: 'leave --runtime out: containers are run by berth',
    });
  throw new AppError('bad_request', `unknown or invalid runtime name: ${name}`);
}
