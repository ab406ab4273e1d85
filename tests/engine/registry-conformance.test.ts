/**
 * The OCI's own conformance program for registries, all of it, against our registry. It has no release to install; build it from
 * the conformance folder of the OCI's distribution-spec and name it in BERTH_TEST_DISTRIBUTION_CONFORMANCE.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { TestRegistry } from './registry-harness.ts';

const program = process.env['BERTH_TEST_DISTRIBUTION_CONFORMANCE'];
const skip =
  program === undefined &&
  'needs the conformance program of the OCI distribution-spec: build it and set BERTH_TEST_DISTRIBUTION_CONFORMANCE to its path';
const limitMs = 120_000; // it takes five seconds; a registry that hangs must fail the test, not hang it

// Everything is switched on but sparse images: an image whose layers are missing is refused, as the spec allows.
const everything = {
  OCI_TLS: 'disabled',
  OCI_VERSION: '1.1',
  OCI_API_BLOBS_DIGEST_HEADER: 'true',
  OCI_API_BLOBS_UPLOAD_CANCEL: 'true',
  OCI_API_MANIFESTS_DIGEST_HEADER: 'true',
  OCI_API_MANIFESTS_TAG_PARAM: 'true',
};

async function conform(registry: TestRegistry, more: Record<string, string> = {}): Promise<string> {
  const { stdout } = await promisify(execFile)(program ?? '', [], {
    timeout: limitMs,
    cwd: registry.dir,
    maxBuffer: 64 * 1024 * 1024,
    env: {
      ...everything,
      OCI_REGISTRY: registry.address,
      OCI_RESULTS_DIR: join(registry.dir, 'results'),
      ...more,
    },
  });
  return stdout;
}

/** `Pass..........:   982` and `Blob push....:  Pass` of the summary. */
function summaryOf(output: string): Map<string, string> {
  return new Map(
    [...output.matchAll(/^ {2}(\S.*?)\.*: +(\S+)$/gm)].map(([, name = '', value = '']) => [name, value]),
  );
}

function checkAllPass(output: string): void {
  const summary = summaryOf(output);
  assert.deepEqual(
    [summary.get('FAIL'), summary.get('Error'), summary.get('Disabled')],
    ['0', '0', '0'],
    output,
  );
  assert.ok(Number(summary.get('Pass')) > 900, output);
  const others = [...summary].filter(([, value]) => ['FAIL', 'Skip', 'Error', 'Disabled'].includes(value));
  assert.deepEqual(
    others.map(([name]) => name),
    ['Sparse Manifests'],
  );
}

test('the registry passes the OCI distribution conformance in full', { skip }, async () => {
  const registry = await TestRegistry.start();
  try {
    checkAllPass(await conform(registry));
  } finally {
    registry.close();
  }
});

test('it passes as well when every request needs a token', { skip }, async () => {
  const registry = await TestRegistry.start({ anonymous: 'none' });
  try {
    const all = {
      repositories: 'conformance/*',
      actions: ['pull' as const, 'push' as const, 'delete' as const],
    };
    await registry.accounts.set('tester', 'a long password', [all]);
    const login = { OCI_USERNAME: 'tester', OCI_PASSWORD: 'a long password' };
    checkAllPass(await conform(registry, login));
  } finally {
    registry.close();
  }
});
