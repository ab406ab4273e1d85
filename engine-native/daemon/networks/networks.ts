// The networks of this engine: their records, bridges, addresses and the one nftables table. Containers join through `join`.
// Must never start a container on a bridge whose rules are not in the kernel yet.
import { createHash, randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { AppError } from '@berth/kit/errors.ts';
import type { Logger } from '@berth/kit/logging.ts';
import { readJson, writeJson } from '../files.ts';
import type { NetworkSpec } from '../runtime/container-spec.ts';
import type { Helper } from '../runtime/helper.ts';
import { AddressPool, macOf } from './address-pool.ts';
import { type Cidr, formatCidr, formatIp, freeBlock, overlaps, parseCidr } from './cidr.ts';
import { dnsViewOf, type NetworkDnsView } from './dns-view.ts';
import type { Endpoint } from './endpoint.ts';
import { isLinkThere, outboundMtu } from './host-network.ts';
import { isIccOff, type NetworkRecord } from './network.ts';
import { nftRuleset } from './nft-ruleset.ts';

export const defaultNetworkName = 'bridge';
const defaultPrefix = 20; // the network everything lands on when nothing is said
const createdPrefix = 24;

export interface NetworkRequest {
  name: string;
  internal: boolean;
  labels: Record<string, string>;
  options: Record<string, string>;
  subnet?: string;
}

export class Networks {
  readonly #engineName: string;
  readonly #pool: Cidr;
  readonly #file: string;
  readonly #helper: Helper;
  readonly #log: Logger;
  readonly #records = new Map<string, NetworkRecord>();
  readonly #addresses = new Map<string, AddressPool>();
  /** Networks whose bridge and rules stand in the kernel, or are being put there. */
  readonly #ready = new Map<string, Promise<void>>();
  readonly #endpoints = new Set<Endpoint>();
  readonly #listeners = new Set<() => void>();
  #lastApply: Promise<void> = Promise.resolve();
  #forwarding = false;

  constructor(parts: { engineName: string; root: string; pool: Cidr; helper: Helper; log: Logger }) {
    this.#engineName = parts.engineName;
    this.#pool = parts.pool;
    this.#file = join(parts.root, 'networks.json');
    this.#helper = parts.helper;
    this.#log = parts.log;
    for (const record of readJson<NetworkRecord[]>(this.#file) ?? []) this.#keep(record);
    if (!this.find(defaultNetworkName))
      this.#add({ name: defaultNetworkName, internal: false, labels: {}, options: {} }, defaultPrefix);
  }

  list(): NetworkRecord[] {
    return [...this.#records.values()];
  }

  /** By name, id or a unique start of an id. */
  find(nameOrId: string): NetworkRecord | undefined {
    const all = this.list();
    const exact = all.find(({ name, id }) => name === nameOrId || id === nameOrId);
    if (exact || nameOrId.length < 4) return exact;
    const starting = all.filter(({ id }) => id.startsWith(nameOrId));
    return starting.length === 1 ? starting[0] : undefined;
  }

  get(nameOrId: string): NetworkRecord {
    const record = this.find(nameOrId);
    if (!record) throw new AppError('not_found', `no such network "${nameOrId}"`);
    return record;
  }

  /** Calls back after each change of what `dnsView` says; returns how to stop it. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  dnsView(): NetworkDnsView[] {
    return this.list().map((record) => dnsViewOf(record, this.#endpoints));
  }

  /** The container answers to other names from now on. */
  rename(containerId: string, names: string[]): void {
    for (const endpoint of this.#endpoints) if (endpoint.containerId === containerId) endpoint.names = names;
    this.#changed();
  }

  #changed(): void {
    for (const listener of this.#listeners) listener();
  }

  /** Creates the record and its rules; the bridge device comes with the first container. */
  async create(request: NetworkRequest): Promise<NetworkRecord> {
    if (!/^[a-zA-Z0-9][\w.-]{0,127}$/.test(request.name))
      throw new AppError('bad_request', `"${request.name}" is not a network name`, {
        hint: 'use letters, digits, dots, dashes and underscores',
      });
    if (['host', 'none', 'default'].includes(request.name) || this.find(request.name))
      throw new AppError('conflict', `network "${request.name}" exists already`);
    return this.#add(request, createdPrefix);
  }

  async remove(record: NetworkRecord): Promise<void> {
    if (record.name === defaultNetworkName)
      throw new AppError('forbidden', 'the default network "bridge" cannot be removed');
    const wasReady = this.#ready.has(record.id);
    this.#records.delete(record.id);
    this.#addresses.delete(record.id);
    this.#ready.delete(record.id);
    this.#save();
    this.#changed();
    if (!wasReady) return;
    await this.#helper.removeBridge(record.bridge);
    await this.#applyRules();
  }

  /** Makes the network usable and takes an address on it. */
  async join(record: NetworkRecord, containerId: string, names: string[]): Promise<Endpoint> {
    await this.#ensureReady(record);
    const pool = this.#addressesOf(record);
    const address = pool.take();
    const endpoint: Endpoint = {
      containerId,
      networkId: record.id,
      networkName: record.name,
      address,
      prefix: parseCidr(record.subnet).prefix,
      gateway: record.gateway,
      mac: macOf(address),
      names,
    };
    this.#endpoints.add(endpoint);
    this.#changed();
    return endpoint;
  }

  /** Notes the address of a container that is running already, at start. */
  adopt(endpoint: Endpoint): void {
    const record = this.#records.get(endpoint.networkId);
    if (!record) return;
    this.#addressesOf(record).adopt(endpoint.address);
    this.#endpoints.add(endpoint);
    this.#changed();
    void this.#ensureReady(record).catch((err: unknown) =>
      this.#log.error({ err, network: record.name }, 'network of a running container cannot be restored'),
    );
  }

  release(endpoint: Endpoint): void {
    this.#addresses.get(endpoint.networkId)?.release(endpoint.address);
    this.#endpoints.delete(endpoint);
    this.#changed();
  }

  specOf(record: NetworkRecord, endpoint: Endpoint, containerId: string): NetworkSpec {
    return {
      mode: 'bridge',
      bridge: record.bridge,
      ifname: 'eth0',
      address: `${endpoint.address}/${endpoint.prefix}`,
      gateway: endpoint.gateway,
      mac: endpoint.mac,
      mtu: outboundMtu(),
      isolated: isIccOff(record),
      hostIfname: hostIfname(containerId),
    };
  }

  /** Puts bridges and rules back that somebody else removed (a firewall reload flushes foreign tables). */
  async reassert(): Promise<void> {
    if (this.#ready.size === 0) return;
    for (const id of this.#ready.keys()) {
      const record = this.#records.get(id);
      if (record) await this.#ensureBridge(record);
    }
    await this.#applyRules();
  }

  /** Takes every bridge and the table away; only when no container runs. */
  async teardown(): Promise<void> {
    // Those of a daemon that was killed are here as well: this one may have had no use for them.
    const left = this.list().filter(({ id, bridge }) => this.#ready.has(id) || isLinkThere(bridge));
    for (const { bridge } of left) await this.#helper.removeBridge(bridge);
    if (left.length === 0) return;
    const table = `inet berth_${this.#engineName}`;
    await this.#helper.applyRuleset(`table ${table} {}\ndelete table ${table}\n`);
    this.#ready.clear();
  }

  #ensureReady(record: NetworkRecord): Promise<void> {
    const known = this.#ready.get(record.id);
    if (known) return known;
    const work = (async () => {
      await this.#applyRules(); // the rules first: there is no moment without them
      await this.#ensureBridge(record);
      if (this.#forwarding) return;
      await this.#helper.setSysctl('net.ipv4.ip_forward', '1');
      this.#forwarding = true;
    })();
    this.#ready.set(record.id, work);
    work.catch(() => this.#ready.delete(record.id));
    return work;
  }

  #ensureBridge(record: NetworkRecord): Promise<void> {
    const { prefix } = parseCidr(record.subnet);
    return this.#helper.ensureBridge({
      bridge: record.bridge,
      address: `${record.gateway}/${prefix}`,
      mtu: outboundMtu(),
    });
  }

  /** One transaction at a time, in order, so that an older table never replaces a newer one. */
  #applyRules(): Promise<void> {
    const apply = () =>
      this.#helper.applyRuleset(nftRuleset(this.#engineName, this.list(), formatCidr(this.#pool)));
    this.#lastApply = this.#lastApply.then(apply, apply);
    return this.#lastApply;
  }

  #add(request: NetworkRequest, prefix: number): NetworkRecord {
    const taken = this.list().map(({ subnet }) => parseCidr(subnet));
    const block = request.subnet ? parseCidr(request.subnet) : freeBlock(this.#pool, prefix, taken);
    if (!block)
      throw new AppError('no_space', `no free /${prefix} is left in ${formatCidr(this.#pool)}`, {
        hint: 'remove networks that nobody uses',
      });
    if (block.prefix > 29 || taken.some((other) => overlaps(block, other)))
      throw new AppError(
        'conflict',
        `subnet "${formatCidr(block)}" is too small or overlaps another network`,
      );
    const id = randomBytes(32).toString('hex');
    const record: NetworkRecord = {
      id,
      name: request.name,
      created: new Date().toISOString(),
      bridge: this.#bridgeName(id),
      subnet: formatCidr(block),
      gateway: formatIp(block.base + 1),
      internal: request.internal,
      labels: request.labels,
      options: request.options,
    };
    this.#keep(record);
    this.#save();
    this.#changed();
    return record;
  }

  #bridgeName(id: string): string {
    const names = new Set(this.list().map(({ bridge }) => bridge));
    for (let salt = 0; ; salt++) {
      const hash = createHash('sha256').update(`${id}${salt}`).digest('hex');
      const name = `${this.#engineName}-${hash.slice(0, 4)}`;
      if (!names.has(name)) return name;
    }
  }

  #addressesOf(record: NetworkRecord): AddressPool {
    const known = this.#addresses.get(record.id);
    if (known) return known;
    const pool = new AddressPool(parseCidr(record.subnet));
    this.#addresses.set(record.id, pool);
    return pool;
  }

  #keep(record: NetworkRecord): void {
    this.#records.set(record.id, record);
  }

  #save(): void {
    writeJson(this.#file, this.list());
  }
}

/** The host's end of a container's cable; 15 characters at most. */
function hostIfname(containerId: string): string {
  return `bv${containerId.slice(0, 12)}`;
}
