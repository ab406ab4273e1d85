// The networks of this engine: their records, bridges, addresses, endpoints and published ports. Containers join through `join`.
// Must never start a container on a bridge whose rules are not in the kernel yet.
import { createHash, randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { AppError } from '@berth/kit/errors.ts';
import type { Logger } from '@berth/kit/logging.ts';
import { readJsonTwin, writeJsonTwice } from '../files.ts';
import type { InterfaceSpec } from '../runtime/container-spec.ts';
import type { Helper, PortEntry } from '../runtime/helper.ts';
import { AddressPool, macOf } from './address-pool.ts';
import { type Cidr, formatCidr, parseCidr, parseIp } from './cidr.ts';
import type { NetworkRequest } from './create-request.ts';
import { dnsViewOf, type NetworkDnsView } from './dns-view.ts';
import {
  type Endpoint,
  type EndpointSettings,
  gatewayEndpoint,
  gatewayEndpoint6,
  type PublishedPort,
} from './endpoint.ts';
import { Firewall } from './firewall.ts';
import { enableForwarding, enableForwarding6 } from './forwarding.ts';
import { hostRoutes, isLinkThere, outboundMtu, readText, routedCidrs } from './host-network.ts';
import { Address6Pool, parseCidr6 } from './ipv6.ts';
import { bridgeOption, isIccOff, mtuOption, type NetworkRecord } from './network.ts';
import { nftRuleset } from './nft-ruleset.ts';
import { planNetwork } from './plan-network.ts';
import { entriesOf } from './port-entries.ts';
import { PublishedPorts, parseEphemeralRange } from './published-ports.ts';
import { rebuildNetwork } from './rebuild-network.ts';
import { removeStrayBridges } from './remove-stray-bridges.ts';

export const defaultNetworkName = 'bridge';
const defaultPrefix = 20; // the network everything lands on when nothing is said
const createdPrefix = 24;

export interface JoinRequest {
  containerId: string;
  names: string[];
  settings: EndpointSettings;
  ifname: string;
}

interface Addresses {
  v4: AddressPool;
  v6?: Address6Pool;
}

export class Networks {
  readonly firewall: Firewall;
  readonly ports: PublishedPorts;
  readonly #engineName: string;
  readonly #pool: Cidr;
  readonly #file: string;
  readonly #helper: Helper;
  readonly #log: Logger;
  readonly #records = new Map<string, NetworkRecord>();
  readonly #addresses = new Map<string, Addresses>();
  /** Networks whose bridge and rules stand in the kernel, or are being put there. */
  readonly #ready = new Map<string, Promise<void>>();
  readonly #endpoints = new Set<Endpoint>();
  /** Entries of the firewall's maps, by container. */
  readonly #published = new Map<string, PortEntry[]>();
  readonly #listeners = new Set<() => void>();
  #reasserting: Promise<void> = Promise.resolve();

  constructor(parts: { engineName: string; root: string; pool: Cidr; helper: Helper; log: Logger }) {
    this.#engineName = parts.engineName;
    this.#pool = parts.pool;
    this.#file = join(parts.root, 'networks.json');
    this.#helper = parts.helper;
    this.#log = parts.log;
    this.ports = new PublishedPorts(parseEphemeralRange(readText('/proc/sys/net/ipv4/ip_local_port_range')));
    this.firewall = new Firewall({ ...parts, ruleset: () => this.#ruleset() });
    for (const record of readJsonTwin<NetworkRecord[]>(this.#file) ?? [])
      this.#records.set(record.id, record);
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
    if (!record) throw new AppError('not_found', `network ${nameOrId} not found`);
    return record;
  }

  endpointsOf(record: NetworkRecord): Endpoint[] {
    return [...this.#endpoints].filter(({ networkId }) => networkId === record.id);
  }

  /** Calls back after each change of what `dnsView` says; returns how to stop it. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  dnsView(): NetworkDnsView[] {
    return this.list().map((record) => dnsViewOf(record, this.#endpoints));
  }

  /** The container has another name from now on. */
  rename(containerId: string, oldName: string, newName: string): void {
    for (const endpoint of this.#endpoints)
      if (endpoint.containerId === containerId)
        endpoint.names = endpoint.names.map((name) => (name === oldName ? newName : name));
    this.#changed();
  }

  #changed(): void {
    for (const listener of this.#listeners) listener();
  }

  /** Creates the record; bridge device and rules come with the first container. */
  create(request: NetworkRequest): NetworkRecord {
    if (this.find(request.name))
      throw new AppError('conflict', `network with name ${request.name} already exists`);
    const bridge = request.options[`${bridgeOption}name`];
    if (bridge && isLinkThere(bridge))
      throw new AppError('forbidden', `"${bridge}" is an interface of the host already`);
    return this.#add(request, createdPrefix);
  }

  async remove(record: NetworkRecord): Promise<void> {
    if (record.name === defaultNetworkName)
      throw new AppError('forbidden', `${record.name} is a pre-defined network and cannot be removed`);
    const wasReady = this.#ready.has(record.id);
    this.#records.delete(record.id);
    this.#addresses.delete(record.id);
    this.#ready.delete(record.id);
    this.#save();
    this.#changed();
    if (!wasReady) return;
    await this.#helper.removeBridge(record.bridge);
    await this.firewall.apply();
  }

  /** Makes the network usable and takes addresses on it. */
  async join(record: NetworkRecord, request: JoinRequest): Promise<Endpoint> {
    await this.#ensureReady(record);
    const { containerId, names, settings, ifname } = request;
    const { v4, v6 } = this.#addressesOf(record);
    const subnet = parseCidr(record.subnet);
    const wanted = settings.IPAMConfig;
    const address = wanted?.IPv4Address ? v4.takeExactly(wanted.IPv4Address) : v4.take();
    const id = randomBytes(32).toString('hex');
    const endpoint: Endpoint = {
      id,
      containerId,
      networkId: record.id,
      networkName: record.name,
      ifname,
      hostIfname: `bv${id.slice(0, 12)}`, // 15 characters at most
      address,
      prefix: subnet.prefix,
      gateway: record.gateway,
      mac: settings.MacAddress || macOf(address),
      names,
      internal: record.internal,
      gwPriority: settings.GwPriority,
    };
    try {
      if (v6 && record.subnet6) {
        const own = wanted?.IPv6Address;
        endpoint.address6 = own ? v6.takeExactly(own) : v6.take(parseIp(address) - subnet.base);
        endpoint.prefix6 = parseCidr6(record.subnet6).prefix;
        if (record.gateway6) endpoint.gateway6 = record.gateway6;
      }
    } catch (error) {
      v4.release(address);
      throw error;
    }
    this.#endpoints.add(endpoint);
    this.#changed();
    return endpoint;
  }

  leave(endpoint: Endpoint): void {
    const addresses = this.#addresses.get(endpoint.networkId);
    addresses?.v4.release(endpoint.address);
    if (endpoint.address6) addresses?.v6?.release(endpoint.address6);
    this.#endpoints.delete(endpoint);
    this.#changed();
  }

  /** Notes what a container has that is running already, at start. `restore` puts it all into the kernel at once. */
  adopt(endpoints: Endpoint[], ports: PublishedPort[]): void {
    for (const endpoint of endpoints) {
      const record = this.#records.get(endpoint.networkId) ?? this.#rebuilt(endpoint);
      if (!record) continue;
      const { v4, v6 } = this.#addressesOf(record);
      v4.adopt(endpoint.address);
      if (endpoint.address6) v6?.adopt(endpoint.address6);
      this.#endpoints.add(endpoint);
    }
    const containerId = endpoints[0]?.containerId;
    if (containerId === undefined) return;
    this.ports.adopt(containerId, ports);
    this.#published.set(containerId, entriesOf(ports, endpoints));
  }

  #rebuilt(endpoint: Endpoint): NetworkRecord | undefined {
    const record = rebuildNetwork(endpoint);
    if (!record) return undefined;
    this.#log.error(
      { network: record.name },
      'record of a network was lost, and is made anew from a container',
    );
    const namesake = this.list().find(({ name }) => name === record.name);
    if (namesake) this.#records.delete(namesake.id); // the default network, made a moment ago
    this.#records.set(record.id, record);
    this.#save();
    return record;
  }

  /** After every running container was adopted: a table with some of them only would cut the others off. */
  async restore(): Promise<void> {
    const used = new Set([...this.#endpoints].map(({ networkId }) => networkId));
    const records = this.list().filter(({ id }) => used.has(id));
    await Promise.all(
      records.map((record) =>
        this.#ensureReady(record).catch((err: unknown) =>
          this.#log.error({ err, network: record.name }, 'network of running containers cannot be restored'),
        ),
      ),
    );
    await removeStrayBridges(this.#engineName, this.list(), this.#helper, this.#log);
    // Ports of containers that ended meanwhile must not lead to an address that somebody else gets.
    if (records.length === 0 && this.list().some(({ bridge }) => isLinkThere(bridge)))
      await this.firewall
        .apply()
        .catch((err: unknown) => this.#log.warn({ err }, 'old firewall rules stay until the next container'));
    this.#changed();
  }

  /** The container's ports lead to it from now on, through the network that holds its default route. */
  async publish(containerId: string, ports: PublishedPort[], endpoints: Endpoint[]): Promise<void> {
    const before = this.#published.get(containerId) ?? [];
    const after = entriesOf(ports, endpoints);
    if (before.length === 0 && after.length === 0) return;
    if (after.length > 0) this.#published.set(containerId, after);
    else this.#published.delete(containerId);
    await this.firewall.withdraw(before);
    await this.firewall.publish(after);
  }

  /** The container is gone: its ports are free at once, the kernel follows. */
  withdraw(containerId: string): void {
    const entries = this.#published.get(containerId);
    this.ports.release(containerId);
    if (!entries) return;
    this.#published.delete(containerId);
    this.firewall
      .withdraw(entries)
      .catch((err: unknown) =>
        this.#log.warn({ err, container: containerId }, 'ports stay until the next look'),
      );
  }

  interfaceOf(endpoint: Endpoint, siblings: Endpoint[], hairpin: boolean): InterfaceSpec {
    const record = this.get(endpoint.networkId);
    const { address6, prefix6, gateway6 } = endpoint;
    return {
      bridge: record.bridge,
      ifname: endpoint.ifname,
      hostIfname: endpoint.hostIfname,
      address: `${endpoint.address}/${endpoint.prefix}`,
      gateway: gatewayEndpoint(siblings) === endpoint ? endpoint.gateway : '',
      ...(address6 ? { address6: `${address6}/${prefix6}` } : {}),
      ...(gateway6 && gatewayEndpoint6(siblings) === endpoint ? { gateway6 } : {}),
      mac: endpoint.mac,
      mtu: mtuOf(record),
      isolated: isIccOff(record),
      hairpin,
    };
  }

  /** Puts bridges and rules back that somebody else removed (a firewall reload flushes foreign tables). */
  reassert(): Promise<void> {
    this.#reasserting = this.#reasserting.catch(() => {}).then(() => this.#putBack());
    return this.#reasserting;
  }

  async #putBack(): Promise<void> {
    if (this.#ready.size === 0) return;
    await this.firewall.apply();
    for (const id of [...this.#ready.keys()]) {
      const record = this.#records.get(id);
      if (record && this.#ready.has(id)) await this.#ensureBridge(record);
    }
  }

  /** Takes every bridge and the table away; only when no container runs. */
  async teardown(): Promise<void> {
    // Those of a daemon that was killed are here as well: this one may have had no use for them.
    const left = this.list().filter(({ id, bridge }) => this.#ready.has(id) || isLinkThere(bridge));
    this.#ready.clear();
    await this.#reasserting.catch(() => {}); // or it would put back what is taken away here
    for (const { bridge } of left) await this.#helper.removeBridge(bridge);
    // Also when the last network that had a bridge was removed before; a host without nft has no table to lose.
    const removed = this.firewall.remove();
    await (left.length > 0 ? removed : removed.catch(() => {}));
  }

  #ensureReady(record: NetworkRecord): Promise<void> {
    const known = this.#ready.get(record.id);
    if (known) return known;
    const work = (async () => {
      await this.firewall.apply(); // the rules first: there is no moment without them
      await this.#ensureBridge(record);
      await enableForwarding(this.#helper);
      if (record.subnet6) await enableForwarding6(this.#helper);
      this.firewall.watch(() => this.reassert());
    })();
    this.#ready.set(record.id, work);
    work.catch(() => this.#ready.delete(record.id));
    return work;
  }

  #ensureBridge(record: NetworkRecord): Promise<void> {
    const { bridge, gateway, gateway6, subnet, subnet6 } = record;
    return this.#helper.ensureBridge({
      bridge,
      address: `${gateway}/${parseCidr(subnet).prefix}`,
      ...(gateway6 && subnet6 ? { address6: `${gateway6}/${parseCidr6(subnet6).prefix}` } : {}),
      mtu: mtuOf(record),
    });
  }

  #ruleset(): string {
    const entries = [...this.#published.values()].flat();
    return nftRuleset(this.#engineName, this.list(), formatCidr(this.#pool), entries);
  }

  #add(request: NetworkRequest, prefix: number): NetworkRecord {
    const id = randomBytes(32).toString('hex');
    const ownPrefix = `${this.#engineName}-`;
    const record = planNetwork(request, {
      id,
      pool: this.#pool,
      prefix,
      existing: this.list(),
      // Of a bridge that stands without a record the subnet is not free, either.
      routes: routedCidrs(hostRoutes()).filter(({ iface }) => request.subnet || iface.startsWith(ownPrefix)),
      freeBridgeName: () => this.#bridgeName(id),
    });
    this.#save([...this.list(), record]); // first: what a full disk did not take would be gone with the daemon
    this.#records.set(record.id, record);
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

  #addressesOf(record: NetworkRecord): Addresses {
    const known = this.#addresses.get(record.id);
    if (known) return known;
    const { subnet, subnet6, gateway, gateway6, ipRange, auxAddresses } = record;
    const addresses: Addresses = {
      v4: new AddressPool(parseCidr(subnet), {
        gateway,
        ...(ipRange ? { range: parseCidr(ipRange) } : {}),
        reserved: Object.values(auxAddresses ?? {}),
      }),
      ...(subnet6 && gateway6 ? { v6: new Address6Pool(parseCidr6(subnet6), gateway6) } : {}),
    };
    this.#addresses.set(record.id, addresses);
    return addresses;
  }

  #save(records = this.list()): void {
    writeJsonTwice(this.#file, records);
  }
}

function mtuOf(record: NetworkRecord): number {
  return Number(record.options[mtuOption]) || outboundMtu();
}
