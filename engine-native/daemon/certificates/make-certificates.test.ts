import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { makeCertificates } from './make-certificates.ts';

const read = (path: string) => new X509Certificate(readFileSync(path));

test('a CA, a server with its names and a client, each good for its own purpose only', (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'certs-'));
  t.after(() => rmSync(dir, { recursive: true }));
  const files = makeCertificates(dir, ['engine.example', '192.0.2.7', 'fd00::7']);
  const [ca, server, client] = [read(files.ca), read(files.cert), read(join(files.clientDir, 'cert.pem'))];
  assert.equal(ca.ca, true);
  assert.deepEqual([server.ca, client.ca], [false, false]);
  for (const leaf of [server, client]) {
    assert.ok(leaf.verify(ca.publicKey) && leaf.checkIssued(ca));
    assert.equal(leaf.issuer, 'CN=Berth engine CA');
  }
  assert.ok(server.checkHost('engine.example') && server.checkIP('192.0.2.7') && server.checkIP('fd00::7'));
  assert.equal(server.checkHost('other.example'), undefined);
  assert.deepEqual([server.keyUsage, client.keyUsage], [['1.3.6.1.5.5.7.3.1'], ['1.3.6.1.5.5.7.3.2']]);
  assert.ok(Date.parse(server.validTo) > Date.now() + 800 * 24 * 3_600_000);
  for (const key of [join(dir, 'ca-key.pem'), files.key, join(files.clientDir, 'key.pem')])
    assert.equal(statSync(key).mode & 0o777, 0o600);
});

test('a second run keeps the CA and renews the rest', (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'certs-'));
  t.after(() => rmSync(dir, { recursive: true }));
  const files = makeCertificates(dir, ['a.example']);
  const [ca, server] = [read(files.ca), read(files.cert)];
  makeCertificates(dir, ['b.example']);
  assert.equal(read(files.ca).fingerprint256, ca.fingerprint256);
  assert.notEqual(read(files.cert).fingerprint256, server.fingerprint256);
  assert.ok(read(files.cert).checkHost('b.example') && read(files.cert).verify(ca.publicKey));
});

test('what is no host name is refused before anything is written', (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'certs-'));
  t.after(() => rmSync(dir, { recursive: true }));
  assert.throws(() => makeCertificates(dir, ['a b']), /"a b" is neither a host name nor an address/);
});
