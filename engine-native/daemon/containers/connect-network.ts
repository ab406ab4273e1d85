// Puts a container on one more network, or takes it off one, while it runs or for its next start. Called by the network routes.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { AppError } from '@berth/kit/errors.ts';
import type { Events } from '../events.ts';
import {
  type Endpoint,
  type EndpointSettings,
  gatewayEndpoint,
  gatewayEndpoint6,
} from '../networks/endpoint.ts';
import type { NetworkRecord } from '../networks/network.ts';
import type { Networks } from '../networks/networks.ts';
import { isNetworkMode } from '../networks/parse-network.ts';
import type { Helper } from '../runtime/helper.ts';
import type { Container } from './container.ts';
import type { ContainerFiles } from './container-files.ts';
import { checkSettings, joinOne, networkSettings, wantsPorts } from './container-networks.ts';
import { publishNetwork } from './describe-event.ts';
import { followGateways } from './name-servers.ts';

export interface ConnectParts {
  networks: Networks;
  files: ContainerFiles;
  helper: Helper;
  events: Events;
}

export function connectNetwork(
  container: Container,
  network: NetworkRecord,
  settings: EndpointSettings,
  parts: ConnectParts,
): Promise<void> {
  return container.exclusive(async () => {
    const { record } = container;
    checkMode(container);
    checkSettings(network, settings);
    const all = Object.fromEntries(networkSettings(record));
    if (container.isRunning && container.endpoints.some(({ networkId }) => networkId === network.id))
      throw new AppError(
        'forbidden',
        `endpoint with name ${record.name} already exists in network ${network.name}`,
      );
    if (container.isRunning) await plugIn(container, network, settings, parts);
    record.networks = { ...all, [network.name]: settings };
    parts.files.save(record);
    publishNetwork(parts.events, 'connect', network, container);
  });
}

export function disconnectNetwork(
  container: Container,
  network: NetworkRecord,
  parts: ConnectParts,
): Promise<void> {
  return container.exclusive(async () => {
    const { record } = container;
    checkMode(container);
    const all = Object.fromEntries(networkSettings(record));
    const key = [network.name, network.id].find((name) => all[name] !== undefined);
    const endpoint = container.endpoints.find(({ networkId }) => networkId === network.id);
    if (key === undefined && !endpoint)
      throw new AppError('forbidden', `container ${record.name} is not connected to network ${network.name}`);
    if (endpoint && container.isRunning) await unplug(container, endpoint, parts);
    if (key !== undefined) delete all[key];
    record.networks = all;
    parts.files.save(record);
    publishNetwork(parts.events, 'disconnect', network, container);
  });
}

function checkMode({ record }: Container): void {
  const mode = record.hostConfig.NetworkMode;
  if (isNetworkMode(mode)) return;
  throw new AppError(
    'bad_request',
    mode === 'none'
      ? 'container cannot be connected to multiple networks with one of the networks in private (none) mode'
      : mode === 'host'
        ? 'container cannot be disconnected from host network or connected to host network'
        : 'container sharing network namespace with another container or host cannot be connected to any other network',
  );
}

async function plugIn(
  container: Container,
  network: NetworkRecord,
  settings: EndpointSettings,
  parts: ConnectParts,
): Promise<void> {
  const { networks, helper } = parts;
  const before = [...container.endpoints];
  const endpoint = await joinOne(container, network.name, settings, networks);
  const after = [...before, endpoint];
  try {
    await helper.connectNetwork(container.pid, networks.interfaceOf(endpoint, after, wantsPorts(container)));
  } catch (error) {
    networks.leave(endpoint);
    throw error;
  }
  container.endpoints = after;
  editHosts(container, parts.files, (lines) => [...lines, ...hostsLines(container, endpoint)]);
  await settle(container, before, parts);
}

async function unplug(container: Container, endpoint: Endpoint, parts: ConnectParts): Promise<void> {
  const { networks, helper } = parts;
  const before = [...container.endpoints];
  await helper.disconnectNetwork(container.pid, endpoint.ifname);
  container.endpoints = before.filter((one) => one !== endpoint);
  networks.leave(endpoint);
  const gone = new Set(hostsLines(container, endpoint));
  editHosts(container, parts.files, (lines) => lines.filter((line) => !gone.has(line)));
  await settle(container, before, parts);
}

/** Default routes and published ports follow the gateway; the run record follows both. */
async function settle(container: Container, before: Endpoint[], parts: ConnectParts): Promise<void> {
  const { networks, files, helper } = parts;
  const { endpoints } = container;
  followGateways(container, before, files);
  files.updateRun(container.id, { endpoints, ports: container.ports });
  const [v4, v6] = [gatewayEndpoint(endpoints), gatewayEndpoint6(endpoints)];
  for (const [now, then, family] of [
    [v4, gatewayEndpoint(before), 'gateway'],
    [v6, gatewayEndpoint6(before), 'gateway6'],
  ] as const) {
    if (!now || now === then) continue;
    const route = { ifname: now.ifname, gateway: '', gateway6: '', [family]: now[family] ?? '' };
    await helper.setDefaultRoute(container.pid, route);
  }
  if (!wantsPorts(container)) return;
  await networks.publish(container.id, container.ports, endpoints);
}

function hostsLines({ record }: Container, { address, address6 }: Endpoint): string[] {
  return [address, ...(address6 ? [address6] : [])].map((ip) => `${ip}\t${record.config.Hostname}`);
}

/** In place: the container sees this very file. What its user wrote into it stays. */
function editHosts(container: Container, files: ContainerFiles, edit: (lines: string[]) => string[]): void {
  const path = join(files.stateDir(container.id), 'hosts');
  try {
    const lines = readFileSync(path, 'utf8').replace(/\n$/, '').split('\n');
    writeFileSync(path, `${edit(lines).join('\n')}\n`);
  } catch {
    // removed by its user: then nobody reads it
  }
}
