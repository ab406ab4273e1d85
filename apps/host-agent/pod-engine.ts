// The part of the engine's client that pods need. Tests put a fake engine in its place.
import type { EngineClient } from '@berth/clients/engine-client.ts';

export type PodEngine = Pick<
  EngineClient,
  | 'createContainer'
  | 'startContainer'
  | 'stopContainer'
  | 'killContainer'
  | 'removeContainer'
  | 'inspectContainer'
  | 'listContainers'
  | 'logs'
  | 'attach'
  | 'resizeContainer'
  | 'ensureNetwork'
  | 'events'
>;
