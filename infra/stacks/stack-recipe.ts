// A stack recipe (recipe.json) as the command that makes it and the config of its image. Pure; used by make-stack.ts.
import { createHash } from 'node:crypto';
import type { ImageConfig } from '@berth/clients/engine-types.ts';
import { bootstrapEnvironment } from './config.ts';

export interface StackRecipe {
  name: string;
  suite: string;
  components: string[];
  user: { name: string; uid: number; gid: number; home: string };
  run: StackContent & { toolsTag: string };
  build: StackContent;
}

export interface StackContent {
  tag: string;
  /** build: beside Debian's smallest system. run: all there is, with what they need. */
  packages: string[];
  /** dpkg's patterns of files that nobody needs. */
  leftOut: string[];
  /** Of these, the ones that stay. */
  kept: string[];
}

/**
 * run: what apps stand on; apt, dpkg and what they need are taken out of it and lie over it, as the tools, where packages are installed.
 * build: compilers, headers and tools for steps that need them, a system of its own; never part of an app's image.
 */
export type StackVariant = 'run' | 'build';

export interface BootstrapPlan {
  argv: [string, ...string[]];
  env: Record<string, string>;
  /** run: a folder. build: a tar. */
  target: string;
  mirror: string;
}

/** What packages name as needed for their maintainer scripts: of no use to a program that runs. */
export const installersOnly: ReadonlySet<string> = new Set([
  'apt',
  'debconf',
  'debian-archive-keyring',
  'dpkg',
  'init-system-helpers',
  'install-info',
  'sqv',
]);

/** Raise it when the hooks below change what comes out. */
const recipeVersion = 2;

/** Changes when the recipe of the variant does: the image carries it as a label. */
export function stackKey(recipe: StackRecipe, variant: StackVariant, arch: string): string {
  const { name, suite, components, user } = recipe;
  const parts = [recipeVersion, name, suite, components, user, variant, recipe[variant], arch];
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex');
}

export function bootstrapPlan(
  recipe: StackRecipe,
  variant: StackVariant,
  where: { arch: string; mirror: string; keyring: string; target: string },
): BootstrapPlan {
  const { user, suite, components } = recipe;
  const passwd = `${user.name}:x:${user.uid}:${user.gid}::${user.home}:/bin/bash`;
  const security = where.mirror.replace(/\/debian\/?$/, '/debian-security');
  return {
    argv: [
      'mmdebstrap',
      '--mode=root',
      '--variant=minbase',
      `--architectures=${where.arch}`,
      `--components=${components.join(',')}`,
      `--include=${recipe[variant].packages.join(',')}`,
      `--format=${variant === 'run' ? 'directory' : 'tar'}`,
      // The engine makes its own /dev, and refuses device nodes in a layer.
      '--skip=output/dev',
      '--dpkgopt=path-exclude=/usr/share/doc/*',
      '--dpkgopt=path-exclude=/usr/share/man/*',
      '--dpkgopt=path-exclude=/usr/share/info/*',
      '--dpkgopt=path-exclude=/usr/share/lintian/*',
      '--dpkgopt=path-exclude=/usr/share/locale/*',
      '--dpkgopt=path-include=/usr/share/doc/*/copyright',
      ...recipe[variant].leftOut.map((pattern) => `--dpkgopt=path-exclude=${pattern}`),
      ...recipe[variant].kept.map((pattern) => `--dpkgopt=path-include=${pattern}`),
      // It is thrown away when the power fails: no file has to reach the disk one by one.
      '--dpkgopt=force-unsafe-io',
      '--aptopt=Acquire::Languages "none"',
      '--aptopt=Acquire::Retries "3"',
      `--customize-hook=echo '${passwd}' >> "$1/etc/passwd"`,
      `--customize-hook=echo '${user.name}:x:${user.gid}:' >> "$1/etc/group"`,
      `--customize-hook=install -d -o ${user.uid} -g ${user.gid} -m 0755 "$1${user.home}"`,
      // What differs from one run to the next.
      '--customize-hook=rm -f "$1/etc/hostname" "$1/etc/resolv.conf" "$1/var/cache/ldconfig/aux-cache" "$1/etc/machine-id"',
      '--customize-hook=find "$1/var/log" -type f -delete',
      suite,
      where.target,
      `deb [signed-by=${where.keyring}] ${where.mirror} ${suite} ${components.join(' ')}`,
      `deb [signed-by=${where.keyring}] ${where.mirror} ${suite}-updates ${components.join(' ')}`,
      `deb [signed-by=${where.keyring}] ${security} ${suite}-security ${components.join(' ')}`,
    ],
    env: bootstrapEnvironment(),
    target: where.target,
    mirror: where.mirror,
  };
}

/** `created` is when the packages were fetched: a newer image of the same recipe is another one. */
export function stackImageConfig(arch: string, key: string, created: Date): ImageConfig {
  return {
    architecture: arch,
    os: 'linux',
    created: created.toISOString(),
    config: {
      Env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', 'LANG=C.UTF-8'],
      Cmd: ['/bin/bash'],
      WorkingDir: '/',
      Labels: { 'berth.stack': key },
    },
  };
}
