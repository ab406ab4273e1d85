// Entry of the supervisor: `main.ts up [--detach] | down [--data] [--yes] | status [--json] | stack:update`. Started by bootstrap.mjs and by systemd.
import { parseArgs } from 'node:util';
import { AppError } from '@berth/kit/errors.ts';
import { readPlatform } from './config.ts';
import { down } from './down.ts';
import { showError } from './show-error.ts';
import { showStatus } from './show-status.ts';
import { updateStackImages } from './stack-image.ts';
import { upDetached, upForeground } from './up.ts';

async function main(args: string[]): Promise<void> {
  const { values, positionals } = readArguments(args);
  const platform = readPlatform();
  switch (positionals[0]) {
    case 'up':
      return values.detach ? upDetached(platform) : upForeground(platform, !values['no-stack']);
    case 'down':
      return down(platform, { data: values.data, yes: values.yes });
    case 'status':
      return showStatus(platform, { json: values.json });
    case 'stack:update':
      return updateStackImages(platform);
    default:
      throw new AppError('bad_request', `there is no command "${positionals[0] ?? ''}"`, {
        hint: 'one of: up down status stack:update',
      });
  }
}

function readArguments(args: string[]) {
  const flag = { type: 'boolean', default: false } as const;
  const options = {
    detach: { ...flag, short: 'd' },
    data: flag,
    yes: { ...flag, short: 'y' },
    json: flag,
    'no-stack': flag,
  };
  try {
    return parseArgs({ args, options, allowPositionals: true });
  } catch (cause) {
    throw new AppError(
      'bad_request',
      cause instanceof Error ? cause.message.toLowerCase() : 'bad arguments',
      { cause },
    );
  }
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  showError(error);
}
