// Who may do what over the public API, and what bad input gets, with a real controller and real PostgreSQL and Redis.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { isErrorBody } from '@berth/kit/errors.ts';
import {
  type Backing,
  type RunningController,
  startBacking,
  startController,
} from '../helpers/backing-services.ts';

let backing: Backing;
let controller: RunningController;

before(async () => {
  backing = await startBacking(18_411);
  controller = await startController(backing);
});

after(async () => {
  await controller?.kill('SIGTERM');
  await backing?.stop();
});

async function newApp(name: string): Promise<string> {
  return (await controller.api().call<{ id: string }>('POST', '/v1/apps', { body: { name } })).id;
}

describe('access', () => {
  test('every route of every app is closed to strangers, and says so in one line', async () => {
    await newApp('mine');
    const admin = controller.api();
    const { token } = await admin.call<{ token: string }>('POST', '/v1/users', { body: { name: 'mallory' } });
    const paths = await admin.call<{ paths: Record<string, Record<string, unknown>> }>(
      'GET',
      '/v1/openapi.json',
    );
    let walked = 0;
    for (const [path, methods] of Object.entries(paths.paths)) {
      for (const method of Object.keys(methods)) {
        const url = path.replace('{app}', 'mine').replace('{number}', '1');
        const body = method === 'get' ? undefined : bodyFor(method, path);
        const options = body === undefined ? {} : { body };
        await assert.rejects(
          controller.api('berth_wrong').call(method.toUpperCase(), url, options),
          { code: 'unauthorized' },
          url,
        );
        if (!path.includes('{app}')) continue;
        walked++;
        await assert.rejects(
          controller.api(token).call(method.toUpperCase(), url, options),
          { code: 'forbidden' },
          `${method} ${url}`,
        );
      }
    }
    assert.ok(walked >= 15, `only ${walked} app routes are described`);
    await assert.rejects(controller.api(token).call('POST', '/v1/users', { body: { name: 'x1' } }), {
      code: 'forbidden',
    });
    await assert.rejects(controller.api(token).call('GET', '/v1/apps/none-such'), { code: 'not_found' });
  });

  test('bad names and bodies get one clear error each', async () => {
    const api = controller.api();
    for (const name of ['A', 'Hello', '-x', 'x-', 'a'.repeat(31), 'a b', '../x', 'api', 'www', ''])
      await assert.rejects(api.call('POST', '/v1/apps', { body: { name } }), { code: 'invalid' }, name);
    await newApp('taken-name');
    await assert.rejects(
      api.call('POST', '/v1/apps', { body: { name: 'taken-name' } }),
      /the name "taken-name" is taken/,
    );
    for (const vars of [{ 'A-B': 'x' }, { '1A': 'x' }, { '': 'x' }, { PORT: '1' }, { A: 'nul\0byte' }])
      await assert.rejects(
        api.call('PATCH', '/v1/apps/taken-name/config', { body: { vars } }),
        { code: 'invalid' },
        JSON.stringify(vars),
      );
    await assert.rejects(
      api.call('PATCH', '/v1/apps/taken-name/config', { body: { vars: { BIG: 'x'.repeat(40_000) } } }),
      /the value of "BIG" is longer than 32768 bytes/,
    );
    const scale = { entries: [{ processType: 'web', quantity: 9999 }] };
    await assert.rejects(
      api.call('PATCH', '/v1/apps/taken-name/formation', { body: scale }),
      /^AppError: "quantity" must be <= 100$/,
    );
    const answer = await api.open('GET', '/v1/none');
    assert.equal(answer.statusCode, 404);
    let text = '';
    for await (const chunk of answer) text += String(chunk);
    assert.ok(isErrorBody(JSON.parse(text)));
  });
});

function bodyFor(method: string, path: string): unknown {
  if (path.endsWith('/config')) return { vars: { A: '1' } };
  if (path.endsWith('/formation')) return { entries: [{ processType: 'web', quantity: 1 }] };
  if (path.endsWith('/buildpacks')) return { buildpacks: ['node'] };
  if (path.endsWith('/stack')) return { stack: null };
  if (path.endsWith('/deploys')) return { image: 'nginx' };
  if (path.endsWith('/runs')) return { command: ['true'], tty: false };
  if (path.endsWith('/users')) return { name: 'someone' };
  return method === 'delete' ? { confirm: 'mine' } : {};
}
