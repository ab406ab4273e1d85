/**
 * The smallest root filesystem a container can have: the static guest program and an /etc, and hostile variants of it.
 * Used by the shim tests.
 */
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { builds, guestProgram } from './config.ts';

export function buildRuntime(): void {
  for (const words of builds) execFileSync('make', words, { stdio: ['ignore', 'ignore', 'inherit'] });
}

export class GuestRoot {
  readonly path = mkdtempSync(path.join(tmpdir(), 'shim-root-'));

  constructor() {
    for (const directory of ['etc', 'bin', 'tmp', 'data']) mkdirSync(path.join(this.path, directory));
    copyFileSync(guestProgram, this.inside('guest'));
    this.write('etc/passwd', 'root:x:0:0::/root:/guest\napp:x:1000:1001::/home/app:/guest\n');
    this.write('etc/group', 'root:x:0:\nweb:x:33:app\napp:x:1001:\n');
    writeFileSync(this.inside('bin/notes'), 'no program\n');
    writeFileSync(this.inside('bin/script'), 'echo no interpreter line\n', { mode: 0o755 });
    writeFileSync(this.inside('bin/orphan'), '#!/no/such/interpreter\n', { mode: 0o755 });
  }

  inside(name: string): string {
    return path.join(this.path, name);
  }

  write(name: string, text: string): void {
    writeFileSync(this.inside(name), text);
  }

  link(name: string, target: string): this {
    rmSync(this.inside(name), { recursive: true, force: true });
    symlinkSync(target, this.inside(name));
    return this;
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}
