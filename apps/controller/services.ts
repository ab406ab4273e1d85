// The controller's parts, made once in main.ts. Operations name the ones they need with Pick, so that a test gives just those.
import type { ImageDocuments } from '@berth/clients/image-documents.ts';
import type { Logger } from '@berth/kit/logging.ts';
import type { Database } from '@berth/store/database.ts';
import type { Bells } from './bells.ts';
import type { ControllerConfig } from './config.ts';
import type { DesiredSets } from './desired-sets.ts';
import type { Hints } from './hints.ts';
import type { OutputLog } from './output-log.ts';
import type { Queues } from './queues.ts';
import type { RouteTable } from './route-table.ts';
import type { ConfigSealer } from './seal-config.ts';

export interface Services {
  db: Database;
  bells: Bells;
  hints: Hints;
  routes: RouteTable;
  desired: DesiredSets;
  output: OutputLog;
  queues: Queues;
  sealer: ConfigSealer;
  /** What the engine keeps about images: the controller's only door to it. */
  documents: ImageDocuments;
  config: ControllerConfig;
  log: Logger;
}
