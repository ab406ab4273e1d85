// Config vars sealed and opened; wrong keys, other apps and changed bytes are refused; key files must be private.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { createSealer, readKey } from './seal-config.ts';

const vars = { A: '1', EMPTY: '', UTF: 'grüße 🌍' };

test('what is sealed can be opened, and never looks the same twice', () => {
  const sealer = createSealer(randomBytes(32));
  const one = sealer.seal('app1', vars);
  const two = sealer.seal('app1', vars);
  assert.deepEqual(sealer.open('app1', one), vars);
  assert.notDeepEqual(one.ciphertext, two.ciphertext);
  assert.notDeepEqual(one.wrappedKey, two.wrappedKey);
});

test('another key, another app or a changed byte opens nothing', () => {
  const sealer = createSealer(randomBytes(32));
  const sealed = sealer.seal('app1', vars);
  assert.throws(() => createSealer(randomBytes(32)).open('app1', sealed), /were sealed with key/);
  assert.throws(() => sealer.open('app2', sealed));
  for (const field of ['ciphertext', 'wrappedKey'] as const) {
    const changed = { ...sealed, [field]: Buffer.from(sealed[field]) };
    changed[field][20] = (changed[field][20] ?? 0) ^ 1;
    assert.throws(() => sealer.open('app1', changed), field);
  }
});

test('a key file that others can read, or that holds no key, is refused', () => {
  const folder = mkdtempSync(join(tmpdir(), 'berth-key-'));
  try {
    const file = join(folder, 'key');
    writeFileSync(file, `${randomBytes(32).toString('base64')}\n`, { mode: 0o600 });
    assert.equal(readKey(file).length, 32);
    chmodSync(file, 0o640);
    assert.throws(() => readKey(file), /can be read by others \(mode 640\)/);
    chmodSync(file, 0o600);
    writeFileSync(file, 'short\n');
    assert.throws(() => readKey(file), /does not hold 32 bytes/);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
