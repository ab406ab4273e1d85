// A root filesystem with a shell, made of this machine's own dash and coreutils and the libraries they need: a base for builds, without a
// download. Used by build.test.ts and its kin.
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

const programs =
  'sh echo cat ls mkdir rm touch chmod chown stat id ln mv cp sleep env readlink sha256sum grep wc sort test true false tr head dd find';

/** The tar of the root. */
export function hostProgramsTar(): Buffer {
  const root = mkdtempSync(join(tmpdir(), 'host-root-'));
  try {
    for (const folder of ['bin', 'etc', 'tmp', 'root', 'proc', 'sys', 'dev', 'var', 'run'])
      mkdirSync(join(root, folder));
    chmodSync(join(root, 'tmp'), 0o1777);
    for (const name of programs.split(' ')) addProgram(root, name);
    writeFileSync(join(root, 'etc/passwd'), 'root:x:0:0::/root:/bin/sh\napp:x:1000:1001::/:/bin/sh\n');
    writeFileSync(join(root, 'etc/group'), 'root:x:0:\nweb:x:33:\napp:x:1001:\n');
    return execFileSync('tar', ['-C', root, '--owner=0', '--group=0', '--mtime=@0', '-cf', '-', '.'], {
      maxBuffer: 1 << 28,
    });
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

function addProgram(root: string, name: string): void {
  const path = ['/bin', '/usr/bin']
    .map((folder) => join(folder, name))
    .find((candidate) => existsSync(candidate));
  if (path === undefined) throw new Error(`this machine has no program "${name}"`);
  cpSync(realpathSync(path), join(root, 'bin', name));
  let libraries = '';
  try {
    libraries = execFileSync('ldd', [path], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  } catch {
    return; // static
  }
  for (const [, library = ''] of libraries.matchAll(/(\/\S+)/g)) {
    const to = join(root, library);
    if (existsSync(to)) continue;
    mkdirSync(dirname(to), { recursive: true });
    cpSync(realpathSync(library), to);
  }
}
