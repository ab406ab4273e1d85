// The parts that the steps of an exchange work with, put together once by start-router.
import type { HoldQueue } from './hold-queue.ts';
import type { Limits } from './limits.ts';
import type { RequestLog } from './request-log.ts';
import type { RouteTable } from './table.ts';
import type { UpstreamPool } from './upstream-pool.ts';

export interface ProxyParts {
  readonly table: RouteTable;
  readonly pool: UpstreamPool;
  readonly held: HoldQueue;
  readonly log: RequestLog;
  readonly limits: Limits;
  /** For a fault of the router itself, which ends one connection and no more. */
  readonly report: (error: unknown) => void;
}
