// What the daemon asks berth-engine-helper to do, one method an op (PROTOCOL.md, "Helper"). Starts nothing itself: helper-process.ts does.
import type { Socket } from 'node:net';
import type { Readable } from 'node:stream';
import { AppError } from '@berth/kit/errors.ts';
import type { ContainerSpec, InterfaceSpec } from './container-spec.ts';
import type { FrameConnection } from './frame-connection.ts';
import { openStreamOp, uploadStreamOp } from './stream-op.ts';

// Each limit keeps a stopped helper from holding a request for ever; the heavy ops walk whole trees.
const quickLimitMs = 5_000;
const startLimitMs = 25_000; // the helper itself gives a shim 20 s
const archiveStatLimitMs = 15_000; // mounts a container's layers and volumes first
const heavyLimitMs = 600_000;
const tries = 4; // a helper that dies of the request itself must not be asked for ever

export interface UntarOptions {
  owner?: { uid: number; gid: number };
  mtime?: number;
  maxBytes?: number;
  maxFiles?: number;
  strip?: number;
  /** What to do with device nodes; default `refuse`. */
  devices?: 'refuse' | 'skip';
}

export interface UntarResult {
  sha256: string;
  bytes: number;
  files: number;
}

export interface DigestResult extends UntarResult {
  /** Of the canonical tar. */
  size: number;
}

/** How layer.copy is told what to copy. `records`: "<op>\\0<mode>\\0<source>\\0<target>\\0", as PROTOCOL.md says. */
export interface CopyRequest {
  lower: string[];
  upper: string;
  work: string;
  source?: string[];
  owner?: { uid: number; gid: number };
}

export interface StartResult {
  pid: number;
  shimPid: number;
  startedAt: string;
}

/** An entry of the firewall's maps of published ports; `ip` "" = every address of the host. */
export interface PortEntry {
  proto: 'tcp' | 'udp' | 'sctp';
  ip: string;
  port: number;
  to: string;
  toPort: number;
}

export interface BridgeRequest {
  bridge: string;
  address: string;
  address6?: string;
  mtu: number;
}

/** The files of a container: of one that runs by its shim, of one at rest by its layers (PROTOCOL.md, "root"). */
export type ArchiveRoot =
  | { runDir: string }
  | {
      lower: string[];
      upper?: string;
      work?: string;
      readonly?: boolean;
      mounts?: { source: string; target: string; readonly: boolean; subpath?: string }[];
    };

export interface PathStat {
  name: string;
  size: number;
  /** st_mode. */
  mode: number;
  /** RFC 3339. */
  mtime: string;
  linkTarget: string;
}

export class Helper {
  readonly #socketPath: string;
  readonly #connection: () => Promise<FrameConnection>;

  /** `connection` gives the living connection or throws `unavailable` while the helper is being restarted. */
  constructor(socketPath: string, connection: () => Promise<FrameConnection>) {
    this.#socketPath = socketPath;
    this.#connection = connection;
  }

  async startContainer(spec: ContainerSpec): Promise<StartResult> {
    return (await this.#ask('container.start', { spec }, startLimitMs)) as unknown as StartResult;
  }

  async untar(dest: string, body: Readable, options: UntarOptions = {}): Promise<UntarResult> {
    const reply = await uploadStreamOp(this.#socketPath, 'layer.untar', { dest, ...options }, body);
    return {
      sha256: hexDigest(reply['sha256']),
      bytes: Number(reply['bytes']),
      files: Number(reply['files']),
    };
  }

  /** The canonical tar of a folder; the caller reads the socket to its end. */
  async tar(
    dir: string,
    options: { mtime?: number; base?: string; exclude?: readonly string[] } = {},
  ): Promise<Socket> {
    return (await openStreamOp(this.#socketPath, 'layer.tar', { dir, ...options })).socket;
  }

  async digest(dir: string, options: { mtime?: number } = {}): Promise<DigestResult> {
    const reply = await this.#askAgain('layer.digest', { dir, ...options }, heavyLimitMs);
    return {
      sha256: hexDigest(reply['sha256']),
      size: Number(reply['size']),
      bytes: Number(reply['bytes']),
      files: Number(reply['files']),
    };
  }

  /** What lies below a path of a merged tree, as records (PROTOCOL.md, "tree.list"); the caller reads the socket to its end. */
  async listTree(
    lower: string[],
    path: string,
    options: { depth?: number; hash?: boolean } = {},
  ): Promise<{ path: string; records: Socket }> {
    const { reply, socket } = await openStreamOp(this.#socketPath, 'tree.list', { lower, path, ...options });
    return { path: String(reply['path']), records: socket };
  }

  async copyTree(request: CopyRequest, records: Readable): Promise<{ files: number; bytes: number }> {
    const reply = await uploadStreamOp(this.#socketPath, 'layer.copy', { ...request }, records);
    return { files: Number(reply['files']), bytes: Number(reply['bytes']) };
  }

  /** `bytes` on disk, `content`: the files' lengths. */
  async usage(dir: string): Promise<{ bytes: number; content: number; files: number }> {
    const reply = await this.#askAgain('dir.usage', { dir }, heavyLimitMs);
    return {
      bytes: Number(reply['bytes']),
      content: Number(reply['content']),
      files: Number(reply['files']),
    };
  }

  async remove(dir: string): Promise<void> {
    await this.#askAgain('dir.remove', { dir }, heavyLimitMs).catch((error: unknown) => {
      if (!(error instanceof AppError && error.code === 'not_found')) throw error;
    });
  }

  /** Renames what is there of `paths` into the empty folder `into`: in no time, whatever it is. */
  async setAside(paths: readonly string[], into: string): Promise<void> {
    await this.#askAgain('dir.set_aside', { paths, into }, heavyLimitMs);
  }

  async sync(dir: string): Promise<void> {
    await this.#askAgain('dir.sync', { dir }, heavyLimitMs);
  }

  async archiveStat(root: ArchiveRoot, path: string): Promise<PathStat> {
    return pathStat(await this.#askAgain('archive.stat', { root, path }, archiveStatLimitMs));
  }

  /** A file or folder as a tar; the caller reads the socket to its end, which only a whole archive has (tar-end.ts). */
  async archiveGet(
    root: ArchiveRoot,
    path: string,
    options: { follow?: boolean; contents?: boolean } = {},
  ): Promise<{ stat: PathStat; tar: Socket }> {
    const fields = { root, path, ...options };
    const { reply, socket } = await openStreamOp(this.#socketPath, 'archive.get', fields);
    return { stat: pathStat(reply), tar: socket };
  }

  async archivePut(
    root: ArchiveRoot,
    path: string,
    body: Readable,
    options: { noSwap: boolean; idLimit?: number; owner?: { uid: number; gid: number } },
  ): Promise<void> {
    await uploadStreamOp(this.#socketPath, 'archive.put', { root, path, ...options }, body);
  }

  /** What `upper` changes in the layers, as records of a kind (A, C, D) and a path, each ended by a NUL; an empty one ends the list. */
  async changes(lower: string[], upper: string): Promise<Socket> {
    return (await openStreamOp(this.#socketPath, 'container.changes', { lower, upper })).socket;
  }

  /** Copies what the layers hold at `path` into an empty volume. */
  async fillVolume(root: ArchiveRoot, path: string, dest: string): Promise<void> {
    await this.#ask('volume.fill', { root, path, dest }, heavyLimitMs);
  }

  /** Memory of a volume; nothing happens when it is mounted already. */
  async mountTmpfs(dest: string, options: Record<string, string>, noexec: boolean): Promise<void> {
    await this.#askAgain('volume.mount', { dest, options, noexec }, quickLimitMs);
  }

  async unmount(dest: string): Promise<void> {
    await this.#askAgain('volume.unmount', { dest }, quickLimitMs);
  }

  async ensureBridge(request: BridgeRequest): Promise<void> {
    await this.#askAgain('net.ensure', { ...request }, quickLimitMs);
  }

  async removeBridge(bridge: string): Promise<void> {
    await this.#askAgain('net.remove', { bridge }, quickLimitMs);
  }

  /** One more interface for a container that runs. */
  async connectNetwork(pid: number, spec: InterfaceSpec): Promise<void> {
    await this.#ask('net.connect', { pid, interface: spec }, quickLimitMs);
  }

  async disconnectNetwork(pid: number, ifname: string): Promise<void> {
    await this.#askAgain('net.disconnect', { pid, ifname }, quickLimitMs);
  }

  /** The container's default routes lead through another of its interfaces; "" leaves a family alone. */
  async setDefaultRoute(
    pid: number,
    route: { ifname: string; gateway: string; gateway6: string },
  ): Promise<void> {
    await this.#askAgain('net.route', { pid, ...route }, quickLimitMs);
  }

  async publishPorts(table: string, ports: PortEntry[]): Promise<void> {
    await this.#askAgain('port.publish', { table, ports }, quickLimitMs);
  }

  async withdrawPorts(table: string, ports: PortEntry[]): Promise<void> {
    await this.#askAgain('port.withdraw', { table, ports }, quickLimitMs);
  }

  /** The kernel forgets the UDP flows through these ports; some ten ms, for which nobody needs to wait. */
  async forgetFlows(ports: PortEntry[]): Promise<void> {
    await this.#ask('port.forget', { ports }, 15_000);
  }

  /** Resolves when another program has taken rules of the table away; rejects when the helper ends. */
  async waitForTableLoss(table: string): Promise<void> {
    await this.#ask('nft.wait', { table }, 0);
  }

  async applyRuleset(ruleset: string): Promise<void> {
    await this.#askAgain('nft.apply', { ruleset }, 15_000); // nft waits for the kernel's commit under load
  }

  async setSysctl(name: string, value: string): Promise<void> {
    await this.#askAgain('sysctl.set', { name, value }, quickLimitMs);
  }

  /** Gives back the memory of code that only the daemon's start needed. */
  async trimDaemon(): Promise<void> {
    await this.#ask('daemon.trim', {}, quickLimitMs);
  }

  /** For what is the same done twice: a helper that dies on the way must leave no folder, mount, rule or bridge behind. */
  async #askAgain(op: string, fields: object, limitMs: number): Promise<Record<string, unknown>> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#ask(op, fields, limitMs);
      } catch (error) {
        const isLost = error instanceof AppError && error.code === 'unavailable';
        if (!isLost || attempt === tries) throw error;
      }
    }
  }

  async #ask(op: string, fields: object, limitMs: number): Promise<Record<string, unknown>> {
    const connection = await this.#connection();
    return connection.request(op, fields as Record<string, unknown>, limitMs);
  }
}

/** Digests are kept as `sha256:<hex>` everywhere in the daemon, whichever way the peer wrote them. */
function hexDigest(value: unknown): string {
  const hex = String(value).replace(/^sha256:/, '');
  if (!/^[0-9a-f]{64}$/.test(hex)) throw new AppError('internal', 'the engine helper sent no digest');
  return `sha256:${hex}`;
}

function pathStat(reply: Record<string, unknown>): PathStat {
  const mtimeMs = Number(reply['mtime']) * 1000 + Math.floor(Number(reply['mtimeNs']) / 1e6);
  return {
    name: String(reply['name']),
    size: Number(reply['size']),
    mode: Number(reply['mode']),
    mtime: new Date(Math.min(Math.max(mtimeMs, -62_135_596_800_000), 253_402_300_799_000)).toISOString(),
    linkTarget: String(reply['linkTarget'] ?? ''),
  };
}
