// X.509 certificates (RFC 5280) on P-256 keys: one CA, and servers and clients signed by it. Used by make-certificates.ts; node:crypto
// signs but writes no certificates. Must never sign a leaf that could sign others.
import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';
import { isIP } from 'node:net';
import {
  bits,
  boolean,
  der,
  integer,
  objectId,
  octets,
  sequence,
  set,
  tagged,
  taggedBytes,
  time,
  utf8,
} from './der.ts';

const ids = {
  ecdsaWithSha256: '1.2.840.10045.4.3.2',
  commonName: '2.5.4.3',
  subjectKeyId: '2.5.29.14',
  keyUsage: '2.5.29.15',
  altName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  authorityKeyId: '2.5.29.35',
  extendedKeyUsage: '2.5.29.37',
  serverAuth: '1.3.6.1.5.5.7.3.1',
  clientAuth: '1.3.6.1.5.5.7.3.2',
} as const;

export interface Subject {
  commonName: string;
  kind: 'ca' | 'server' | 'client';
  /** DNS names and addresses of a server. */
  hosts: string[];
  notBefore: Date;
  notAfter: Date;
}

export interface Issuer {
  commonName: string;
  privateKey: KeyObject;
  publicKey: KeyObject;
}

export function newKeyPair(): { privateKey: KeyObject; publicKey: KeyObject } {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' });
}

/** PEM. A CA is its own issuer. */
export function makeCertificate(subject: Subject, publicKey: KeyObject, issuer: Issuer): string {
  const algorithm = sequence(objectId(ids.ecdsaWithSha256));
  const toSign = sequence(
    tagged(0, integer(Buffer.from([2]))), // version 3
    integer(Buffer.concat([Buffer.from([0x01]), randomBytes(15)])),
    algorithm,
    nameOf(issuer.commonName),
    sequence(time(subject.notBefore), time(subject.notAfter)),
    nameOf(subject.commonName),
    publicKey.export({ type: 'spki', format: 'der' }),
    tagged(3, sequence(...extensionsOf(subject, publicKey, issuer.publicKey))),
  );
  const signature = sign('sha256', toSign, { key: issuer.privateKey, dsaEncoding: 'der' });
  const lines =
    sequence(toSign, algorithm, bits(signature))
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
}

function nameOf(commonName: string): Buffer {
  return sequence(set(sequence(objectId(ids.commonName), utf8(commonName))));
}

function extensionsOf({ kind, hosts }: Subject, publicKey: KeyObject, issuerKey: KeyObject): Buffer[] {
  const isCa = kind === 'ca';
  // Bits from the left: digitalSignature is the first, keyCertSign and cRLSign the sixth and seventh.
  const usage = isCa ? bits(Buffer.from([0x06]), 1) : bits(Buffer.from([0x80]), 7);
  const extensions = [
    critical(ids.basicConstraints, isCa ? sequence(boolean(true), integer(Buffer.from([0]))) : sequence()),
    critical(ids.keyUsage, usage),
    extension(ids.subjectKeyId, octets(keyId(publicKey))),
    extension(ids.authorityKeyId, sequence(taggedBytes(0, keyId(issuerKey)))),
  ];
  if (isCa) return extensions;
  const purpose = kind === 'server' ? ids.serverAuth : ids.clientAuth;
  extensions.push(extension(ids.extendedKeyUsage, sequence(objectId(purpose))));
  if (hosts.length > 0) extensions.push(extension(ids.altName, sequence(...hosts.map(altName))));
  return extensions;
}

function extension(id: string, value: Buffer): Buffer {
  return sequence(objectId(id), octets(value));
}

function critical(id: string, value: Buffer): Buffer {
  return sequence(objectId(id), boolean(true), octets(value));
}

function keyId(key: KeyObject): Buffer {
  return createHash('sha1')
    .update(key.export({ type: 'spki', format: 'der' }))
    .digest();
}

function altName(host: string): Buffer {
  return isIP(host) === 0 ? der(0x82, Buffer.from(host)) : der(0x87, addressBytes(host));
}

function addressBytes(host: string): Buffer {
  if (isIP(host) === 4) return Buffer.from(host.split('.').map(Number));
  const [head = '', tail] = host.split('::');
  const words = (part: string) => (part === '' ? [] : part.split(':'));
  const left = words(head);
  const right = words(tail ?? '');
  const zeros = tail === undefined ? 0 : 8 - left.length - right.length;
  const all = [...left, ...Array.from({ length: zeros }, () => '0'), ...right];
  return Buffer.from(all.map((word) => word.padStart(4, '0')).join(''), 'hex');
}
