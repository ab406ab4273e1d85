// Sizes as Docker's users write them (64m, 10g, 1048576), in bytes. Pure.
import { AppError } from '@berth/kit/errors.ts';

const factors: Record<string, number> = { '': 1, b: 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40 };

export function parseSize(raw: string, name: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([kmgtb]?)(?:i?b)?$/i.exec(raw.trim());
  const factor = factors[(match?.[2] ?? '').toLowerCase()];
  if (!match || factor === undefined)
    throw new AppError('bad_request', `"${name}" is "${raw}", which is no size`, {
      hint: 'write 64m or 10g',
    });
  return Math.floor(Number(match[1]) * factor);
}
