// Times for people: "5m ago". Pure; used by tables on a terminal.
const steps: [limitSeconds: number, unitSeconds: number, suffix: string][] = [
  [60, 1, 's'],
  [3600, 60, 'm'],
  [86_400, 3600, 'h'],
  [Number.POSITIVE_INFINITY, 86_400, 'd'],
];

export function relativeTime(time: string, nowMs: number): string {
  const seconds = Math.max(0, Math.round((nowMs - Date.parse(time)) / 1000));
  if (Number.isNaN(seconds)) return time;
  const [, unit, suffix] = steps.find(([limit]) => seconds < limit) ?? [0, 1, 's'];
  return `${Math.floor(seconds / unit)}${suffix} ago`;
}
