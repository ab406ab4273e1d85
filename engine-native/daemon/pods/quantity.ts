// Quantities as Kubernetes writes them: 500m, 0.5, 128Mi, 1G, 1e3. Pure.
import { wrong } from './manifest-fields.ts';

const factors: Record<string, number> = {
  n: 1e-9,
  u: 1e-6,
  m: 1e-3,
  '': 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  E: 1e18,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
  Ei: 2 ** 60,
};

export function parseQuantity(raw: string | number, path: string): number {
  const text = String(raw);
  const match = /^(\d{1,18}(?:\.\d{0,18})?|\.\d{1,18})(?:([numkMGTPE]|[KMGTPE]i)|[eE]([+-]?\d{1,2}))?$/.exec(
    text,
  );
  const [, digits = '', suffix = '', exponent = '0'] = match ?? [];
  const value = Number(digits) * (factors[suffix] ?? Number.NaN) * 10 ** Number(exponent);
  if (match && Number.isFinite(value) && value >= 0) return value;
  throw wrong(path, `is "${text.slice(0, 40)}", which is no quantity`, 'write 500m, 128Mi or 2');
}

/** Rounded up: who asks for half a byte gets one. */
export function parseBytes(raw: string | number, path: string): number {
  const bytes = Math.ceil(parseQuantity(raw, path));
  if (Number.isSafeInteger(bytes)) return bytes;
  throw wrong(path, 'is more than any machine has');
}
