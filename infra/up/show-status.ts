// `berth status`: what runs, since when, how often it was restarted, and the last words of what does not.
import { AppError } from '@berth/kit/errors.ts';
import type { Platform } from './config.ts';
import type { PartStatus } from './supervise-part.ts';
import { askStatus, type PlatformStatus } from './supervisor-server.ts';

export async function showStatus(platform: Platform, options: { json: boolean }): Promise<void> {
  const status = await askStatus(platform);
  if (options.json) {
    process.stdout.write(`${JSON.stringify(status ?? { state: 'stopped', dataDir: platform.dataDir })}\n`);
  } else if (status) process.stdout.write(formatStatus(status, Date.now()));
  if (!status)
    throw new AppError('unavailable', `no platform runs with the data folder "${platform.dataDir}"`, {
      hint: 'start it with `npm run up`',
    });
}

export function formatStatus(status: PlatformStatus, now: number): string {
  const rows = status.parts.map((part) => formatPart(part, now));
  const head = [
    `platform  ${status.state}`,
    `apps      ${status.appsUrl}`,
    `API       ${status.apiUrl}`,
    `data      ${status.dataDir}`,
  ];
  return `${[...head, '', ...rows].join('\n')}\n`;
}

function formatPart(part: PartStatus, now: number): string {
  const pid = part.pid === null ? '-' : String(part.pid);
  const restarts = part.restarts === 0 ? '' : `, restarted ${part.restarts} times (last: ${part.lastExit})`;
  const line = `${part.name.padEnd(14)} ${part.state.padEnd(11)} ${pid.padStart(7)}  for ${duration(now - part.since)}${restarts}`;
  return [line, ...part.lastLines.map((text) => `    ${text}`)].join('\n');
}

function duration(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86_400)} d`;
}
