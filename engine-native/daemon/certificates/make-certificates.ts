// Writes the files that the remote API needs: a CA, a certificate for the engine, one for a client. Called by `berth-engine certs`.
// Run again it keeps the CA and renews the others. Must never overwrite the key of a CA: clients of it would be cut off.
import { createPrivateKey, createPublicKey, type KeyObject, X509Certificate } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { join } from 'node:path';
import { AppError } from '@berth/kit/errors.ts';
import { type Issuer, makeCertificate, newKeyPair } from './certificate.ts';

const dayMs = 24 * 3600 * 1000;
const caDays = 3650;
const leafDays = 825; // the longest that every TLS library accepts
const caName = 'Berth engine CA';

export interface CertificateFiles {
  ca: string;
  cert: string;
  key: string;
  /** What a client's DOCKER_CERT_PATH names: ca.pem, cert.pem, key.pem. */
  clientDir: string;
}

/** `hosts`: names and addresses that clients reach the engine by. */
export function makeCertificates(dir: string, hosts: string[], now = new Date()): CertificateFiles {
  const bad = hosts.find((host) => isIP(host) === 0 && !/^[a-zA-Z0-9*]([a-zA-Z0-9.-]{0,252})$/.test(host));
  if (bad !== undefined) throw new AppError('bad_request', `"${bad}" is neither a host name nor an address`);
  if (hosts.some((host) => host.includes('%')))
    throw new AppError('bad_request', 'an address with a zone cannot stand in a certificate');
  const files = {
    ca: join(dir, 'ca.pem'),
    cert: join(dir, 'server-cert.pem'),
    key: join(dir, 'server-key.pem'),
    clientDir: join(dir, 'client'),
  };
  mkdirSync(files.clientDir, { recursive: true, mode: 0o700 });
  const ca = loadOrMakeCa(dir, files.ca, now);
  writeLeaf('server', hosts, ca, { cert: files.cert, key: files.key }, now);
  const client = { cert: join(files.clientDir, 'cert.pem'), key: join(files.clientDir, 'key.pem') };
  writeLeaf('client', [], ca, client, now);
  writeFileSync(join(files.clientDir, 'ca.pem'), readFileSync(files.ca), { mode: 0o644 });
  return files;
}

function loadOrMakeCa(dir: string, certFile: string, now: Date): Issuer {
  const keyFile = join(dir, 'ca-key.pem');
  if (existsSync(keyFile) && existsSync(certFile)) {
    const privateKey = createPrivateKey(readFileSync(keyFile));
    if (!new X509Certificate(readFileSync(certFile)).checkPrivateKey(privateKey))
      throw new AppError('conflict', `"${keyFile}" is not the key of "${certFile}"`, {
        hint: 'take another folder',
      });
    return { commonName: caName, privateKey, publicKey: createPublicKey(privateKey) };
  }
  if (existsSync(keyFile) || existsSync(certFile))
    throw new AppError('conflict', `"${dir}" holds half a CA`, { hint: 'take another folder' });
  const pair = newKeyPair();
  const ca = { commonName: caName, ...pair };
  const subject = { commonName: caName, kind: 'ca' as const, hosts: [], ...validity(now, caDays) };
  writeKey(keyFile, pair.privateKey);
  writeFileSync(certFile, makeCertificate(subject, pair.publicKey, ca), { mode: 0o644 });
  return ca;
}

function writeLeaf(
  kind: 'server' | 'client',
  hosts: string[],
  ca: Issuer,
  files: { cert: string; key: string },
  now: Date,
): void {
  const pair = newKeyPair();
  const subject = {
    commonName: (hosts[0] ?? 'client').slice(0, 64),
    kind,
    hosts,
    ...validity(now, leafDays),
  };
  writeKey(files.key, pair.privateKey);
  writeFileSync(files.cert, makeCertificate(subject, pair.publicKey, ca), { mode: 0o644 });
}

/** An hour back: a client whose clock is behind must not refuse it. */
function validity(now: Date, days: number): { notBefore: Date; notAfter: Date } {
  const atSecond = Math.floor(now.getTime() / 1000) * 1000;
  return { notBefore: new Date(atSecond - 3_600_000), notAfter: new Date(atSecond + days * dayMs) };
}

function writeKey(path: string, key: KeyObject): void {
  writeFileSync(path, key.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });
}
