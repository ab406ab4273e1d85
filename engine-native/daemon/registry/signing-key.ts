// The registry's secret key, in ROOT/registry/signing.key (0600): made at the first start, signs tokens and the addresses of uploads.
// Must never leave the daemon; removing the file ends every token.
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { systemCode } from '@berth/kit/errors.ts';
import { replaceFile } from '../files.ts';

export class SigningKey {
  readonly #key: Buffer;

  constructor(key: Buffer) {
    this.#key = key;
  }

  static load(root: string): SigningKey {
    const folder = join(root, 'registry');
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const path = join(folder, 'signing.key');
    try {
      const key = Buffer.from(readFileSync(path, 'utf8').trim(), 'hex');
      if (key.length === 32) return new SigningKey(key);
    } catch (error) {
      if (systemCode(error) !== 'ENOENT') throw error;
    }
    const key = randomBytes(32);
    replaceFile(path, `${key.toString('hex')}\n`, true);
    return new SigningKey(key);
  }

  /** `purpose` keeps a signature for one use from counting for another. */
  sign(purpose: string, text: string): Buffer {
    return createHmac('sha256', this.#key).update(`${purpose}\0${text}`).digest();
  }

  isSigned(purpose: string, text: string, signature: Buffer): boolean {
    const right = this.sign(purpose, text);
    return signature.length === right.length && timingSafeEqual(signature, right);
  }
}
