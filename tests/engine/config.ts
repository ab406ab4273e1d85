// Which build of the C programs the engine's tests run. The only file of these tests that reads the environment. With BERTH_TEST_SANITIZE=1
// shim, helper, runtime and dns are those of `make SANITIZE=1`: what ASan and UBSan find is in /tmp/berth-sanitize.* then.
import { join, resolve } from 'node:path';

const runtime = resolve(import.meta.dirname, '../../engine-native/runtime');
const sanitized = process.env['BERTH_TEST_SANITIZE'] === '1';

/** The folder of the programs under test. */
export const nativeDir = join(runtime, sanitized ? 'build-sanitize' : 'build');

/** For `skip` of what measures the plain build: sanitizers bring libraries, and memory of their own. */
export const plainOnly = sanitized ? 'the build with sanitizers is another one' : false;

/** What runs inside containers is static, and always of the plain build. */
export const guestProgram = join(runtime, 'build/guest');

/** For `make`, to bring both up to date. */
export const builds: string[][] = [
  ['-s', '-C', runtime],
  ...(sanitized ? [['-s', '-C', runtime, 'SANITIZE=1', 'CC=gcc']] : []),
];

/** Times that every limit of a wait is longer: an emulated machine (tests/vm) is some ten times slower than a real one. */
export const slowness = Number(process.env['BERTH_TEST_SLOWNESS'] ?? 1);
