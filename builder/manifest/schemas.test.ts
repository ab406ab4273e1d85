// The published schemas are the ones that are checked with. After a change: npx node builder/manifest/schemas.test.ts --write
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { AppJson, BerthToml } from '@berth/contract/manifest.ts';

const published: [string, object][] = [
  ['berth.schema.json', BerthToml],
  ['app.schema.json', AppJson],
];

for (const [name, schema] of published) {
  const file = new URL(name, import.meta.url);
  if (process.argv.includes('--write')) writeFileSync(file, `${JSON.stringify(schema, null, 2)}\n`);
  test(`${name} is the schema that the platform checks with`, () => {
    assert.deepEqual(JSON.parse(readFileSync(file, 'utf8')), JSON.parse(JSON.stringify(schema)));
  });
}
