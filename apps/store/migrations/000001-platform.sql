-- 000001: every table of the platform. Forward only; applied by migrate.ts in one transaction with its row in `migrations`.
-- Breaking: no (first migration).
-- Who writes: the controller alone. States are closed lists (checks below); the comment at each says who moves it.

CREATE TABLE users (
  id text PRIMARY KEY,
  name text NOT NULL UNIQUE,
  admin boolean NOT NULL DEFAULT false,
  created_at timestamptz NOT NULL DEFAULT now()
);

-- Only the SHA-256 of a token is kept; the prefix lets a person tell tokens apart.
CREATE TABLE tokens (
  id text PRIMARY KEY,
  user_id text NOT NULL REFERENCES users ON DELETE CASCADE,
  hash bytea NOT NULL UNIQUE,
  prefix text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  expires_at timestamptz
);

-- next_* are counters, not sequences: a rolled-back transaction leaves no gap. version counts every change of what the scheduler plans from.
CREATE TABLE apps (
  id text PRIMARY KEY,
  name text NOT NULL,
  owner_id text NOT NULL REFERENCES users,
  deploy_branch text NOT NULL DEFAULT 'main',
  next_release integer NOT NULL DEFAULT 1,
  next_build integer NOT NULL DEFAULT 1,
  next_config integer NOT NULL DEFAULT 1,
  next_gen integer NOT NULL DEFAULT 1,
  next_run integer NOT NULL DEFAULT 1,
  config_number integer NOT NULL DEFAULT 0,
  current_release_id text,
  current_gen integer NOT NULL DEFAULT 0,
  version bigint NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL DEFAULT now(),
  deleted_at timestamptz
);
CREATE UNIQUE INDEX apps_name ON apps (name) WHERE deleted_at IS NULL;

-- One immutable set of config vars: AES-256-GCM under a key of its own, which is wrapped by the platform's key (kek_id names it).
CREATE TABLE config_versions (
  app_id text NOT NULL REFERENCES apps,
  number integer NOT NULL,
  kek_id text NOT NULL,
  wrapped_key bytea NOT NULL,
  ciphertext bytea NOT NULL,
  user_id text NOT NULL REFERENCES users,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (app_id, number)
);

-- open: received, not answered. accepted, rejected, superseded, abandoned (the pusher went away): final. landed: git has moved the ref (or will not).
CREATE TABLE pushes (
  id text PRIMARY KEY,
  app_id text NOT NULL REFERENCES apps,
  user_id text NOT NULL REFERENCES users,
  ref text NOT NULL,
  old_oid text NOT NULL,
  new_oid text NOT NULL,
  tree_oid text NOT NULL,
  status text NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'accepted', 'rejected', 'superseded', 'abandoned')),
  reason text,
  landed boolean NOT NULL DEFAULT false,
  created_at timestamptz NOT NULL DEFAULT now(),
  finished_at timestamptz
);
CREATE INDEX pushes_open ON pushes (app_id) WHERE status = 'open' OR NOT landed;

-- pending → running (a builder took it; epoch counts each taking) → a final status. Only the holder of the newest epoch may report.
-- durable: the image would survive a power loss; a push is not acknowledged before.
CREATE TABLE builds (
  id text PRIMARY KEY,
  app_id text NOT NULL REFERENCES apps,
  number integer NOT NULL,
  push_id text REFERENCES pushes,
  user_id text NOT NULL REFERENCES users,
  commit_oid text NOT NULL,
  tree_oid text NOT NULL,
  repository text NOT NULL,
  object_directories jsonb NOT NULL DEFAULT '[]',
  status text NOT NULL DEFAULT 'pending'
    CHECK (status IN ('pending', 'running', 'succeeded', 'failed', 'canceled', 'superseded')),
  key text,
  result jsonb,
  steps jsonb NOT NULL DEFAULT '[]',
  error text,
  hint text,
  worker text,
  epoch integer NOT NULL DEFAULT 0,
  durable boolean NOT NULL DEFAULT false,
  created_at timestamptz NOT NULL DEFAULT now(),
  started_at timestamptz,
  finished_at timestamptz,
  UNIQUE (app_id, number)
);
CREATE INDEX builds_by_key ON builds (app_id, key) WHERE status = 'succeeded';
CREATE INDEX builds_unfinished ON builds (status) WHERE status IN ('pending', 'running');

-- Immutable. The number comes from apps.next_release in the inserting transaction.
CREATE TABLE releases (
  id text PRIMARY KEY,
  app_id text NOT NULL REFERENCES apps,
  number integer NOT NULL,
  build_id text NOT NULL REFERENCES builds,
  config_number integer NOT NULL,
  image text NOT NULL,
  process_types jsonb NOT NULL,
  port integer NOT NULL,
  run_user text NOT NULL,
  description text NOT NULL,
  user_id text NOT NULL REFERENCES users,
  output_id text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (app_id, number),
  FOREIGN KEY (app_id, config_number) REFERENCES config_versions (app_id, number)
);
ALTER TABLE apps ADD FOREIGN KEY (current_release_id) REFERENCES releases;

-- Moved on by the scheduler (compare-and-set on state) and superseded by a newer one; at most one is unfinished for each app.
CREATE TABLE deployments (
  id text PRIMARY KEY,
  app_id text NOT NULL REFERENCES apps,
  release_id text NOT NULL REFERENCES releases,
  gen integer NOT NULL,
  kind text NOT NULL CHECK (kind IN ('release', 'restart')),
  state text NOT NULL DEFAULT 'pending'
    CHECK (state IN ('pending', 'release_phase', 'starting', 'succeeded', 'failed', 'superseded')),
  error text,
  hint text,
  superseded_by text,
  route_version bigint,
  created_at timestamptz NOT NULL DEFAULT now(),
  state_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (app_id, gen)
);
CREATE UNIQUE INDEX deployments_running ON deployments (app_id) WHERE state IN ('pending', 'release_phase', 'starting');
CREATE INDEX deployments_by_release ON deployments (release_id);

CREATE TABLE formations (
  app_id text NOT NULL REFERENCES apps,
  process_type text NOT NULL,
  quantity integer NOT NULL CHECK (quantity >= 0),
  memory_mb integer NOT NULL DEFAULT 512,
  PRIMARY KEY (app_id, process_type)
);

CREATE TABLE hosts (
  id text PRIMARY KEY,
  name text NOT NULL UNIQUE,
  session text NOT NULL,
  memory_mb integer NOT NULL,
  cpus integer NOT NULL,
  agent_socket text NOT NULL,
  last_seen_at timestamptz NOT NULL DEFAULT now(),
  created_at timestamptz NOT NULL DEFAULT now()
);

-- A pod is one row. desired, routed, host_id: the scheduler. state and the rest: the host agent's reports.
CREATE TABLE instances (
  id text PRIMARY KEY,
  app_id text NOT NULL REFERENCES apps,
  release_id text NOT NULL REFERENCES releases,
  gen integer NOT NULL,
  process_type text NOT NULL,
  slot integer NOT NULL,
  host_id text REFERENCES hosts,
  one_off boolean NOT NULL DEFAULT false,
  command jsonb,
  terminal jsonb,
  desired text NOT NULL DEFAULT 'running' CHECK (desired IN ('running', 'stopped')),
  state text NOT NULL DEFAULT 'pending'
    CHECK (state IN ('pending', 'starting', 'ready', 'crashed', 'stopped', 'lost')),
  routed boolean NOT NULL DEFAULT false,
  unrouted_version bigint,
  unrouted_at timestamptz,
  address text,
  port integer,
  container text,
  restarts integer NOT NULL DEFAULT 0,
  exit_code integer,
  fatal text,
  message text,
  tail text,
  memory_mb integer NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  state_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX instances_slot ON instances (app_id, gen, process_type, slot) WHERE NOT one_off OR process_type = 'release';
CREATE INDEX instances_by_app ON instances (app_id);
CREATE INDEX instances_by_host ON instances (host_id);

-- holder and epoch of each leader; only the database's clock counts.
CREATE TABLE leases (
  name text PRIMARY KEY,
  holder text NOT NULL,
  epoch bigint NOT NULL,
  expires_at timestamptz NOT NULL
);

CREATE TABLE domains (
  id text PRIMARY KEY,
  app_id text NOT NULL REFERENCES apps,
  hostname text NOT NULL UNIQUE,
  builtin boolean NOT NULL DEFAULT false,
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE routes (
  domain_id text NOT NULL REFERENCES domains ON DELETE CASCADE,
  path text NOT NULL DEFAULT '/',
  process_type text NOT NULL DEFAULT 'web',
  PRIMARY KEY (domain_id, path)
);

CREATE TABLE counters (name text PRIMARY KEY, value bigint NOT NULL);
INSERT INTO counters VALUES ('route_version', 1);

-- What a pusher or a CLI sees while a build and its deployment go on: one stream for each push or release, in order.
CREATE TABLE output (
  output_id text NOT NULL,
  seq integer NOT NULL,
  text text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (output_id, seq)
);

-- Append-only: who changed what and when. data never holds a secret.
CREATE TABLE events (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  app_id text,
  user_id text,
  kind text NOT NULL,
  data jsonb NOT NULL DEFAULT '{}',
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX events_by_app ON events (app_id, id);
