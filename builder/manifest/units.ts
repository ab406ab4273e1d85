// "512mb" and "30s" as numbers. The text has passed the schema's pattern (apps/contract/manifest.ts).

export function memoryMb(text: string): number {
  const amount = Number.parseInt(text, 10);
  return /g/i.test(text) ? amount * 1024 : amount;
}

const secondsEach: Record<string, number> = { s: 1, m: 60, h: 3600 };

export function seconds(text: string): number {
  return Number.parseInt(text, 10) * (secondsEach[text.at(-1) ?? 's'] ?? 1);
}

/** Heroku's dyno sizes and the memory they have. */
const dynoMemoryMb: Record<string, number> = {
  free: 512,
  hobby: 512,
  eco: 512,
  basic: 512,
  'standard-1x': 512,
  'standard-2x': 1024,
  'performance-m': 2560,
  'performance-l': 14_336,
  'performance-l-ram': 30_720,
  'performance-xl': 63_488,
  'performance-2xl': 129_024,
  'private-s': 1024,
  'private-m': 2560,
  'private-l': 14_336,
};

export const dynoSizes: readonly string[] = Object.keys(dynoMemoryMb);

export function dynoSizeMb(size: string): number | undefined {
  const name = size.toLowerCase();
  return Object.hasOwn(dynoMemoryMb, name) ? dynoMemoryMb[name] : undefined;
}
