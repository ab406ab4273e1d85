// Native packages: the compilers come when they are first needed, once a host, and are not in the app's image. Takes a Debian mirror.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { openWorkbench, type Workbench } from './workbench.ts';

let bench: Workbench;

before(async () => {
  bench = await openWorkbench({}, { name: 'bbt5' });
});
after(() => bench.close());

/** An addon in the tree itself: nothing is downloaded but the compilers. */
const addon = {
  'package.json': JSON.stringify({
    name: 'a',
    version: '1.0.0',
    engines: { node: '24.x' },
    scripts: {
      build: 'g++ --version | head -1 && make --version | head -1 && python3 --version && git --version',
      start: 'node s.js',
    },
    dependencies: { 'no-script': 'file:./packages/no-script' },
  }),
  's.js': '',
  'packages/no-script/package.json': JSON.stringify({ name: 'no-script', version: '1.0.0' }),
};

test('an install that may compile finds compilers, Python and git; the image stays small', async () => {
  const build = await bench.build(addon, { app: 'native' });
  assert.equal(build.end?.status, 'succeeded', build.output + JSON.stringify(build.end));
  assert.match(build.output, /^-----> Preparing compilers for native packages \(once a host\)$/m);
  assert.match(build.output, /g\+\+.* 14\./);
  assert.match(build.output, /Python 3\.13/);
  const seen = await bench.runIn(build.end.result.image, 'command -v g++ || echo none');
  assert.equal(seen.output, 'none\n');

  const again = await bench.build({ ...addon, 's.js': '// changed' }, { app: 'native' });
  assert.doesNotMatch(again.output, /Preparing compilers/);
});

test("a native package is compiled with headers of the app's own Node, without asking nodejs.org", async () => {
  const app = (node: string) => ({
    'package.json': JSON.stringify({
      name: 'a',
      version: '1.0.0',
      engines: { node },
      scripts: { start: 'node s.js' },
      dependencies: { ms: '2.1.3' },
    }),
    'package-lock.json': JSON.stringify({
      lockfileVersion: 3,
      packages: { '': { dependencies: { ms: '2.1.3' } }, 'node_modules/ms': { version: '2.1.3' } },
    }),
    's.js': 'console.log(require("./build/Release/answer.node").answer, process.version)',
    'binding.gyp': '{ "targets": [{ "target_name": "answer", "sources": ["answer.c"] }] }',
    'answer.c': `#include <node_api.h>
static napi_value init(napi_env env, napi_value exports) {
  napi_value n;
  napi_create_int32(env, 42, &n);
  napi_set_named_property(env, exports, "answer", n);
  return exports;
}
NAPI_MODULE(answer, init)
`,
  });
  for (const node of ['24.x', '22.x']) {
    const build = await bench.build(app(node), { app: 'addon' });
    assert.equal(build.end?.status, 'succeeded', build.output + JSON.stringify(build.end));
    const seen = await bench.runIn(build.end.result.image, 'node s.js; ls /opt/berth');
    assert.match(seen.output, new RegExp(`^42 v${node.slice(0, 2)}\\.\\d+\\.\\d+\nnode\n$`));
  }
});
