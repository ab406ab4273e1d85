// Installs the Debian packages a command needs and that are missing. Called by bootstrap.mjs as root.
// Must never leave a service running that it installed: Berth starts its own Redis, as a child, with its own data.
import { chmodSync, existsSync, rmSync, writeFileSync } from 'node:fs';
import { BootstrapError, detail } from './report.mjs';
import { findCommand, run, runQuietly } from './run.mjs';

/** Package → the command or file that shows it is there, so that a machine which has the tool from elsewhere needs no package. */
const toRun = new Map([
  ['git', 'git'],
  ['redis-server', 'redis-server'],
  ['nftables', 'nft'],
  ['iproute2', 'ip'],
  ['mmdebstrap', 'mmdebstrap'],
  ['debian-archive-keyring', '/usr/share/keyrings/debian-archive-keyring.gpg'],
  ['gcc', 'gcc'],
  ['make', 'make'],
  ['musl-tools', 'musl-gcc'],
  ['libc6-dev', '/usr/include/stdio.h'],
  ['linux-libc-dev', '/usr/include/linux/types.h'],
  ['ca-certificates', '/etc/ssl/certs/ca-certificates.crt'],
  ['curl', 'curl'],
  ['procps', 'ps'],
]);
const toCheck = new Map([
  ['clang', 'clang'],
  ['clang-format', 'clang-format'],
  ['clang-tidy', 'clang-tidy'],
]);
/** What only the tests start: the driver of a terminal. */
const toTest = new Map([['python3', 'python3']]);
const services = ['redis-server.service'];
const policyFile = '/usr/sbin/policy-rc.d';

/**
 * The packages that are missing for a command.
 * @param {'run' | 'check' | 'test'} purpose
 */
export function missingPackages(purpose) {
  const wanted = new Map(toRun);
  if (purpose !== 'run') for (const [name, proof] of toCheck) wanted.set(name, proof);
  if (purpose === 'test') for (const [name, proof] of toTest) wanted.set(name, proof);
  const missing = [...wanted].filter(([, proof]) => !isThere(proof)).map(([name]) => name);
  if (purpose === 'test' && !findCommand('docker')) missing.push(dockerPackage());
  if (purpose !== 'run' && !hasSanitizers()) missing.push('libclang-rt-dev');
  return missing;
}

/** @param {string} proof */
function isThere(proof) {
  return proof.startsWith('/')
    ? existsSync(proof)
    : findCommand(proof) !== undefined || existsSync(`/usr/sbin/${proof}`);
}

/** Newer Debians ship the command line client apart from the daemon; only the client is wanted. */
function dockerPackage() {
  return run(['apt-cache', 'show', '--no-all-versions', 'docker-cli']).exitCode === 0
    ? 'docker-cli'
    : 'docker.io';
}

/** clang's own sanitizer runtime is a package of its own since Debian 12 (libclang-rt-N-dev). */
function hasSanitizers() {
  const runtime = run(['clang', '--print-file-name=libclang_rt.asan.a']).output.trim();
  const byArch = run([
    'clang',
    `--print-file-name=libclang_rt.asan-${process.arch === 'x64' ? 'x86_64' : 'aarch64'}.a`,
  ]);
  return runtime.startsWith('/') || byArch.output.trim().startsWith('/');
}

/**
 * @param {'run' | 'check' | 'test'} purpose
 * @returns {Promise<boolean>}
 */
export async function installPackages(purpose) {
  const missing = missingPackages(purpose);
  if (missing.length === 0) return false;
  if (!findCommand('apt-get'))
    throw new BootstrapError(
      `"apt-get" is not here, and these are missing: ${missing.join(', ')}`,
      'install them with your own package manager and start again',
    );
  detail(`installing ${missing.join(' ')}`);
  const servicesBefore = new Set(services.filter((name) => existsSync(`/lib/systemd/system/${name}`)));
  await withoutServiceStart(async () => {
    const known = resolveNames(missing);
    if ((await aptInstall(known)).exitCode === 0) return;
    // The lists may be missing (a fresh image) or old; refreshing them costs seconds, so it is not done first.
    const update = await runQuietly([...aptGet, 'update'], {});
    const result = update.exitCode === 0 ? await aptInstall(resolveNames(missing)) : update;
    if (result.exitCode !== 0) throw new BootstrapError(...explainApt(result.output, missing));
  });
  disableNewServices(servicesBefore);
  return true;
}

// Another apt may hold the lock for minutes on a machine that has just booted (unattended upgrades).
const aptGet = ['apt-get', '-q', '-o', 'DPkg::Lock::Timeout=300', '-o', 'Acquire::Retries=2'];

/** @param {string[]} names */
function aptInstall(names) {
  return runQuietly([...aptGet, 'install', '-y', '--no-install-recommends', ...names], {
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
  });
}

/**
 * Replaces the sanitizer package by its versioned name, and drops it where the distribution has none.
 * @param {string[]} names
 */
function resolveNames(names) {
  const major = /clang version (\d+)/.exec(run(['clang', '--version']).output)?.[1] ?? defaultClangMajor();
  return names.flatMap((name) => {
    if (name !== 'libclang-rt-dev') return [name];
    const versioned = `libclang-rt-${major}-dev`;
    return major && run(['apt-cache', 'show', versioned]).exitCode === 0 ? [versioned] : [];
  });
}

function defaultClangMajor() {
  return /Depends: .*clang-(\d+)/.exec(run(['apt-cache', 'show', '--no-all-versions', 'clang']).output)?.[1];
}

/**
 * @param {string} output
 * @param {string[]} missing
 * @returns {[message: string, hint: string]}
 */
function explainApt(output, missing) {
  const last =
    output
      .trim()
      .split('\n')
      .filter((line) => /^(E|Err):/.test(line))
      .at(-1) ??
    output.trim().split('\n').at(-1) ??
    '';
  if (/No space left/i.test(output))
    return ['the disk is full: apt-get cannot unpack packages', 'free some space and start again'];
  if (/Temporary failure resolving|Could not connect|Could not resolve|Failed to fetch/i.test(output))
    return [
      `the package mirror cannot be reached (${last})`,
      'check the network and /etc/apt/sources.list, then start again',
    ];
  return [
    `apt-get cannot install ${missing.join(', ')} (${last})`,
    'run `apt-get update` by hand and start again',
  ];
}

/**
 * Debian starts what it installs unless policy-rc.d forbids it; a policy that is there already is left as it is.
 * @param {() => Promise<void>} work
 */
async function withoutServiceStart(work) {
  if (existsSync(policyFile)) return work();
  writeFileSync(policyFile, '#!/bin/sh\nexit 101\n');
  chmodSync(policyFile, 0o755);
  try {
    await work();
  } finally {
    rmSync(policyFile, { force: true });
  }
}

/** @param {Set<string>} before services that were installed already and stay as the owner has them */
function disableNewServices(before) {
  if (!existsSync('/run/systemd/system')) return;
  for (const name of services)
    if (!before.has(name) && existsSync(`/lib/systemd/system/${name}`))
      run(['systemctl', 'disable', '--now', name]);
}
