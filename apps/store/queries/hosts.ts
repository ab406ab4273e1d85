// Hosts and leases. Only the database's clock decides about a lease.
import { all, first, type Queryable } from '../database.ts';
import { newId } from '../new-id.ts';

export interface HostRow {
  id: string;
  name: string;
  session: string;
  memory_mb: number;
  cpus: number;
  agent_socket: string;
  silent_ms: number;
  reserved_mb: number;
  instances: number;
}

const selectHost = `SELECT h.id, h.name, h.session, h.memory_mb, h.cpus, h.agent_socket,
    (extract(epoch FROM clock_timestamp() - h.last_seen_at) * 1000)::bigint AS silent_ms,
    coalesce(i.reserved_mb, 0)::integer AS reserved_mb, coalesce(i.n, 0)::integer AS instances
  FROM hosts h LEFT JOIN (
    SELECT host_id, sum(memory_mb) AS reserved_mb, count(*) AS n FROM instances WHERE state NOT IN ('stopped', 'lost') GROUP BY host_id
  ) i ON i.host_id = h.id`;

export interface NewHost {
  name: string;
  session: string;
  memoryMb: number;
  cpus: number;
  agentSocket: string;
}

/** A host that starts anew takes its old row with a new session. */
export async function registerHost(db: Queryable, host: NewHost): Promise<string> {
  const row = await first<{ id: string }>(
    db,
    `INSERT INTO hosts (id, name, session, memory_mb, cpus, agent_socket) VALUES ($1, $2, $3, $4, $5, $6)
     ON CONFLICT (name) DO UPDATE SET session = $3, memory_mb = $4, cpus = $5, agent_socket = $6, last_seen_at = now() RETURNING id`,
    [newId(), host.name, host.session, host.memoryMb, host.cpus, host.agentSocket],
  );
  if (!row) throw new Error('a host row must come back');
  return row.id;
}

export function listHosts(db: Queryable): Promise<HostRow[]> {
  return all<HostRow & Record<string, unknown>>(db, `${selectHost} ORDER BY h.name`);
}

export function hostById(db: Queryable, id: string): Promise<HostRow | undefined> {
  return first<HostRow & Record<string, unknown>>(db, `${selectHost} WHERE h.id = $1`, [id]);
}

/** Marks the host as heard of; false when a newer session has taken its place. */
export async function touchHost(db: Queryable, id: string, session: string): Promise<boolean> {
  const result = await db.query('UPDATE hosts SET last_seen_at = now() WHERE id = $1 AND session = $2', [
    id,
    session,
  ]);
  return result.rowCount === 1;
}

/** Takes a free or expired lease (epoch null) or renews ours. Undefined: another holder has it. */
export async function takeLease(
  db: Queryable,
  name: string,
  holder: string,
  epoch: number | null,
  ttlMs: number,
): Promise<number | undefined> {
  const ttl = `${ttlMs} milliseconds`;
  if (epoch !== null) {
    const row = await first<{ epoch: number }>(
      db,
      `UPDATE leases SET expires_at = clock_timestamp() + $4::interval
       WHERE name = $1 AND holder = $2 AND epoch = $3 AND expires_at > clock_timestamp() RETURNING epoch`,
      [name, holder, epoch, ttl],
    );
    return row?.epoch;
  }
  const row = await first<{ epoch: number }>(
    db,
    `INSERT INTO leases AS l (name, holder, epoch, expires_at) VALUES ($1, $2, 1, clock_timestamp() + $3::interval)
     ON CONFLICT (name) DO UPDATE SET holder = $2, epoch = l.epoch + 1, expires_at = clock_timestamp() + $3::interval
     WHERE l.expires_at <= clock_timestamp() OR l.holder = $2 RETURNING epoch`,
    [name, holder, ttl],
  );
  return row?.epoch;
}

/** Inside a transaction: is this epoch still the lease's? Shares the row lock, so it cannot change before the commit. */
export async function holdsLease(tx: Queryable, name: string, epoch: number): Promise<boolean> {
  const row = await first(
    tx,
    'SELECT 1 FROM leases WHERE name = $1 AND epoch = $2 AND expires_at > clock_timestamp() FOR SHARE',
    [name, epoch],
  );
  return row !== undefined;
}
