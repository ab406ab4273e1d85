// Signal names and numbers as Docker's clients write them: TERM, SIGTERM, 15. Pure.
import { constants } from 'node:os';
import { AppError } from '@berth/kit/errors.ts';

const realtimeMin = 34;
const realtimeMax = 64;

export function signalNumber(raw: string): number {
  if (/^\d+$/.test(raw)) {
    const number = Number(raw);
    if (number >= 1 && number <= realtimeMax) return number;
    throw new AppError('bad_request', `the linux daemon does not support signal ${raw}`);
  }
  const upper = raw.toUpperCase();
  const name = upper.startsWith('SIG') ? upper : `SIG${upper}`;
  const realtime = /^SIGRTM(IN\+|AX-)(\d+)$/.exec(name);
  if (realtime) {
    const offset = Number(realtime[2]);
    const number = realtime[1] === 'IN+' ? realtimeMin + offset : realtimeMax - offset;
    if (number >= realtimeMin && number <= realtimeMax) return number;
  }
  const number = (constants.signals as Record<string, number | undefined>)[name];
  if (number === undefined)
    throw new AppError('bad_request', `invalid signal: ${raw}`, {
      hint: 'use a name such as SIGTERM',
    });
  return number;
}
