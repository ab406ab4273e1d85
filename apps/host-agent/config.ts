// The host agent's configuration, read once at start.
import { hostname } from 'node:os';
import { join } from 'node:path';
import { readConfig, text } from '@berth/kit/config.ts';

export interface AgentConfig {
  controllerSocket: string;
  engineSocket: string;
  /** Holds config vars: 0700, its file 0600. */
  dataDir: string;
  agentSocket: string;
  hostName: string;
}

export function loadConfig(): AgentConfig {
  const values = readConfig({
    BERTH_CONTROLLER_SOCKET: text("unix socket of the controller's internal API"),
    BERTH_ENGINE_SOCKET: text('unix socket of the container engine'),
    BERTH_DATA: text('folder of what must survive'),
    BERTH_RUN: text('folder of sockets'),
    BERTH_AGENT_SOCKET: text('where the agent serves logs and attach; empty: in the folder of sockets', ''),
    BERTH_HOST_NAME: text('name of this host in the platform', hostname()),
  });
  return {
    controllerSocket: values.BERTH_CONTROLLER_SOCKET,
    engineSocket: values.BERTH_ENGINE_SOCKET,
    dataDir: join(values.BERTH_DATA, 'host'),
    agentSocket: values.BERTH_AGENT_SOCKET || join(values.BERTH_RUN, 'host-agent.sock'),
    hostName: values.BERTH_HOST_NAME,
  };
}
