// Passwords of registry users: scrypt with a salt, `scrypt$<log2 N>$<r>$<p>$<salt>$<hash>`. Called when a user is added and at each login.
// Must never run many at once: each takes 32 MiB for a moment.
import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto';

const cost = { log2N: 15, r: 8, p: 3 }; // OWASP's choice for 32 MiB; about 0.2 s here
const lengthBytes = 32;
const maxWaiting = 32; // a flood of logins is refused, not kept in memory
let last: Promise<unknown> = Promise.resolve();
let waiting = 0;

export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(16);
  const { log2N, r, p } = cost;
  const hash = await derive(password, salt, log2N, r, p);
  return ['scrypt', log2N, r, p, salt.toString('base64url'), hash.toString('base64url')].join('$');
}

/** Without a stored hash it takes as long and answers false, so that nobody learns which users there are. `busy` when too many wait. */
export async function isPasswordOf(password: string, stored: string | undefined): Promise<boolean | 'busy'> {
  if (waiting >= maxWaiting) return 'busy';
  const [kind, log2N, r, p, salt = '', hash = ''] = (stored ?? '').split('$');
  const isKnown = kind === 'scrypt';
  const wanted = isKnown ? Buffer.from(hash, 'base64url') : Buffer.alloc(lengthBytes);
  const found = await (isKnown
    ? derive(password, Buffer.from(salt, 'base64url'), Number(log2N), Number(r), Number(p))
    : derive(password, Buffer.alloc(16), cost.log2N, cost.r, cost.p));
  return isKnown && found.length === wanted.length && timingSafeEqual(found, wanted);
}

/** One after another: the threads that derive keys also read files for everybody else. */
function derive(password: string, salt: Buffer, log2N: number, r: number, p: number): Promise<Buffer> {
  waiting++;
  const work = last
    .then(() => {
      const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
      const options = { N: 2 ** log2N, r, p, maxmem: 256 * 1024 * 1024 };
      scrypt(password, salt, lengthBytes, options, (error, key) => (error ? reject(error) : resolve(key)));
      return promise;
    })
    .finally(() => waiting--);
  last = work.catch(() => {});
  return work;
}
