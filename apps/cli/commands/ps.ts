// ps and ps:restart: the instances of an app.
import type { Formation } from '@berth/contract/app.ts';
import type { Instance } from '@berth/contract/instance.ts';
import { AppError } from '@berth/kit/errors.ts';
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

export const psRestart: Command = {
  summary: 'restart all instances, those of a process type, or one',
  usage: '[TYPE[.N]] [-a APP]',
  example: 'berth ps:restart web.1',
  options: appOptions,
  positionals: [0, 1],
  run: async (input) => {
    const app = await input.app();
    const [what] = input.args;
    const match = /^([a-z][a-z0-9_-]*)(?:\.(\d+))?$/.exec(what ?? 'all');
    if (!match)
      throw new AppError('bad_request', `"${what ?? ''}" is not a process type or an instance such as web.1`);
    const body = {
      ...(what === undefined ? {} : { processType: match[1] }),
      ...(match[2] === undefined ? {} : { slot: Number(match[2]) }),
    };
    await (await input.api()).call('POST', `/v1/apps/${encodeURIComponent(app)}/restart`, body);
    input.output.line(`Restarting ${app}: see it with "berth ps -a ${app}"`);
    return 0;
  },
};
