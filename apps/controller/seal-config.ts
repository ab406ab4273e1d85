// Envelope encryption of config vars: AES-256-GCM under a fresh key for each version, that key wrapped by the platform's key.
// The only place where config vars are plain is here, in the pods sent to hosts and in the answer to `berth config`.
import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { AppError } from '@berth/kit/errors.ts';
import type { SealedConfig } from '@berth/store/queries/config-versions.ts';

const nonceBytes = 12;
const tagBytes = 16;

export interface ConfigSealer {
  seal(appId: string, vars: Record<string, string>): SealedConfig;
  /** Throws `internal` when the key is not the one that sealed, or a byte was changed. */
  open(appId: string, sealed: SealedConfig): Record<string, string>;
}

/** Reads the platform's key: 32 bytes in base64, in a file that only its owner may read. */
export function readKey(file: string): Buffer {
  const mode = statSync(file).mode & 0o777;
  if ((mode & 0o077) !== 0)
    throw new AppError('invalid', `the key file "${file}" can be read by others (mode ${mode.toString(8)})`, {
      hint: `chmod 600 ${file}`,
    });
  const key = Buffer.from(readFileSync(file, 'utf8').trim(), 'base64');
  if (key.length !== 32)
    throw new AppError('invalid', `the key file "${file}" does not hold 32 bytes in base64`);
  return key;
}

export function createSealer(key: Buffer): ConfigSealer {
  const kekId = createHash('sha256').update('berth kek id').update(key).digest('hex').slice(0, 16);
  const aad = (appId: string) => Buffer.from(`${appId}|${kekId}`);
  return {
    seal(appId, vars) {
      const dataKey = randomBytes(32);
      const wrappedKey = encrypt(key, dataKey, aad(appId));
      const ciphertext = encrypt(dataKey, Buffer.from(JSON.stringify(vars)), aad(appId));
      return { kekId, wrappedKey, ciphertext };
    },
    open(appId, sealed) {
      if (sealed.kekId !== kekId)
        throw new AppError(
          'internal',
          `config vars of app "${appId}" were sealed with key ${sealed.kekId}, not with ${kekId}`,
        );
      const dataKey = decrypt(key, sealed.wrappedKey, aad(appId));
      const plain = decrypt(dataKey, sealed.ciphertext, aad(appId)).toString('utf8');
      return JSON.parse(plain) as Record<string, string>;
    },
  };
}

function encrypt(key: Buffer, plain: Buffer, aad: Buffer): Buffer {
  const nonce = randomBytes(nonceBytes);
  const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(aad);
  return Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
}

function decrypt(key: Buffer, sealed: Buffer, aad: Buffer): Buffer {
  const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, nonceBytes)).setAAD(aad);
  decipher.setAuthTag(sealed.subarray(sealed.length - tagBytes));
  return Buffer.concat([
    decipher.update(sealed.subarray(nonceBytes, sealed.length - tagBytes)),
    decipher.final(),
  ]);
}
