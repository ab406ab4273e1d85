// Which Rust builds an app: RUSTUP_TOOLCHAIN, rust-toolchain.toml or rust-toolchain, .tool-versions, RustConfig; else the newest stable. The Rust distribution
// server says what a channel is today; without it Debian's own compiler serves whom it suits. Used by facts.ts.
import type { PlanContext, VersionList } from '@berth/builder/plan/plan.ts';
import { at, itemsOf, textOf } from '@berth/builder/source/located.ts';
import { parseToml } from '@berth/builder/source/parse-toml.ts';
import type { SourceTree } from '@berth/builder/source/source-tree.ts';
import { AppError, asAppError } from '@berth/kit/errors.ts';
import semver from 'semver';
import type { CargoPackage } from './cargo-files.ts';

export interface RustChoice {
  /** "1.99.1", "1.101.0-nightly". */
  version: string;
  /** Path of the channel's manifest below dist/; undefined: Debian's packages. */
  manifest: string | undefined;
  askedBy: string | undefined;
  warnings: string[];
}

interface Wish {
  channel: string;
  from: string;
  warnings: string[];
}

/** What the stack's suite has. */
const debiansRust = '1.85.0';

export async function chooseRust(
  tree: SourceTree,
  packages: readonly CargoPackage[],
  context: PlanContext,
): Promise<RustChoice> {
  const wish = await readWish(tree, context);
  const channel = wish?.channel ?? 'stable';
  const channelPattern = /^((stable|beta|nightly)(-\d{4}-\d\d-\d\d)?|\d+\.\d+(\.\d+)?)$/;
  if (!channelPattern.test(channel))
    throw new AppError('invalid', `"${channel}" (${wish?.from}) is not a Rust toolchain`, {
      hint: 'write "stable", a version such as "1.84.0", or "nightly-2026-01-31"',
    });
  const found = (await askServer(channel, context)) ?? debians(channel);
  if (found === undefined) throw await noSuchRust(channel, wish, context);
  const choice = { ...found, askedBy: wish?.from, warnings: [...(wish?.warnings ?? []), ...found.warnings] };
  refuseTooOld(choice, packages);
  return choice;
}

type Found = Omit<RustChoice, 'askedBy'>;

/** Undefined: the server has no such channel. A server that is away leaves Debian's compiler. */
async function askServer(channel: string, context: PlanContext): Promise<Found | undefined> {
  let answer: string | undefined;
  try {
    [answer] = await context.listVersions(channelList(channel));
  } catch (error) {
    const fallback = debians(channel);
    if (asAppError(error).code !== 'build_failed' || fallback === undefined) throw error;
    return fallback;
  }
  const [version, date] = answer?.split(' ') ?? [];
  if (version === undefined || date === undefined) return undefined;
  // A nightly is named by its day, everything else by its version: what the name stands for does not change.
  const moves = /-(nightly|beta)/.test(version);
  const name = version.includes('nightly') ? 'nightly' : 'beta';
  const manifest = moves ? `${date}/channel-rust-${name}.toml` : `channel-rust-${version}.toml`;
  return { version, manifest, warnings: [] };
}

function debians(channel: string): Found | undefined {
  if (channel !== 'stable' && !debiansRust.startsWith(channel)) return undefined;
  const warnings = [
    `the Rust distribution server cannot be reached: Debian's Rust ${debiansRust} builds the app`,
  ];
  return { version: debiansRust, manifest: undefined, warnings };
}

async function noSuchRust(channel: string, wish: Wish | undefined, context: PlanContext): Promise<AppError> {
  const line = /^(\d+\.\d+)\.\d+$/.exec(channel)?.[1];
  const near: string[] = [];
  for (const other of [...(line ? [line] : []), 'stable']) {
    const [answer] = await context.listVersions(channelList(other));
    if (answer !== undefined) near.push(answer.split(' ')[0] ?? '');
  }
  return new AppError('invalid', `there is no Rust "${channel}" (${wish?.from ?? 'the newest'})`, {
    hint: `nearest: ${[...new Set(near)].join(', ')}`,
  });
}

function refuseTooOld({ version, askedBy }: RustChoice, packages: readonly CargoPackage[]): void {
  for (const { folder, rustVersion } of packages) {
    const needed = semver.coerce(rustVersion);
    const has = semver.coerce(version);
    if (!needed || !has || semver.gte(has, needed)) continue;
    const file = folder === '' ? 'Cargo.toml' : `${folder}/Cargo.toml`;
    throw new AppError(
      'invalid',
      `${file} needs Rust ${rustVersion}, this build has ${version}${askedBy ? ` (${askedBy})` : ''}`,
      {
        hint: `ask for "${rustVersion}" in rust-toolchain.toml`,
      },
    );
  }
}

async function readWish(tree: SourceTree, context: PlanContext): Promise<Wish | undefined> {
  const plain = (channel: string | undefined, from: string): Wish | undefined =>
    channel?.trim() ? { channel: withoutHost(channel.trim()), from, warnings: [] } : undefined;
  const tools = (await tree.readText('.tool-versions', 65_536)) ?? '';
  const config = (await tree.readText('RustConfig', 65_536)) ?? '';
  return (
    plain(context.vars['RUSTUP_TOOLCHAIN'], 'the config var RUSTUP_TOOLCHAIN') ??
    (await readToolchainFile(tree)) ??
    plain(/^rust[ \t]+(\S+)/m.exec(tools)?.[1], '.tool-versions') ??
    plain(/^VERSION=["']?([\w.-]+)/m.exec(config)?.[1], 'RustConfig')
  );
}

/** As rustup reads it: the older file may be one word. */
async function readToolchainFile(tree: SourceTree): Promise<Wish | undefined> {
  for (const from of ['rust-toolchain', 'rust-toolchain.toml']) {
    const text = (await tree.readText(from, 65_536))?.trim();
    if (text === undefined || text === '') continue;
    if (/^\S+$/.test(text)) return { channel: withoutHost(text), from, warnings: [] };
    const toolchain = at(parseToml(from, text), 'toolchain');
    if (at(toolchain, 'path') !== undefined)
      throw new AppError('invalid', `${from} names a toolchain by its path`, {
        hint: 'name a channel: channel = "1.84.0"',
      });
    const targets = itemsOf(at(toolchain, 'targets')).flatMap((target) => textOf(target) ?? []);
    return {
      channel: withoutHost(textOf(at(toolchain, 'channel')) ?? 'stable'),
      from,
      warnings: targets.length > 0 ? [`other targets of ${from} are left out: ${targets.join(', ')}`] : [],
    };
  }
  return undefined;
}

/** `stable-x86_64-unknown-linux-gnu` is `stable` here. */
function withoutHost(channel: string): string {
  return channel.replace(/-(x86_64|aarch64|i686)-.*$/, '');
}

export function manifestOf(channel: string): string {
  const dated = /^(stable|beta|nightly)-(\d{4}-\d\d-\d\d)$/.exec(channel);
  return dated ? `${dated[2]}/channel-rust-${dated[1]}.toml` : `channel-rust-${channel}.toml`;
}

function channelList(channel: string): VersionList {
  return {
    name: `rust-${channel}`,
    of: 'Rust',
    script: channelScript,
    env: { MANIFEST: manifestOf(channel) },
    parse: (output) => (/^\d+\.\d+\.\d+\S* \d{4}-\d\d-\d\d$/m.exec(output) ?? []).slice(0, 1),
  };
}

/** Version and day of the channel; nothing when the server does not have it. */
const channelScript = `
status=$(curl -sSL -o /tmp/manifest -w '%{http_code}' --retry 2 --max-time 120 "\${RUSTUP_DIST_SERVER:-https://static.rust-lang.org}/dist/$MANIFEST")
case $status in
  200) awk -F'"' '/^date = / && !day { day = $2 } /^\\[pkg\\.rustc\\]/ { on = 1; next } on && /^version = / { split($2, v, " "); print v[1], day; exit }' /tmp/manifest ;;
  403|404|410) ;;
  *) exit 1 ;;
esac
`;
