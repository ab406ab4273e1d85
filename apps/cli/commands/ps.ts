// ps and ps:restart: the instances of an app.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Formation } from '@berth/contract/app.ts';
import type { Instance } from '@berth/contract/instance.ts';
import type { DeploymentStatus } from '@berth/contract/release.ts';
import { AppError } from '@berth/kit/errors.ts';
import type { ApiClient } from '../api-client.ts';
import { appOptions, type Command, flag, jsonOption } from '../command.ts';

export const ps: Command = {
  summary: 'show the instances',
  usage: '[-a APP] [--json]',
  example: 'berth ps',
  options: { ...appOptions, ...jsonOption },
  positionals: [0, 0],
  run: async (input) => {
    const api = await input.api();
    const base = `/v1/apps/${encodeURIComponent(await input.app())}`;
    const [formation, { instances }] = await Promise.all([
      api.get<Formation>(`${base}/formation`),
      api.get<{ instances: Instance[] }>(`${base}/instances`),
    ]);
    if (flag(input, 'json')) {
      input.output.json({ formation: formation.entries, instances });
      return 0;
    }
    if (formation.entries.length === 0 && instances.length === 0) {
      input.output.line('Nothing runs yet: git push berth main');
      return 0;
    }
    for (const entry of formation.entries)
      input.output.line(
        `${entry.processType}=${entry.quantity} (${entry.memoryMb} MB)  ${entry.command ?? ''}`.trimEnd(),
      );
    if (instances.length === 0) return 0;
    input.output.line();
    input.output.table(
      ['NAME', 'STATE', 'RELEASE', 'SINCE', 'RESTARTS', 'HOST', 'MESSAGE'],
      instances.map((one) => [
        one.name,
        one.stopping ? `${one.state}, stopping` : one.state,
        `v${one.release}`,
        { time: one.since },
        one.restarts,
        one.host,
        one.message ?? '',
      ]),
    );
    return 0;
  },
};

/** A deployment ends within its boot timeout; longer means that the platform itself is stuck. */
const restartLimitMs = 10 * 60_000;

export const psRestart: Command = {
  summary: 'start new instances of the current release, then stop the old ones',
  usage: '[-a APP] [--no-wait]',
  example: 'berth ps:restart',
  options: { ...appOptions, 'no-wait': { type: 'boolean', about: 'return at once' } },
  positionals: [0, 0],
  run: async (input) => {
    const app = await input.app();
    const api = await input.api();
    const base = `/v1/apps/${encodeURIComponent(app)}`;
    input.output.progress(`Restarting ${app}… `);
    const { deployment } = await api.call<{ deployment: string }>('POST', `${base}/restart`);
    if (!flag(input, 'no-wait')) await untilRestarted(api, `${base}/deployments/${deployment}`);
    input.output.progress(flag(input, 'no-wait') ? 'started\n' : 'done\n');
    return 0;
  },
};

async function untilRestarted(api: ApiClient, path: string): Promise<void> {
  const deadline = performance.now() + restartLimitMs;
  while (performance.now() < deadline) {
    const { state, error, hint } = await api.get<DeploymentStatus>(path);
    if (state === 'succeeded' || state === 'superseded') return;
    if (state === 'failed')
      throw new AppError('deploy_failed', error ?? 'the restart failed', hint ? { hint } : {});
    await sleep(100);
  }
  throw new AppError('timeout', 'the restart has not ended', { hint: 'see it with "berth ps"' });
}
